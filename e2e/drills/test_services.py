"""Redis and PostgreSQL go away and come back."""

from __future__ import annotations

import re
import threading
import time
import urllib.error
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager

import psycopg
import pytest

from e2e.conftest import on_cluster
from e2e.drills.crowd import COUNT, Crowd, Span, Visitor, delays
from e2e.drills.editors import Editor, editors
from e2e.lengths import length
from e2e.services import Postgres, RedisSwitch, eventually, postgres_server
from e2e.stack import Stack, cluster_stack

#: How long Redis is away, in seconds: longer than a process believes in it without
#: hearing itself (``bus_timeout_seconds``, 5 s).
AWAY_SECONDS = length(7, full=10)
#: What is promised: right within 15 s of the return.
RETURN = 15.0
#: What is promised to all while one query hangs, in seconds.
WAIT = 0.1
#: What is promised of the counter, while so much hangs as well, in seconds.
COUNTED = 0.3
#: What a retitled document says.
CHANGE = re.compile(r"Change (\d+)")
#: Topics that touch everything that a list shows of a document: more regions than a
#: process has threads for them, which is four.
ALL_OF_A_LIST = ("document:{}", "pen:{}", "heading:{}", "documents", "activity")
#: What PostgreSQL says when its time is over.
GIVEN_UP = "canceling statement due to statement timeout"
#: Only for getting a crowd in, in seconds.
ENTERING = 60.0


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    with postgres_server() as postgres:
        yield postgres


@pytest.fixture
def without_redis(postgres: Postgres, redis: RedisSwitch) -> Iterator[Stack]:
    with cluster_stack(postgres, redis.on()) as stack:
        yield stack


@pytest.fixture
def without_postgres(own_postgres: Postgres, redis_url: str) -> Iterator[Stack]:
    with cluster_stack(own_postgres, redis_url) as stack:
        yield stack


@contextmanager
def busy(acts: Sequence[Callable[[int], int]]) -> Iterator[list[int]]:
    """Meanwhile, each of these is done again and again, in a thread of its own: gives
    the status of each answer.

    Args:
        acts: get a number that grows, and give a status.
    """
    statuses: list[int] = []
    over = threading.Event()

    def goes_on(act: Callable[[int], int]) -> None:
        number = 0
        while not over.is_set():
            number += 1
            statuses.append(act(number))

    with ThreadPoolExecutor(len(acts)) as pool:
        jobs = [pool.submit(goes_on, act) for act in acts]
        try:
            yield statuses
        finally:
            over.set()
    for job in jobs:
        job.result()


def reading(visitors: Sequence[Visitor]) -> Callable[[int], int]:
    """Their pages are loaded, one after the other."""

    def reads(number: int) -> int:
        try:
            visitors[number % len(visitors)].loads()
        except urllib.error.HTTPError as error:
            return error.code
        return 200

    return reads


def readers(visitors: Sequence[Visitor]) -> AbstractContextManager[list[int]]:
    """Meanwhile, pages are loaded from all processes, two at a time."""
    return busy([reading(visitors[n::2]) for n in range(2)])


def writing(one: Editor) -> Callable[[int], int]:
    """Drafts and saves in turn."""

    def writes(number: int) -> int:
        return (one.saves if number % 2 else one.types)(f"Written {number}").status

    return writes


@pytest.mark.parametrize("stack", ["without_redis"], indirect=True)
def test_redis_is_away(stack: Stack, redis: RedisSwitch, crowd: Crowd) -> None:
    """Redis is gone for 10 s, while pages are loaded, documents change, and people
    save in servers that cannot tell anybody.

    Pass: every page, draft and save is answered with 200, no socket is closed, and
    within 15 s of the return each page shows what a reload would, what was saved in
    between included; then news come as before.
    """
    with editors(stack, 4) as people:
        for one in people:
            one.opens()
            one.leaves()  # visitors count people; these need no socket to save
        documents = crowd.ask("write", count=10)
        visitors = crowd.enter(100)
        crowd.connect(visitors)
        crowd.become_right(visitors, 100, within=ENTERING, what="all are in")
        redis.off()
        away = time.monotonic()
        with readers(visitors) as read, busy([writing(one) for one in people]) as written:
            crowd.ask("retitle", documents=documents, times=10)
            eventually(lambda: time.monotonic() - away > AWAY_SECONDS, "it was away")
        redis.on()
        crowd.become_right(visitors, 100, within=RETURN, what="all are right")
        assert set(read) == set(written) == {200}
        assert all(one.saved for one in people)
        assert not any(one.codes for one in visitors)
        assert all("nothing heard" in server.output(100_000) for server in stack.services)
        crowd.ask("retitle", documents=documents, times=11)
        crowd.become_right(visitors, 100, within=RETURN, what="news come again")


@pytest.mark.parametrize("stack", ["without_postgres"], indirect=True)
def test_postgresql_is_restarted(stack: Stack, own_postgres: Postgres, crowd: Crowd) -> None:
    """PostgreSQL ends and is back after 10 s; meanwhile people leave.

    Pass: no socket is closed; every page that is asked for when it is back is answered
    with 200, the first ones too; within 15 s each open page counts those who are left,
    and shows what a reload would; news come as before.
    """
    documents = crowd.ask("write", count=10)
    visitors = crowd.enter(100)
    crowd.connect(visitors)
    crowd.become_right(visitors, 100, within=ENTERING, what="all are in")
    stay, leave = visitors[:80], visitors[80:]
    with readers(stay) as before:
        eventually(lambda: len(before) >= 20, "every process has connections to lose")
    own_postgres.stop()
    crowd.leave(leave)
    away = time.monotonic()
    eventually(lambda: time.monotonic() - away > AWAY_SECONDS, "it was away")
    own_postgres.service.revive()
    with readers(stay) as after:
        crowd.become_right(stay, 80, within=RETURN, what="all are right")
        eventually(lambda: len(after) >= 20, "every process was asked")
    assert set(before) == set(after) == {200}
    assert not any(one.codes for one in stay)
    crowd.ask("retitle", documents=documents, times=5)
    crowd.become_right(stay, 80, within=RETURN, what="news come again")


@contextmanager
def locked(stack: Stack, table: str) -> Iterator[None]:
    """Meanwhile, nobody reads or writes this table."""
    with psycopg.connect(stack.database_url) as locker:
        locker.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
        yield


@on_cluster
def test_a_query_hangs_for_four_seconds(stack: Stack, crowd: Crowd) -> None:
    """Somebody locks the table of activities for four seconds, so the toasts of all
    pages wait, and with them a thread of each process; meanwhile documents change.

    Pass: 99 of 100 changes are on every page at most 100 ms later than without the lock,
    and the server answers within 100 ms; the engine has given up waiting by itself;
    afterwards all are right.
    """
    (document,) = crowd.ask("write", count=1)
    visitors = crowd.enter(40)
    crowd.connect(visitors)
    crowd.become_right(visitors, 40, within=ENTERING, what="all are in")

    def change(times: int) -> list[float]:
        """Change the document. Returns when each change was committed."""
        for one in visitors:
            one.keeps, one.pushed = True, []
        return list(crowd.ask("retitle", documents=[document], times=times, pause=0.1))

    def arrived(committed: Sequence[float]) -> list[Span]:
        """How long each of them took to each page, when the last is there."""
        crowd.become_right(visitors, 40, within=RETURN, what="all are right")
        return [span for one in visitors for span in delays(one, CHANGE, committed, 0)]

    with crowd.pinging(visitors[:10]) as waits:
        calm = arrived(change(20))
        with locked(stack, "collab_activity"):
            crowd.ask("announce", topics=["activity"])
            committed = change(40)
        hard = arrived(committed)
    assert waits.p99(hard) < waits.p99(calm) + WAIT
    assert waits.p99() < WAIT
    assert GIVEN_UP in stack.logs()


@on_cluster
def test_the_documents_are_locked_for_four_seconds(stack: Stack, crowd: Crowd) -> None:
    """Somebody locks the table of documents for four seconds. All regions that a list
    shows of them wait, more kinds of them than a process has threads; meanwhile people
    come to a page that needs no document.

    Pass: 99 of 100 times, each page counts who has come within 300 ms, and the server
    answers within 100 ms; no process is taken for dead; the engine has given up waiting
    by itself; afterwards all are right.
    """
    (document,) = crowd.ask("write", count=1)
    visitors, coming = crowd.enter(40), crowd.enter(20)
    newcomers = [one.another("/active/") for one in coming]
    crowd.connect(visitors)
    crowd.become_right(visitors, 40, within=ENTERING, what="all are in")
    for one in visitors:
        one.keeps = True
    came = []
    with crowd.pinging(visitors[:10]) as waits:
        with locked(stack, "collab_document"):
            began = time.monotonic()
            crowd.ask("announce", topics=[name.format(document) for name in ALL_OF_A_LIST])
            for one in newcomers:
                came.append(time.monotonic())
                crowd.connect([one])
            eventually(lambda: time.monotonic() - began > 4, "four seconds are over")
        crowd.become_right(visitors, 60, within=RETURN, what="all are right")
    spans = [span for one in visitors for span in delays(one, COUNT, came, 41)]
    assert waits.p99(spans) < COUNTED
    assert waits.p99() < WAIT
    assert GIVEN_UP in stack.logs()
    assert not any(one.codes for one in (*visitors, *newcomers))
