"""What runs in a server process: the bus, the hub and presence, supervised.

The process starts with its first socket, whatever server it runs under (ASGI's
lifespan is not spoken by all of them), and ends by :func:`stop`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any

from . import bus, db, metrics
from .conf import conf
from .hub import RETRY_MAX_SECONDS, Hub
from .pages import admitted
from .presence import Presence
from .sessions import PERSON, RIGHTS, is_switched_off, stamps_of
from .watches import Socket

logger = logging.getLogger(__name__)

SIGNED_OUT = 4401
FORBIDDEN = 4403
SWITCHED_OFF = 4423
TOO_MANY = 4429
#: By the code of the close, how it is counted.
REFUSALS = {
    SIGNED_OUT: "refused_signed_out",
    SWITCHED_OFF: "refused_signed_out",
    FORBIDDEN: "refused_forbidden",
}

#: Sessions that are looked at in one go: some 5 ms of work.
SESSIONS_TOGETHER = 50

#: A task that died is started again after this long.
RESTART_SECONDS = 0.5
#: How long the tasks may take to end, and how often they are told: a library
#: may lose a cancellation that meets its own timeout.
STOP_SECONDS = 3.0
STOP_TRIES = 3

_current: asyncio.Task[Process] | None = None


class Process:
    """The live engine of one server process."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.hub = Hub()
        self.presence = Presence(self._numbers)
        self.bus = bus.Bus(self._changed, self._missed)
        self._tasks: list[asyncio.Task[None]] = []
        self._is_stopping = False
        self._rights: Counter[int] = Counter()
        self._rights_at = 0
        #: Are rights to be asked for as soon as possible?
        self._has_missed = asyncio.Event()
        #: Sockets by person, from the handshake on, whether they show a page yet or not.
        self.open_sockets: Counter[int] = Counter()

    def _numbers(self) -> metrics.Snapshot:
        hub = self.hub
        return metrics.meter.snapshot(sockets=len(hub.sockets), people=len(hub.by_user))

    async def start(self) -> None:
        """Enter presence and start all tasks.

        Raises:
            ImproperlyConfigured: this process must not run beside another.
        """
        await self.presence.register()
        bus.attach(self.bus)
        for job in (
            self.bus.listen,
            self.bus.speak,
            self.bus.watch,
            self.hub.run,
            self.presence.write,
        ):
            self._supervise(job)
        self._supervise(every(lambda: conf().heartbeat_seconds, self.presence.beat))
        self._supervise(every(lambda: 0.0, self.presence.sweep))  # it paces itself
        self._supervise(every(lambda: conf().session_check_seconds, self.check_sessions))
        self._supervise(self._check_rights)

    async def stop(self) -> None:
        """Leave in good order: pages keep their grace and may go elsewhere."""
        bus.attach(None)
        await self._end_tasks()
        with contextlib.suppress(Exception):  # the database may be gone already
            await self.presence.unregister()
        await self.bus.flush()
        with contextlib.suppress(TimeoutError):  # a thread that waits for the database
            async with asyncio.timeout(db.CLOSING_SECONDS):
                await asyncio.to_thread(db.shutdown)

    async def _end_tasks(self) -> None:
        self._is_stopping = True
        for _ in range(STOP_TRIES):
            for task in self._tasks:
                task.cancel()
            if not self._tasks:
                return
            await asyncio.wait(self._tasks, timeout=STOP_SECONDS / STOP_TRIES)
        if names := [task.get_name() for task in self._tasks if not task.done()]:
            logger.error("live: still running at the stop: %s", names)

    def _changed(self, topics: Iterable[str]) -> None:
        self.hub.changed(topics)
        concerned: set[Socket] = set()
        for name in topics:
            if name.startswith(PERSON):
                user_id = int(name.removeprefix(PERSON))
                self._rights[user_id] += 1
                concerned.update(self.hub.by_user.get(user_id, ()))
            elif name.startswith(RIGHTS):
                self._rights_at += 1
                concerned.update(self.hub.showing(name.removeprefix(RIGHTS)))
        for sockets in by_session(concerned):
            self._spawn(self._check_surely(sockets))

    def _missed(self) -> None:
        """What has changed meanwhile, nobody has said: states, and rights as well."""
        self.hub.everything_changed()
        self._rights_at += 1
        self._has_missed.set()

    def rights_seen(self, user_id: int) -> int:
        """How many changes of rights that may concern this person have been heard of:
        whoever asks for rights compares it before and after."""
        return self._rights[user_id] + self._rights_at

    def forget_socket(self, user_id: int) -> None:
        """One of a person's sockets has ended."""
        self.open_sockets[user_id] -= 1
        if not self.open_sockets[user_id]:
            del self.open_sockets[user_id]

    async def check_sessions(self) -> None:
        """Look whether the session behind each socket goes on. Where it or the account has
        changed in any way, ask for the rights as well."""
        left = list(by_session(self.hub.sockets))
        while left:
            part = [left.pop() for _ in range(min(len(left), SESSIONS_TOGETHER))]
            stamps = await db.run(stamps_of, [sockets[0].session_key for sockets in part])
            for sockets in part:
                stamp = stamps.get(sockets[0].session_key)
                if any(socket.stamp != stamp for socket in sockets):
                    await self._check_surely(sockets)

    async def _check_rights(self) -> None:
        """Ask everybody's rights again after a while; at once when events were missed, and
        soon, then ever later, when somebody's could not be asked for."""
        pause = RESTART_SECONDS
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(conf().rights_check_seconds):
                    await self._has_missed.wait()
            self._has_missed.clear()
            await self.check_everybody()
            if not self._has_missed.is_set():
                pause = RESTART_SECONDS
                continue
            await asyncio.sleep(pause)
            pause = min(pause * 2, RETRY_MAX_SECONDS)

    async def check_everybody(self) -> None:
        """Ask again whether every socket's person is signed in and may see it."""
        for sockets in by_session(self.hub.sockets):
            await self._check_surely(sockets)

    async def _check_surely(self, sockets: Sequence[Socket]) -> None:
        """Check them now, or if that fails, with everybody else soon."""
        try:
            await self.check(sockets)
        except Exception:  # mostly the database being away: nobody else waits for these
            logger.exception("live: could not check a session")
            self._has_missed.set()

    async def check(self, sockets: Sequence[Socket]) -> None:
        """Close sockets of one session if that has ended, or if their page is not for its
        person any more; what else they may not see goes from their pages."""
        shown = {region for socket in sockets for region in socket.regions}
        user, allowed, openable, stamp = await db.run(
            admitted, sockets[0].session_key, tuple(shown), [socket.page for socket in sockets]
        )
        ended = SIGNED_OUT
        if user is None and await db.run(is_switched_off, sockets[0].page.user_id):
            ended = SWITCHED_OFF
        for socket in sockets:
            if socket not in self.hub.sockets:
                continue  # it has gone, or shows another page, which has been asked for
            socket.stamp = stamp
            if user is None or user.pk != socket.page.user_id:
                self._cut(socket, ended)
            elif socket.page not in openable:
                self._cut(socket, FORBIDDEN)
            elif lost := shown.intersection(socket.regions).difference(allowed):
                self.hub.drop(socket, lost)

    def _cut(self, socket: Socket, code: int) -> None:
        self.hub.leave(socket)  # nothing more is sent, whatever the client does
        self.presence.dismiss(socket.serial)
        metrics.meter.count(REFUSALS[code])
        socket.wire.close(code)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.append(task)
        task.add_done_callback(self._tasks.remove)

    def _supervise(self, job: Callable[[], Awaitable[None]]) -> None:
        async def forever() -> None:
            while True:
                try:
                    await job()
                except Exception:  # whatever it was, the process must go on
                    logger.exception("live: %s died, starting it again", job)
                    await asyncio.sleep(RESTART_SECONDS)
                    self._missed()

        task = asyncio.create_task(forever(), name=f"live-{getattr(job, '__qualname__', job)}")
        self._tasks.append(task)
        task.add_done_callback(lambda task: self._ended(task, job))

    def _ended(self, task: asyncio.Task[None], job: Callable[[], Awaitable[None]]) -> None:
        """A task has been cancelled: by ``stop``, or by some library's mistake."""
        self._tasks.remove(task)
        if not self._is_stopping:
            logger.error("live: %s was cancelled, starting it again", job)
            self.loop.call_later(RESTART_SECONDS, self._supervise, job)
            self._missed()


def by_session(sockets: Iterable[Socket]) -> Iterable[Sequence[Socket]]:
    """Sockets in groups that one question is enough for: people keep many tabs open."""
    tabs: defaultdict[str, list[Socket]] = defaultdict(list)
    for socket in sockets:
        tabs[socket.session_key].append(socket)
    return tabs.values()


def every(
    seconds: Callable[[], float], work: Callable[[], Awaitable[None]]
) -> Callable[[], Awaitable[None]]:
    """A job that does ``work`` again and again, and survives its errors."""

    async def job() -> None:
        while True:
            await asyncio.sleep(seconds())
            try:
                await work()
            except Exception:  # mostly the database being away: the next round is soon
                logger.exception("live: %s failed, trying again", work)

    return job


async def current() -> Process:
    """This process's engine, started by the first who asks.

    Raises:
        ImproperlyConfigured: it must not run (see :meth:`Presence.register`).
    """
    global _current
    if _current is None or _current.get_loop() is not asyncio.get_running_loop():
        _current = asyncio.create_task(_start(), name="live-start")
    starting = _current
    try:
        # Shielded: one impatient socket must not cancel the start for all.
        return await asyncio.shield(starting)
    except Exception:
        if _current is starting:
            _current = None  # the next socket tries again
        raise


async def _start() -> Process:
    process = Process()
    await process.start()
    return process


async def stop() -> None:
    """Stop this process's engine, if it runs."""
    global _current
    starting, _current = _current, None
    if starting is not None:
        with contextlib.suppress(Exception):  # a start that failed needs no stop
            process = await starting
            await process.stop()
