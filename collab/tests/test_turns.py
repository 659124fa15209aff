"""Requests with long texts let the others pass, and wait for no longer than is polite."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse

from collab import elsewhere, turns
from collab.middleware import long_texts_in_turn
from collab.models import Person
from collab.turns import LONG_CHARACTERS, in_turn, let_pass

#: Far longer than anything here takes, in seconds.
FOREVER = 30.0


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "TURN_SECONDS", FOREVER)


@pytest.fixture
def beside() -> Iterator[Callable[..., Future[None]]]:
    """Runs a function in a thread of its own."""
    with ThreadPoolExecutor() as threads:
        yield threads.submit


class Other:
    """A request without a long text, in a thread of its own, until it is told to end."""

    def __init__(self, beside: Callable[..., Future[None]]) -> None:
        self._is_here, self._may_end = threading.Event(), threading.Event()
        self._future = beside(self._stay)
        assert self._is_here.wait(FOREVER)

    def _stay(self) -> None:
        with in_turn(0):
            self._is_here.set()
            assert self._may_end.wait(FOREVER)

    def ends(self) -> None:
        self._may_end.set()
        self._future.result(FOREVER)


def is_waiting() -> bool:
    """Is somebody waiting for the others?"""
    return bool(turns._others._are_done._waiters)  # type: ignore[attr-defined]


def until(true: Callable[[], bool]) -> None:
    """Look again and again."""
    pause = threading.Event()
    for _ in range(int(FOREVER / 0.01)):
        if true():
            return
        pause.wait(0.01)
    raise AssertionError("it has not become true")


def test_a_long_one_lets_the_others_pass(beside: Callable[..., Future[None]]) -> None:
    """It begins when they are done, and stops for those that have come meanwhile."""
    done: list[str] = []
    has_begun, may_go_on = threading.Event(), threading.Event()

    def long() -> None:
        with in_turn(LONG_CHARACTERS):
            done.append("begun")
            has_begun.set()
            assert may_go_on.wait(FOREVER)
            let_pass()
            done.append("gone on")

    first = Other(beside)
    working = beside(long)
    until(is_waiting)
    assert not done
    first.ends()
    assert has_begun.wait(FOREVER)
    second, third = Other(beside), Other(beside)
    may_go_on.set()
    until(is_waiting)
    second.ends()
    assert done == ["begun"]
    third.ends()
    working.result(FOREVER)
    assert done == ["begun", "gone on"]


class Turn:
    """A lock that tells who has asked for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.asked: list[int] = []
        self.locked, self.release = self._lock.locked, self._lock.release

    def acquire(self, timeout: float) -> bool:
        self.asked.append(threading.get_ident())
        return self._lock.acquire(timeout=timeout)


def test_one_long_one_at_a_time(
    beside: Callable[..., Future[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second begins when the first is over, whatever becomes of that."""
    done: list[str] = []
    monkeypatch.setattr(turns, "_turn", turn := Turn())

    def long() -> None:
        with in_turn(LONG_CHARACTERS):
            done.append("second")

    with pytest.raises(ZeroDivisionError), in_turn(LONG_CHARACTERS):
        working = beside(long)
        until(lambda: len(turn.asked) == 2)
        done.append("first")
        raise ZeroDivisionError
    working.result(FOREVER)
    assert done == ["first", "second"]
    assert not turns._turn.locked()


def test_patience_ends(
    beside: Callable[..., Future[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a long one that goes on for ever nor others that do hold a save up."""
    monkeypatch.setattr(turns, "TURN_SECONDS", 0.01)
    other = Other(beside)
    with in_turn(LONG_CHARACTERS):  # the turn is taken, and there is another one

        def long() -> None:
            with in_turn(LONG_CHARACTERS):
                let_pass()

        beside(long).result(FOREVER)
    other.ends()


def test_it_does_not_wait_for_itself(beside: Callable[..., Future[None]]) -> None:
    """A request may turn out to have a long text; then it is none of the others, until
    that is over."""

    def turns_out() -> None:
        with in_turn(0):
            with in_turn(LONG_CHARACTERS):
                assert turns._others._count == 0
            assert turns._others._count == 1

    beside(turns_out).result(FOREVER)
    assert turns._others._count == 0


def test_without_a_long_text_nobody_waits(beside: Callable[..., Future[None]]) -> None:
    """Not for others, and not where a function that lets pass is called in between."""
    other = Other(beside)
    with in_turn(LONG_CHARACTERS - 1):
        let_pass()
    let_pass()
    other.ends()


@pytest.mark.django_db
def test_before_queries_but_with_nothing_locked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a transaction nobody is let pass: they might wait for what it has locked.
    (Each test is one, so here it is said that it is none.)"""
    passes: list[None] = []
    monkeypatch.setattr(turns, "let_pass", lambda: passes.append(None))
    with in_turn(LONG_CHARACTERS):
        passes.clear()
        Person.objects.exists()
        assert not passes
        connection.in_atomic_block = False
        try:
            Person.objects.exists()
        finally:
            connection.in_atomic_block = True
        assert len(passes) == 1
    Person.objects.exists()
    assert len(passes) == 1


@pytest.mark.django_db(transaction=True)
def test_nobody_waits_where_a_transaction_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite's writers queue up for it; PostgreSQL says it in its own way."""
    passes: list[None] = []
    with in_turn(LONG_CHARACTERS):
        connection.ensure_connection()
        monkeypatch.setattr(turns, "let_pass", lambda: passes.append(None))
        with transaction.atomic():
            Person.objects.exists()
    assert not passes


@pytest.mark.parametrize("length", ["0", "", "many", "²", None, str(LONG_CHARACTERS)])
def test_each_request_has_its_place(length: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the length that it says it has, if it says one."""
    lengths: list[int] = []

    def noted(length: int) -> object:
        lengths.append(length)
        return in_turn(0)

    monkeypatch.setattr("collab.middleware.in_turn", noted)
    request = HttpRequest()
    if length is not None:
        request.META["CONTENT_LENGTH"] = length
    assert long_texts_in_turn(lambda _: HttpResponse("answer"))(request).content == b"answer"
    assert lengths == [LONG_CHARACTERS if length == str(LONG_CHARACTERS) else 0]


def test_after_work_beside_the_others_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """They have begun while the process beside worked for this one."""
    order: list[str] = []

    def ask(task: elsewhere.Task) -> tuple[bool, int]:
        order.append("asked")
        return True, 7

    monkeypatch.setattr(elsewhere, "_is_allowed", True)
    monkeypatch.setattr(elsewhere, "_ask", ask)
    monkeypatch.setattr(elsewhere, "let_pass", lambda: order.append("let pass"))
    count = elsewhere.elsewhere(len)
    assert count("x" * elsewhere.LONG_CHARACTERS) == 7
    assert order == ["asked", "let pass"]
