"""A time limit for statements, which SQLite by itself does not have.

A statement that runs for too long is interrupted from another thread
(https://www.sqlite.org/c3ref/interrupt.html). A progress handler could do it as well,
but would have to be called, and to wait for Python's lock, all the time a statement
runs; this costs a statement some 3 µs, however long it runs.

What is counted is the time within SQLite: of a result that is read bit by bit, each
bit, and not what is done with it in between.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any, ParamSpec, Self, TypeVar

from django.db.backends.sqlite3.base import SQLiteCursorWrapper

P = ParamSpec("P")
T = TypeVar("T")

#: How often running statements are looked at, in seconds: so much longer than
#: allowed a statement may run.
LOOK_SECONDS = 0.25


class TookTooLong(sqlite3.OperationalError):
    """A statement was stopped because its time was up."""


class Call:
    """A call into SQLite.

    Args:
        connection: the one that is busy with it.
        until: when it must be done (``time.monotonic``).
    """

    __slots__ = ("connection", "is_over", "until")

    def __init__(self, connection: sqlite3.Connection, until: float) -> None:
        self.connection = connection
        self.until = until
        self.is_over = False


class Watch:
    """Interrupts calls that take too long, in a thread that sleeps while there are none."""

    def __init__(self) -> None:
        #: Held while a call is interrupted: so none is that has just ended, and with it
        #: the next on its connection.
        self._lock = threading.Lock()
        self._calls: set[Call] = set()
        self._is_needed = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, call: Call) -> None:
        """From now on, watch this call."""
        with self._lock:
            self._calls.add(call)
            if not self._is_needed.is_set():
                self._is_needed.set()
                if self._thread is None:
                    self._thread = threading.Thread(
                        target=self._run, name="sqlite-watch", daemon=True
                    )
                    self._thread.start()

    def end(self, call: Call) -> None:
        """The call has ended: it will not be interrupted any more."""
        with self._lock:
            self._calls.remove(call)

    def _run(self) -> None:
        while True:
            self._is_needed.wait()
            time.sleep(LOOK_SECONDS)
            with self._lock:
                now = time.monotonic()
                for call in self._calls:
                    if call.until <= now:
                        call.is_over = True
                        call.connection.interrupt()
                if not self._calls:
                    self._is_needed.clear()


_watch = Watch()


@lru_cache(maxsize=512)
def converted(query: str) -> str:
    """A statement with Django's places for parameters (``%s``), with SQLite's: by Django's
    own method, which looks at nothing of its cursor."""
    convert: Any = SQLiteCursorWrapper.convert_query
    answer: str = convert(None, query)
    return answer


class LimitedCursor(SQLiteCursorWrapper):
    """Django's cursor, with a time limit for each statement.

    Args:
        connection: SQLite's.
        seconds: how long a statement may take.
    """

    def __init__(self, connection: sqlite3.Connection, seconds: float) -> None:
        super().__init__(connection)
        self._seconds = self._left = seconds

    def convert_query(self, query: str, *, param_names: Any = None) -> str:
        """Django's places for parameters as SQLite's. Looking for them in the same text
        again and again takes longer than SQLite needs to answer."""
        if param_names is not None:
            return super().convert_query(query, param_names=param_names)
        return converted(query)

    def execute(self, *args: Any) -> Self:
        self._left = self._seconds
        self._limited(super().execute, *args)
        return self

    def executemany(self, *args: Any) -> Self:
        self._left = self._seconds
        self._limited(super().executemany, *args)
        return self

    def fetchone(self) -> Any:
        return self._limited(super().fetchone)

    def fetchmany(self, size: int | None = None) -> list[Any]:
        return self._limited(super().fetchmany, self.arraysize if size is None else size)

    def fetchall(self) -> list[Any]:
        return self._limited(super().fetchall)

    def __next__(self) -> Any:
        return self._limited(super().__next__)

    def _limited(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call SQLite, for as long as is left.

        Raises:
            TookTooLong: that was not enough.
        """
        began = time.monotonic()
        call = Call(self.connection, began + self._left)
        _watch.begin(call)
        try:
            return function(*args, **kwargs)
        except sqlite3.OperationalError as error:
            if not call.is_over:
                raise
            raise TookTooLong(
                f"A statement took longer than {self._seconds:g} s and was stopped."
            ) from error
        finally:
            _watch.end(call)
            self._left -= time.monotonic() - began
