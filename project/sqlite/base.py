"""SQLite, with a queue of those who write, and a time limit for statements.

SQLite lets one write at a time. It makes the others sleep and try again, at last for
100 ms each time, and who comes first then is chance. Within a process there is a
better way: a lock that wakes up who waits as soon as the one before has finished.
Between processes it remains as it was. For the limit see :mod:`.limit`.
"""

from __future__ import annotations

import threading
from typing import Any

from django.db.backends.sqlite3 import base

from .limit import LimitedCursor

_turn = threading.Lock()


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's, whose transactions begin when the thread's turn has come.

    Attributes:
        statement_seconds: how long a statement may take; 0 means as long as it takes.
            From the option of that name, and open to be changed.
    """

    statement_seconds = 0.0
    _has_turn = False

    def get_connection_params(self) -> dict[str, Any]:
        params: dict[str, Any] = super().get_connection_params()
        self.statement_seconds = params.pop("statement_seconds", 0.0)
        return params

    def create_cursor(self, name: str | None = None) -> Any:
        if not self.statement_seconds:
            return super().create_cursor(name)
        return self.connection.cursor(lambda raw: LimitedCursor(raw, self.statement_seconds))

    def _start_transaction_under_autocommit(self) -> None:
        # Who waits longer than this goes on without, and hears SQLite's own refusal.
        self._has_turn = _turn.acquire(timeout=self.settings_dict["OPTIONS"]["timeout"])
        # To wait for another process is not to run: that has a limit of its own.
        seconds, self.statement_seconds = self.statement_seconds, 0.0
        try:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]
        except BaseException:
            self._pass_on()
            raise
        finally:
            self.statement_seconds = seconds

    def _commit(self) -> None:
        super()._commit()  # type: ignore[misc]
        self._pass_on()  # not if that has failed: a rollback follows

    def _rollback(self) -> None:
        try:
            super()._rollback()  # type: ignore[misc]
        finally:
            self._pass_on()

    def _close(self) -> None:
        try:
            super()._close()  # type: ignore[misc]
        finally:
            self._pass_on()

    def _pass_on(self) -> None:
        if self._has_turn:
            self._has_turn = False
            _turn.release()
