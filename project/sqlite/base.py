"""SQLite, with a queue of those who write.

SQLite lets one write at a time. It makes the others sleep and try again, at last for
100 ms each time, and who comes first then is chance. Within a process there is a
better way: a lock that wakes up who waits as soon as the one before has finished.
Between processes it remains as it was.
"""

from __future__ import annotations

import threading

from django.db.backends.sqlite3 import base

_turn = threading.Lock()


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's, whose transactions begin when the thread's turn has come."""

    _has_turn = False

    def _start_transaction_under_autocommit(self) -> None:
        # Who waits longer than this goes on without, and hears SQLite's own refusal.
        self._has_turn = _turn.acquire(timeout=self.settings_dict["OPTIONS"]["timeout"])
        try:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]
        except BaseException:
            self._pass_on()
            raise

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
