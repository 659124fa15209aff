"""What others notice while long texts are merged and compared."""

from __future__ import annotations

import argparse
import asyncio
import http
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from collab.models import Person
from collab.operations import documents
from collab.operations.documents import Content

from . import prose
from .browser import PATIENCE_SECONDS, Answer, Browser, Page, Socket
from .client import Failed
from .editing import WARM_UP_SECONDS, Writer
from .figures import Times, table
from .processes import python, running
from .results import Section
from .workspace import Pen, Workspace, people, prepare, signed_in

#: The longest text that a document holds, less what the changes add.
TEXT_CHARACTERS = 190_000
#: How often each of those who are measured asks for something, on average.
EVERY_SECONDS = 0.25
#: How many people keep the server busy with the long texts.
BUSY = 2
#: The promise: 99 of 100 others wait no longer.
TARGET_MS = 100.0


@dataclass(frozen=True)
class Texts:
    """A text, and what two people made of it."""

    base: str
    yours: str
    theirs: str


def apart(chance: random.Random) -> Texts:
    """Each has changed a tenth of the paragraphs; not the same."""
    lines = _paragraphs(chance)
    tenth = len(lines) // 10
    yours = [prose.reworded(chance, one) for one in lines[:tenth]] + lines[tenth:]
    theirs = lines[:-tenth] + [prose.reworded(chance, one) for one in lines[-tenth:]]
    return Texts(*("\n\n".join(text) for text in (lines, yours, theirs)))


def every_line(chance: random.Random) -> Texts:
    """Both have changed every paragraph."""
    lines = _paragraphs(chance)
    yours, theirs = ([prose.reworded(chance, one) for one in lines] for _ in range(2))
    return Texts(*("\n\n".join(text) for text in (lines, yours, theirs)))


def one_line(chance: random.Random) -> Texts:
    """The same as :func:`apart`, without a single line end."""
    found = apart(chance)
    return Texts(*(text.replace("\n", " ") for text in (found.base, found.yours, found.theirs)))


def _paragraphs(chance: random.Random) -> list[str]:
    return prose.text(chance, TEXT_CHARACTERS).split("\n\n")


TEXTS: Mapping[str, Callable[[random.Random], Texts]] = {
    "different parts": apart,
    "one line": one_line,
    "every paragraph": every_line,
}


class Busy:
    """Somebody who has the server merge, or compare, long texts again and again.

    The document's version 1 is the base. A save that says it began from there is
    merged with what the document holds, which is what others made of the base.
    """

    def __init__(self, person: Person, texts: Texts, port: int) -> None:
        first, second = (Content("Long", text) for text in (texts.base, texts.theirs))
        made = documents.create(person.pk, first)
        documents.restore(made.pk, person.pk, second)
        self.writer = Writer(signed_in(person), made.pk, port, made.pk)
        self.texts = texts
        self.version = 2
        #: Seconds that each answer took.
        self.waits: list[float] = []

    async def merge(self) -> None:
        """Save what began from version 1. If it could be merged and so was saved,
        save the others' text again, for the next round."""
        if await self._save(self.texts.yours, version=1):
            await self._save(self.texts.theirs, version=self.version)

    async def compare(self) -> None:
        """Look at what version 2 has changed."""
        path = f"/documents/{self.writer.document}/history/2/"
        await self._timed(self.writer.browser.get(path))

    async def _save(self, text: str, *, version: int) -> bool:
        sequence = time.time_ns() // 1_000_000
        form = {**self.writer.form, "version": version, "sequence": sequence, "text": text}
        path = f"/documents/{self.writer.document}/edit/"
        status = await self._timed(self.writer.browser.post(path, form))
        self.version += status == http.HTTPStatus.OK
        return status == http.HTTPStatus.OK

    async def _timed(self, request: Awaitable[Answer]) -> int:
        began = time.perf_counter()
        answer = await request
        if answer.status not in (http.HTTPStatus.OK, http.HTTPStatus.CONFLICT):
            raise Failed(f"A long text was answered {answer.status}: {answer.body[:500]}")
        self.waits.append(time.perf_counter() - began)
        return answer.status


class Others:
    """Those who must not notice: a dashboard is loaded, a draft is kept, and a
    badge changes on an open dashboard."""

    def __init__(self, workspace: Workspace, writer: Writer, port: int) -> None:
        self.writer = writer
        self.pen = Pen(workspace)
        self.browser = Browser(port, dict([workspace.visitors[0].cookie.split("=", 1)]))
        self.socket = Socket()

    async def open(self) -> None:
        await self.writer.open()
        await self.socket.open(self.browser, Page.read(await self.browser.get("/")))

    async def close(self) -> None:
        await self.socket.close()
        await self.writer.close()
        await self.browser.close()

    async def dashboard(self) -> float:
        began = time.perf_counter()
        answer = await self.browser.get("/")
        if answer.status != http.HTTPStatus.OK:
            raise Failed(f"The dashboard was answered {answer.status}.")
        return time.perf_counter() - began

    async def draft(self) -> float:
        began = time.perf_counter()
        await self.writer.autosave()
        return time.perf_counter() - began

    async def push(self) -> float:
        """From the commit, in another process, until the page has it."""
        coming = self.socket.expect(self.pen.coming.name)
        await asyncio.to_thread(self.pen.pass_on)
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await coming - self.pen.announced


@dataclass(frozen=True)
class Case:
    """What some do, and how long they and the others waited."""

    title: str
    busy: Sequence[float]
    others: Mapping[str, Times]


def measure(options: argparse.Namespace) -> Section:
    """Measure the others' waits, first alone, then beside each kind of long work.

    Raises:
        Failed: something under test did not work.
    """
    prepare()
    chance = random.Random(0)
    port, folder = settings.PORT, Path(settings.DATA_DIR)
    (reader,), editors = people("visitor", 1), people("editor", 8)
    made = [documents.create(editors[0].pk, Content(f"Document {n}", "Text.")) for n in range(50)]
    workspace = Workspace([signed_in(reader)], editors, made[-1].pk)
    (author,) = people("author", 1)
    short = documents.create(author.pk, Content("Short", "Text."))
    others = Others(workspace, Writer(signed_in(author), short.pk, port, 0), port)
    busy = people("busy", BUSY)
    texts = {title: make(chance) for title, make in TEXTS.items()}
    command = python("manage.py", "serve", "--port", str(port))
    # On all cores: the long texts have processes beside the server's.
    with running(command, port, log=folder / "merging.log"):
        cases = asyncio.run(_cases(others, busy, texts, port, options.merging))
    return report(cases)


async def _cases(
    others: Others,
    people: Sequence[Person],
    texts: Mapping[str, Texts],
    port: int,
    seconds: float,
) -> list[Case]:
    await others.open()
    await _waits(others, WARM_UP_SECONDS)
    cases = [Case("nothing", (), await _waits(others, seconds))]
    for title, made in texts.items():
        busy = [await asyncio.to_thread(Busy, person, made, port) for person in people]
        for one in busy:
            await one.writer.open()
        for name, act in (("merging", Busy.merge), ("comparing", Busy.compare)):
            working = [asyncio.create_task(_again(one, act)) for one in busy]
            waits = await _waits(others, seconds)
            for task in working:
                task.cancel()
            ended = await asyncio.gather(*working, return_exceptions=True)
            for problem in ended:
                if not isinstance(problem, asyncio.CancelledError):
                    raise Failed(f"{title}: {problem!r}")
            cases.append(Case(f"{name}: {title}", [w for one in busy for w in one.waits], waits))
            for one in busy:
                one.waits.clear()
                await one.writer.browser.close()
        for one in busy:
            await one.writer.close()
    await others.close()
    return cases


async def _again(busy: Busy, act: Callable[[Busy], Awaitable[None]]) -> None:
    while True:
        await act(busy)


async def _waits(others: Others, seconds: float) -> dict[str, Times]:
    """What each of the others waited meanwhile."""
    acts = {"dashboard": others.dashboard, "draft": others.draft, "push": others.push}
    waits = await asyncio.gather(
        *(_every(random.Random(name), act, seconds) for name, act in acts.items())
    )
    return {name: Times(found) for name, found in zip(acts, waits, strict=True)}


async def _every(
    chance: random.Random, act: Callable[[], Awaitable[float]], seconds: float
) -> list[float]:
    """Act again and again, not in step with the others."""
    until, waits = time.perf_counter() + seconds, []
    while time.perf_counter() < until:
        due = time.perf_counter() + chance.uniform(0.5, 1.5) * EVERY_SECONDS
        waits.append(await act())
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
    return waits


def report(cases: Sequence[Case]) -> Section:
    """The figures as a section."""
    names = list(cases[0].others)
    head = ("meanwhile", "one takes, ms", *(f"{name}, ms" for name in names), "slowest / quiet")
    quiet, rows = cases[0], [head]
    for case in cases:
        ratio = max(case.others[name].p99_ms / quiet.others[name].p99_ms for name in names)
        figures = (f"{t.p50_ms:,.0f} / {t.p99_ms:,.0f}" for t in case.others.values())
        taken = f"{statistics.median(case.busy) * 1e3:,.0f}" if case.busy else ""
        rows.append((case.title, taken, *figures, f"{ratio:.1f}"))
    failures = [
        f"{name} while {case.title}: p99 {times.p99_ms:,.0f} ms, not {TARGET_MS:.0f}"
        for case in cases[1:]
        for name, times in case.others.items()
        if times.p99_ms > TARGET_MS
    ]
    return Section("Texts of 200 KB are merged and compared", f"{table(rows)}\n", failures)
