"""The engine's one way to the database from the event loop.

``channels.db.database_sync_to_async`` runs everything of a process in a single
thread, so one slow query freezes every socket (django/channels#2132). Here a
small pool of threads serves the engine, and nothing else waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import Error as DatabaseError
from django.db import connections

from .conf import conf

P = ParamSpec("P")
T = TypeVar("T")

#: How long the last jobs may take when the pool is closed, in seconds.
CLOSING_SECONDS = 5.0


class _Pool(ThreadPoolExecutor):
    """A thread pool that can close what each of its threads has opened."""

    def __init__(self) -> None:
        self._started = itertools.count()
        super().__init__(
            conf().threads, thread_name_prefix="live", initializer=lambda: next(self._started)
        )

    def close_connections(self) -> None:
        """Close the database connections of every thread."""
        threads = next(self._started)
        # A connection belongs to its thread. The barrier keeps each thread busy
        # until all are: so each gets exactly one of these jobs.
        barrier = threading.Barrier(threads) if threads else None

        def close() -> None:
            assert barrier is not None
            with contextlib.suppress(threading.BrokenBarrierError):
                barrier.wait(CLOSING_SECONDS)
            connections.close_all()

        for job in [self.submit(close) for _ in range(threads)]:
            job.result()


_pool: _Pool | None = None


async def run(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run ``function`` in the engine's pool and return its result.

    Connections stay open between calls; one that failed is closed, so that the
    next call starts afresh (a database restart costs one failed call a thread).
    """
    global _pool
    if _pool is None:
        _pool = _Pool()
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_pool, lambda: _call(function, *args, **kwargs))


def _call(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        return function(*args, **kwargs)
    except DatabaseError:
        for connection in connections.all(initialized_only=True):
            connection.close()
        raise


def shutdown() -> None:
    """Close the pool's connections and threads (server stop, end of a test)."""
    global _pool
    pool, _pool = _pool, None
    if pool is None:
        return
    pool.close_connections()
    pool.shutdown(wait=True)
