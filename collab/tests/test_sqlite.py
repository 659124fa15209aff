"""Who writes to SQLite, in which order, and for how long."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from django.conf import settings
from django.db import IntegrityError, OperationalError, connection, connections, transaction

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


#: Allowed in these tests, in seconds: enough for what is quick on a busy machine.
LIMIT = 1.0
ENDLESS = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT "


@pytest.fixture
def limited(monkeypatch: pytest.MonkeyPatch) -> None:
    connection.ensure_connection()
    monkeypatch.setattr(connection, "statement_seconds", LIMIT)


@pytest.mark.parametrize("found", ["max(n) FROM c", "n FROM c"])
def test_a_statement_without_an_end_is_stopped(limited: None, found: str) -> None:
    """Whether it gives nothing, or more and more; the connection goes on with the next."""
    with connection.cursor() as cursor:
        with pytest.raises(OperationalError, match="longer than 1 s and was stopped"):
            cursor.execute(ENDLESS + found)
            while cursor.fetchmany(1000):
                pass
        cursor.execute("SELECT 7")
        assert cursor.fetchone() == (7,)


def test_a_transaction_that_is_stopped_writes_nothing(limited: None, turn: Turn) -> None:
    """And others may write."""
    with pytest.raises(OperationalError, match="was stopped"), transaction.atomic():
        Person.objects.create(username="leela")
        with connection.cursor() as cursor:
            counted = f"({ENDLESS} max(n) FROM c)"
            cursor.execute(f"UPDATE collab_person SET username = {counted}")
    assert not turn.lock.locked()
    with transaction.atomic():
        Person.objects.create(username="fry")
    assert list(Person.objects.values_list("username", flat=True)) == ["fry"]


def test_what_is_done_with_a_result_is_not_its_time(
    limited: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long somebody takes over the rows: all but SQLite's time is theirs."""
    clock = [0.0]
    monkeypatch.setattr("project.sqlite.limit.time", Mock(monotonic=lambda: clock[0]))
    with connection.cursor() as cursor:
        cursor.execute(ENDLESS + "n FROM c LIMIT 100")
        for _ in cursor:
            clock[0] += LIMIT
    assert clock[0] == 100 * LIMIT


def test_a_statement_means_the_same_each_time(limited: None) -> None:
    """With places, names, or a per cent sign, and without parameters."""
    asked: list[tuple[str, Any, Any]] = [
        ("SELECT %s || '100 %%'", ["a"], "a100 %"),
        ("SELECT %(one)s || '%%' || %(one)s", {"one": "b"}, "b%b"),
        ("SELECT '%s'", None, "%s"),
        ("SELECT '%%s'", [], "%s"),
    ]
    with connection.cursor() as cursor:
        for query, parameters, answer in asked * 2:
            cursor.execute(query, parameters)
            assert cursor.fetchone() == (answer,), query


def test_errors_of_other_kinds_stay_what_they_are(limited: None) -> None:
    with connection.cursor() as cursor, pytest.raises(OperationalError, match="no such table"):
        cursor.execute("SELECT 1 FROM nowhere")


def test_commands_may_take_their_time(tmp_path: Path) -> None:
    """Migrations, backups, imports: ``manage.py`` takes the limit away, but not from
    the server."""
    told = "from django.conf import settings; print(settings.STATEMENT_SECONDS)"
    env = {"PATH": os.environ["PATH"], "SECRET_KEY": "x", "DATA_DIR": str(tmp_path)}
    command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", told]
    done = subprocess.run(
        command, env=env, cwd=settings.BASE_DIR, check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "0.0"
    assert settings.DATABASES["default"]["OPTIONS"]["statement_seconds"] == 15
