"""Who writes to SQLite, and in which order."""

from __future__ import annotations

import threading

import pytest
from django.db import IntegrityError, connection, connections, transaction

from collab.models import Person
from project.sqlite import base

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "sqlite", reason="others let many write at once"),
]


class Turn:
    """The lock, which says when somebody comes to it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.asked = threading.Semaphore(0)

    def acquire(self, timeout: float) -> bool:
        self.asked.release()
        return self.lock.acquire(timeout=timeout)

    def release(self) -> None:
        self.lock.release()


@pytest.fixture
def turn(monkeypatch: pytest.MonkeyPatch) -> Turn:
    made = Turn()
    monkeypatch.setattr(base, "_turn", made)
    return made


class Writer(threading.Thread):
    """Writes in a transaction, and would not wait for SQLite itself."""

    error: Exception | None = None

    def run(self) -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA busy_timeout = 0")
            with transaction.atomic():
                Person.objects.create(username="fry")
        except Exception as error:
            self.error = error
        finally:
            connections.close_all()


def test_who_wants_to_write_waits_for_who_writes(turn: Turn) -> None:
    """And has the turn as soon as that is done."""
    writer = Writer()
    with transaction.atomic():
        assert turn.asked.acquire(timeout=10)
        Person.objects.create(username="leela")
        writer.start()
        assert turn.asked.acquire(timeout=10)
    writer.join(10)
    assert writer.error is None
    assert Person.objects.count() == 2
    assert not turn.lock.locked()


@pytest.mark.parametrize("is_closed", [False, True])
def test_a_turn_ends_with_whatever_ends_the_transaction(turn: Turn, is_closed: bool) -> None:
    """Refused writes, errors of our own, lost connections."""
    Person.objects.create(username="leela")
    with pytest.raises(IntegrityError), transaction.atomic():
        Person.objects.create(username="leela")
    assert not turn.lock.locked()
    with pytest.raises(KeyError), transaction.atomic():
        assert turn.lock.locked()
        if is_closed:
            connection.close()
        raise KeyError
    assert not turn.lock.locked()


def test_a_transaction_that_cannot_begin_has_no_turn(turn: Turn) -> None:
    """SQLite is asked, and refuses; the next one must not wait for it."""
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")  # a second one within it is refused
        with pytest.raises(Exception, match="within a transaction"), transaction.atomic():
            pytest.fail("it must not begin")
        cursor.execute("ROLLBACK")
    assert not turn.lock.locked()
