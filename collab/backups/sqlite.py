"""SQLite: its online backup API copies a database as it is at one moment, while
others read and write (https://www.sqlite.org/backup.html).
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from django.db import connection

from .errors import BackupError

MEMBER = "database.sqlite3"


def dump(to: Path) -> None:
    """Copy the configured database to a file.

    Raises:
        BackupError: the copy is damaged, and so is the database.
    """
    connection.ensure_connection()
    with closing(sqlite3.connect(to)) as copy:
        # All in one step: its read transaction is the one moment, and in WAL mode
        # nobody waits for it.
        connection.connection.backup(copy, pages=-1)
        copy.execute("PRAGMA journal_mode=DELETE")  # a file that needs no other
        _check(copy)


def load(dumped: Path) -> None:
    """Put a copy in the place of the configured database, in one transaction.

    Raises:
        BackupError: the copy is damaged, or somebody holds the database.
    """
    connection.ensure_connection()
    with closing(sqlite3.connect(f"file:{dumped}?immutable=1", uri=True)) as copy:
        _check(copy)
        try:
            copy.backup(connection.connection, pages=-1)
        except sqlite3.OperationalError as error:
            raise BackupError(f"The database could not be replaced: {error}.") from error
    connection.close()


def _check(copy: sqlite3.Connection) -> None:
    try:
        (verdict,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        verdict = str(error)
    if verdict != "ok":
        raise BackupError(f"The database is damaged: {verdict}")
