"""The engine's one way to the database from the event loop.

``channels.db.database_sync_to_async`` runs everything of a process in a single
thread, so one slow query freezes every socket (django/channels#2132). Here a
small pool of threads serves the engine, and nothing else waits for it. Beside it stand
a few to spare: when all of the first wait for the database (a table is locked, say), the
next jobs go there, and who needs nothing of that table does not notice. A third pool is
kept for presence: a living process must always be able to say that it lives. The
statements of all have less time than those of requests: a thread that waits is missing
to all.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from django.db import Error as DatabaseError
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.dispatch import receiver

from .conf import conf

P = ParamSpec("P")
T = TypeVar("T")

#: How long the last jobs may take when the pool is closed, in seconds.
CLOSING_SECONDS = 5.0
#: As many as presence has tasks (the heartbeat, the sweep, the writing of joins and
#: leaves), each of which has one job at a time: so none waits for another.
PRESENCE_THREADS = 3
#: So many to spare; and how long no thread has become free, in seconds, until it is
#: taken for granted that all of them wait.
SPARE_THREADS = 4
PATIENCE_SECONDS = 0.02


class _Thread(threading.local):
    """Is this one of the engine's threads?"""

    is_ours = False


_thread = _Thread()


class _Worker(ThreadPoolExecutor):
    """One thread, with the database connections that it has opened.

    Args:
        name: the thread's.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        super().__init__(1, initializer=self._begin)

    def _begin(self) -> None:
        threading.current_thread().name = self._name
        _thread.is_ours = True


class _Lane:
    """Threads that are there from their first job to the next shutdown.

    Args:
        name: what the threads' names begin with.
        threads: how many there may be.
        spare: where jobs go while all of them wait.
    """

    def __init__(self, name: str, threads: Callable[[], int], spare: _Lane | None = None) -> None:
        self._name = name
        self._threads = threads
        self._spare = spare
        self._workers: list[_Worker] = []
        #: The one that was busy last is the last, and the next to get a job: what it needs
        #: for that, its connection above all, is most likely still in the processor's cache.
        self._free: list[_Worker] = []
        self._room = asyncio.Semaphore()
        #: When a thread last became free, or the last free one got a job.
        self._moved_at = 0.0

    async def run(self, job: Callable[[], T]) -> T:
        """The result of a job, done by one of the threads."""
        if not self._workers:  # it will have one without a pause: there is room
            self._room = asyncio.Semaphore(self._threads())
        loop, room = asyncio.get_running_loop(), self._room
        if not await self._gets(room):
            assert self._spare is not None
            return await self._spare.run(job)
        worker = self._free.pop() if self._free else self._hire()
        future = worker.submit(job)
        try:
            return await asyncio.wrap_future(future)
        finally:
            if future.done():
                self._release(worker, room)
            else:  # nobody waits for it any more, but the thread is still busy with it
                future.add_done_callback(lambda _: self._release_from(loop, worker, room))

    def _hire(self) -> _Worker:
        worker = _Worker(f"{self._name}_{len(self._workers)}")
        self._workers.append(worker)
        return worker

    def _release(self, worker: _Worker, room: asyncio.Semaphore) -> None:
        """A thread has done its job."""
        self._moved_at = time.monotonic()
        if worker in self._workers:  # there may have been a shutdown
            self._free.append(worker)
        room.release()

    def _release_from(
        self, loop: asyncio.AbstractEventLoop, worker: _Worker, room: asyncio.Semaphore
    ) -> None:
        """The same, in the thread itself."""
        with contextlib.suppress(RuntimeError):  # the loop may be closed by now
            loop.call_soon_threadsafe(self._release, worker, room)

    async def _gets(self, room: asyncio.Semaphore) -> bool:
        """Get room, unless all threads have been waiting for long and there are spare ones."""
        if self._spare is None or not room.locked():
            self._moved_at = time.monotonic()
            return await room.acquire()
        while (patience := self._moved_at + PATIENCE_SECONDS - time.monotonic()) > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    return await room.acquire()
        return False

    def shutdown(self) -> None:
        """End the threads, each with its last job, and close their connections."""
        workers, self._workers, self._free = self._workers, [], []
        # A connection belongs to its thread.
        for closing in [worker.submit(_close) for worker in workers]:
            closing.result()
        for worker in workers:
            worker.shutdown(wait=True)


_spare = _Lane("live-spare", lambda: SPARE_THREADS)
_common = _Lane("live", lambda: conf().threads, _spare)
_presence = _Lane("live-presence", lambda: PRESENCE_THREADS)


async def run(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run ``function`` in the engine's pool and return its result.

    Connections stay open between calls; one that failed is closed, so that the
    next call starts afresh (a database restart costs one failed call a thread).
    """
    return await _common.run(lambda: _call(function, *args, **kwargs))


async def run_presence(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The same, in the threads that are kept for presence."""
    return await _presence.run(lambda: _call(function, *args, **kwargs))


def _call(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        return function(*args, **kwargs)
    except DatabaseError:
        _close()
        raise


def _close() -> None:
    """Close this thread's connections, for good: from a pool, the next to get them
    would be a request, with too little time."""
    for connection in connections.all(initialized_only=True):
        if connection.connection is not None:
            connection.connection.close()
        connection.close()


@receiver(connection_created)
def _hurry(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    """A connection of the engine's threads gives up statements that take too long. (On
    SQLite a backend that has such a limit is told; Django's own has none.)"""
    if not _thread.is_ours:
        return
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"SET statement_timeout = {conf().statement_seconds * 1000:.0f}")
    elif hasattr(connection, "statement_seconds"):
        connection.statement_seconds = conf().statement_seconds


def shutdown() -> None:
    """Close all connections and threads (server stop, end of a test)."""
    for lane in (_common, _spare, _presence):
        lane.shutdown()
