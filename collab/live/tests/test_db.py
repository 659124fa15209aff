"""The engine's threads and the database: nothing there makes the others wait."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, connection

from collab.live import db
from collab.live.conf import conf

#: Longer than the engine's statements may take.
SLOW_SECONDS = 4

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    yield
    db.shutdown()


def slowly() -> None:
    """A query that takes four seconds, or until it is cancelled."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"SELECT pg_sleep({SLOW_SECONDS})")
        else:
            until = time.monotonic() + SLOW_SECONDS
            connection.connection.create_function("late", 0, lambda: time.monotonic() > until)
            counting = "SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE NOT late()"
            cursor.execute(f"WITH RECURSIVE c(n) AS ({counting}) SELECT max(n) FROM c")
            cursor.fetchall()


def setting(name: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(f"SHOW {name}" if connection.vendor == "postgresql" else f"PRAGMA {name}")
        return cursor.fetchone()[0]


async def test_a_slow_query_makes_nobody_wait() -> None:
    """For two seconds, until its time is up, one thread waits for the database: the loop
    turns, and other queries are answered."""
    slow = asyncio.create_task(db.run(slowly))
    others = 0
    while not slow.done():
        assert await db.run(limit)
        others += 1
    with pytest.raises(DatabaseError, match=r"timeout|longer than 2 s and was stopped"):
        await slow
    # At a tenth of a second each there would be twenty.
    assert others > 20


def where() -> str:
    """The thread that does it, without its number."""
    return threading.current_thread().name.rpartition("_")[0]


@pytest.fixture
def database() -> Iterator[threading.Event]:
    """Answers when it is set."""
    found = threading.Event()
    yield found
    found.set()


async def test_when_all_threads_wait_there_are_others(database: threading.Event) -> None:
    """Everything that touches a locked table, say: who needs nothing of it is answered by
    the spare ones, and by the first again when those do not wait any more."""
    waiting = [asyncio.create_task(db.run(database.wait)) for _ in range(conf().threads)]
    await asyncio.sleep(0)
    async with asyncio.timeout(60):
        for _ in range(3):
            assert await db.run(where) == "live-spare"
        database.set()
        await asyncio.gather(*waiting)
        assert await db.run(where) == "live"


async def test_who_only_has_much_to_do_needs_no_other_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As long as one after the other becomes free, the next job waits for that."""
    monkeypatch.setattr(db, "PATIENCE_SECONDS", 5.0)
    jobs = 50 * conf().threads

    def work() -> str:
        time.sleep(0.005)
        return where()

    assert {*await asyncio.gather(*(db.run(work) for _ in range(jobs)))} == {"live"}


async def test_the_thread_that_was_busy_last_is_the_next() -> None:
    """However many have been busy at once."""
    together = threading.Barrier(conf().threads)
    await asyncio.gather(*(db.run(together.wait) for _ in range(conf().threads)))
    first = await db.run(threading.get_ident)
    assert {await db.run(threading.get_ident) for _ in range(conf().threads)} == {first}


async def test_a_thread_that_nobody_waits_for_any_more_gets_no_job(
    database: threading.Event,
) -> None:
    """Before it has done the one that it has: others are free."""
    abandoned = asyncio.create_task(db.run(database.wait))
    await asyncio.sleep(0)
    abandoned.cancel()
    await asyncio.gather(abandoned, return_exceptions=True)
    async with asyncio.timeout(60):
        assert {await db.run(where) for _ in range(conf().threads)} == {"live"}


async def test_a_job_that_is_cancelled_gives_its_place_back(database: threading.Event) -> None:
    """While it waits for a thread, and while a thread works for it."""
    jobs = [asyncio.create_task(db.run(database.wait)) for _ in range(conf().threads + 1)]
    await asyncio.sleep(0)
    for job in jobs:
        job.cancel()
    await asyncio.gather(*jobs, return_exceptions=True)
    database.set()
    async with asyncio.timeout(60):
        assert [await db.run(where) for _ in range(2 * conf().threads)]
    assert not db._common._room.locked()


def opened() -> Any:
    """This thread's connection, as the driver has it."""
    connection.ensure_connection()
    return connection.connection


def is_open(raw: Any) -> bool:
    try:
        raw.cursor()
    except (sqlite3.Error, psycopg.Error):
        return False
    return True


async def test_a_thread_that_has_hardly_begun_leaves_no_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begin = db._Worker._begin

    def late(worker: db._Worker) -> None:
        time.sleep(0.2)
        begin(worker)

    monkeypatch.setattr(db._Worker, "_begin", late)
    opening = asyncio.create_task(db.run(opened))
    await asyncio.sleep(0)  # it has been given to the thread
    await asyncio.to_thread(db.shutdown)
    assert not is_open(await opening)


async def test_a_thread_that_is_late_to_end_leaves_no_connection(
    database: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the others have been ready."""
    monkeypatch.setattr(db, "CLOSING_SECONDS", 0.1)

    def late() -> Any:
        here = opened()
        database.wait()
        return here

    working = asyncio.create_task(db.run(late))
    quick = await db.run(opened)
    closing = asyncio.create_task(asyncio.to_thread(db.shutdown))
    await asyncio.wait([closing], timeout=0.3)
    database.set()
    await closing
    assert not is_open(quick)
    assert not is_open(await working)


def limit() -> float:
    """How long a statement of this thread may take, in seconds."""
    if connection.vendor == "postgresql":
        return float(str(setting("statement_timeout")).removesuffix("s"))
    connection.ensure_connection()
    return float(connection.statement_seconds)  # type: ignore[attr-defined]


async def test_the_engine_has_less_time_than_requests() -> None:
    """Two seconds; and no request gets a connection that has only that."""
    assert conf().heartbeat_seconds + conf().statement_seconds < conf().node_timeout_seconds
    assert await db.run(limit) == 2
    db.shutdown()
    for _ in range(20):
        assert await asyncio.to_thread(of_a_request) == 15


def of_a_request() -> float:
    try:
        return limit()
    finally:
        connection.close()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="what SQLite is told")
async def test_sqlite_is_tuned() -> None:
    """Readers do not wait for the writer (WAL), a commit does not wait for the disk to
    turn (NORMAL), sorting stays in memory, and no map of the file is made anew after each
    change."""
    expected = {
        "journal_mode": "wal",
        "synchronous": 1,
        "temp_store": 2,
        "foreign_keys": 1,
        "mmap_size": 0,
    }
    for name, value in expected.items():
        assert await db.run(setting, name) == value, name
    assert sqlite3.sqlite_version_info >= (3, 35), "RETURNING"
