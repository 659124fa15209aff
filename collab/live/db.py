"""The engine's one way to the database from the event loop.

``channels.db.database_sync_to_async`` runs everything of a process in a single
thread, so one slow query freezes every socket (django/channels#2132). Here a
small pool of threads serves the engine, and nothing else waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import Error as DatabaseError
from django.db import connections

from .conf import conf

P = ParamSpec("P")
T = TypeVar("T")

_pool: ThreadPoolExecutor | None = None


async def run(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run ``function`` in the engine's pool and return its result.

    Connections stay open between calls; one that failed is closed, so that the
    next call starts afresh (a database restart costs one failed call a thread).
    """
    global _pool
    if _pool is None:
        _pool = ThreadPoolExecutor(conf().threads, thread_name_prefix="live")
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
    # One job per thread: each closes the connections of the thread it runs in.
    jobs = [pool.submit(connections.close_all) for _ in range(conf().threads)]
    for job in jobs:
        job.result()
    pool.shutdown(wait=True)
