"""Hundreds of open pages without a browser for each: what a page holds, and no more.

A visitor connects, resumes, takes in what is pushed and comes back when the socket
ends, as htmx does. All of them live in the event loop of one thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import html
import json
import random
import re
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Origin

from e2e.drills.backstage import TOKEN
from e2e.services import LOCALHOST, eventually
from e2e.stack import ROOT, Stack

T = TypeVar("T")

MARK = re.compile(r'name="region" id="[^"]+" value="([\w-]+):(\w*)"')
COUNT = re.compile(r'data-testid="active-users" data-count="(\d+)"')
#: Regions whose marks tell where a page is in a history, not which state it shows.
FEEDS = {"toasts"}
#: The first pause before a page comes back, in seconds, and the longest
#: (``reconnectDelay`` and ``reconnectMaxDelay`` of htmx); either 30 % more or less.
PAUSE, LONGEST_PAUSE, JITTER = 0.5, 5.0, 0.3
#: How often we look whether we are late, and from when on it counts, in seconds.
WATCH, LATE = 0.005, 0.001
#: From fewer waits nothing is concluded.
ENOUGH = 100
#: Handshakes under way at a time: fewer than a server's backlog.
AT_ONCE = 40
#: Anything that takes longer than this has failed, in seconds.
PATIENCE = 60.0
#: Of a process's memory, as proc(5) calls them.
NOW, PEAK = "VmRSS", "VmHWM"


class Visitor:
    """One open page.

    Args:
        ports: where its socket goes: the first of them, and on to the next whenever
            the connection is lost, as behind a proxy.
        session: the cookie's value.
        token: the page's token.
        page: its HTML as it was loaded.
    """

    def __init__(self, ports: Sequence[int], session: str, token: str, page: str) -> None:
        self.ports = list(ports)
        self.session = session
        self.token = token
        #: By region, which version the page shows; and the people it has counted.
        self.marks: dict[str, str] = {}
        self.counted: list[int] = []
        #: What was pushed, with its time; only kept when somebody asks for it.
        self.keeps = False
        self.pushed: list[tuple[float, str]] = []
        #: How its sockets have ended.
        self.codes: list[int | None] = []
        self.socket: ClientConnection | None = None
        self.comes_back = True
        self.hears(page)

    @property
    def people(self) -> int:
        """How many people the page says there are."""
        return self.counted[-1]

    @property
    def cookie(self) -> str:
        return f"sessionid={self.session}"

    def hears(self, frame: str) -> None:
        """Take in what a page or a frame brings."""
        self.marks.update(MARK.findall(frame))
        self.counted += [int(count) for count in COUNT.findall(frame)]
        if self.keeps:
            self.pushed.append((time.monotonic(), frame))

    def resume(self) -> str:
        """What htmx sends when the socket opens."""
        marks = [f"{name}:{mark}" for name, mark in self.marks.items()]
        return json.dumps({"page": self.token, "region": marks})

    async def lives(self, gate: asyncio.Semaphore) -> None:
        """Keep the page connected until it is closed."""
        pause = PAUSE
        while self.comes_back:
            with contextlib.suppress(OSError, ConnectionClosed, InvalidHandshake, TimeoutError):
                await self._connected(gate)
                pause = PAUSE
            if self.comes_back:
                self.ports.append(self.ports.pop(0))
                await asyncio.sleep(pause * random.uniform(1 - JITTER, 1 + JITTER))
                pause = min(pause * 2, LONGEST_PAUSE)

    async def _connected(self, gate: asyncio.Semaphore) -> None:
        async with gate:
            socket = await self.opens()
        try:
            async for frame in socket:
                assert isinstance(frame, str)
                self.hears(frame)
        finally:
            self.socket = None
            await socket.close()
            self.codes.append(socket.close_code)

    async def opens(self) -> ClientConnection:
        """Open a socket and resume."""
        where = f"{LOCALHOST}:{self.ports[0]}"
        socket = await connect(
            f"ws://{where}/live/",
            origin=Origin(f"http://{where}"),
            additional_headers={"Cookie": self.cookie},
            compression="deflate",  # as every browser offers
            proxy=None,
            ping_interval=None,  # the server asks who is there
            max_queue=None,
        )
        await socket.send(self.resume())
        self.socket = socket
        return socket

    def loads(self, path: str = "/") -> str:
        """The HTML of a page, loaded anew from where the socket goes."""
        request = urllib.request.Request(
            f"http://{LOCALHOST}:{self.ports[0]}{path}", headers={"Cookie": self.cookie}
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return str(answer.read().decode())

    def another(self, path: str = "/") -> Visitor:
        """A page of the same person, really loaded."""
        page = self.loads(path)
        token = TOKEN.search(page)
        assert token, f"{path} has no page token"
        return Visitor(self.ports, self.session, html.unescape(token[1]), page)


class Crowd:
    """Visitors of a stack, and somebody backstage."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.loop = asyncio.new_event_loop()
        self.gate = asyncio.Semaphore(AT_ONCE)
        self._thread = threading.Thread(target=self.loop.run_forever, name="crowd", daemon=True)
        self._tasks: dict[Visitor, asyncio.Task[None]] = {}
        self._backstage = subprocess.Popen(
            [sys.executable, "-m", "e2e.drills.backstage"],
            env={**stack.env, "DJANGO_SETTINGS_MODULE": "project.settings"},
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Have the crowd's event loop do something."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(PATIENCE)

    def ask(self, do: str, **arguments: object) -> Any:
        """Have something done backstage, and wait for it."""
        self.tell(do, **arguments)
        return self.answer()

    def tell(self, do: str, **arguments: object) -> None:
        """Have something done backstage."""
        assert self._backstage.stdin
        self._backstage.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self._backstage.stdin.flush()

    def answer(self) -> Any:
        """What came of what was asked for first."""
        assert self._backstage.stdout
        return json.loads(self._backstage.stdout.readline())

    # Pages.

    def enter(self, count: int) -> list[Visitor]:
        """People who have the list of documents open, each on one page. Their sockets
        are not connected yet; the processes of the stack get them in turns."""
        made = self.ask("enter", people=count)
        ports = self.stack.ports
        return [
            Visitor(
                [*ports[number % len(ports) :], *ports[: number % len(ports)]],
                *(session, token, made["page"]),
            )
            for number, (session, token) in enumerate(
                zip(made["sessions"], made["tokens"], strict=True)
            )
        ]

    def connect(self, visitors: Sequence[Visitor]) -> None:
        """Open their sockets, and wait until all have one."""
        self.run(self._begin(visitors))
        eventually(lambda: all(v.socket for v in visitors), "all are connected", PATIENCE)

    async def _begin(self, visitors: Sequence[Visitor]) -> None:
        for visitor in visitors:
            visitor.comes_back = True
            self._tasks[visitor] = asyncio.create_task(visitor.lives(self.gate))

    def leave(self, visitors: Sequence[Visitor]) -> None:
        """Close their pages."""
        self.run(self._end(visitors))

    async def _end(self, visitors: Sequence[Visitor]) -> None:
        ending = [task for v in visitors if (task := self._tasks.pop(v, None))]
        for visitor in visitors:
            visitor.comes_back = False
        for task in ending:
            task.cancel()
        if ending:
            await asyncio.wait(ending)

    def asks_again(self, visitor: Visitor) -> None:
        """Have an open page resume once more."""
        assert visitor.socket
        self.run(visitor.socket.send(visitor.resume()))

    # What is asked of pages.

    def become_right(
        self, visitors: Sequence[Visitor], people: int, *, within: float, what: str
    ) -> None:
        """Wait until every page is connected, counts ``people``, and shows in every
        region exactly what it would show if it were loaded now."""
        eventually(lambda: are_right(visitors, people), what, within)

    @contextmanager
    def pinging(self, visitors: Sequence[Visitor], every: float = 0.02) -> Iterator[Waits]:
        """Meanwhile, ask the server for a sign of life on each of these sockets in
        turn. It answers from its event loop, so nobody waits longer for anything
        than for this. Whoever is closed meanwhile is an error."""
        waits = Waits()
        ways = [_ping(visitors, every, waits), _watch(waits)]
        asking = [asyncio.run_coroutine_threadsafe(way, self.loop) for way in ways]
        try:
            yield waits
        finally:
            ended = [job for job in asking if not job.cancel()]
        for job in ended:  # it should have gone on
            raise AssertionError("nobody asks any more") from job.exception()

    def __enter__(self) -> Crowd:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.leave(list(self._tasks))
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()
        self._backstage.communicate()


#: When something began and when it was over, on the monotonic clock.
Span = tuple[float, float]


@dataclass
class Waits:
    """How long answers took; and when we ourselves were not there to take them, because
    the machine had no time for us: of each wait, just that part is not the server's."""

    answers: list[Span] = field(default_factory=list)
    absences: list[Span] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def awake(self, span: Span) -> float:
        """How much of it we were there, in seconds."""
        began, over = span
        missed = (min(over, end) - max(began, start) for start, end in self.absences)
        return over - began - sum(part for part in missed if part > 0)

    def p99(self, spans: Sequence[Span] = ()) -> float:
        """What 99 of 100 waits do not exceed, in seconds.

        Args:
            spans: the waits, if they are not the answers to pings.
        """
        spans = spans or self.answers
        assert len(spans) >= ENOUGH, f"{len(spans)} waits are too few to judge by"
        all_the_time = (self.began, time.monotonic())
        share = self.awake(all_the_time) / (all_the_time[1] - all_the_time[0])
        assert share > 0.5, f"the machine is too busy: we were there {share:.0%} of the time"
        return p99([self.awake(span) for span in spans])


async def _ping(visitors: Sequence[Visitor], every: float, waits: Waits) -> None:
    while True:
        for visitor in visitors:
            assert visitor.socket, "it was closed"
            began = time.monotonic()
            await (await visitor.socket.ping())
            waits.answers.append((began, time.monotonic()))
            await asyncio.sleep(every)


async def _watch(waits: Waits) -> None:
    """Note how much too late timers go off."""
    while True:
        due = time.monotonic() + WATCH
        await asyncio.sleep(WATCH)
        if (now := time.monotonic()) - due > LATE:
            waits.absences.append((due, now))


def are_right(visitors: Sequence[Visitor], people: int) -> bool:
    """See :meth:`Crowd.become_right`. A region that a page loaded now has not is wrong,
    too: nothing that visitors look at goes away in a drill."""
    if not all(v.socket and v.people == people for v in visitors):
        return False
    now = dict(MARK.findall(visitors[0].loads()))
    return all(
        now.get(name) == mark
        for visitor in visitors
        for name, mark in visitor.marks.items()
        if name not in FEEDS
    )


def delays(
    visitor: Visitor, what: re.Pattern[str], moments: Sequence[float], first: int
) -> list[Span]:
    """From each moment on, until the page was sent what came of it, or of a later one.

    Args:
        what: how a frame says it, as a number that grows by one with each moment.
        first: what it says of the first of them.
    """
    found = ((at, what.findall(frame)) for at, frame in visitor.pushed)
    heard = [(at, int(number)) for at, numbers in found for number in numbers]
    return [
        (moment, min(at for at, number in heard if number >= first + count))
        for count, moment in enumerate(moments)
    ]


def p99(seconds: Sequence[float]) -> float:
    """What 99 of 100 do not exceed."""
    return statistics.quantiles(seconds, n=100)[98]


def memory(pid: int, which: str = NOW) -> int:
    """The memory that a process has in use (resident set), in bytes; or the most it has
    had, if ``which`` is :data:`PEAK`."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(rf"{which}:\s+(\d+) kB", status)
    assert found
    return int(found[1]) * 1024
