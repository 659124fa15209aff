"""PostgreSQL: ``pg_dump`` reads a database in one repeatable-read snapshot, while
others read and write; what it wrote is put back in one transaction.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import psycopg
from django.db import connection
from psycopg.conninfo import make_conninfo
from psycopg.pq import Conninfo

from .errors import BackupError

MEMBER = "database.sql"
#: How long the old tables may be in somebody else's hands, in milliseconds.
LOCK_MILLISECONDS = 10_000
#: Settings in the head of a script, and the first version that knows them.
SETTINGS_SINCE = {b"SET transaction_timeout = 0;": (17,)}
#: Later releases of ``pg_dump`` forbid ``psql`` with these what nobody here would do.
RESTRICTS = (b"\\restrict ", b"\\unrestrict ")
#: A statement has no more; a table's rows do not count.
STATEMENT_BYTES = 1_000_000
END_OF_ROWS = b"\\.\n"
#: Where the rows of a table follow, and what else a dump of our database has.
NAME = rb'(?:\w+|"[^"]+")'
COPY = re.compile(rb"COPY %(n)s\.%(n)s \(%(n)s(?:, %(n)s)*\) FROM stdin;" % {b"n": NAME})
KNOWN = re.compile(
    COPY.pattern
    + rb"|SET \w+ = (?:\w+|'[^']*');"
    + rb"|SELECT pg_catalog\.set_config\('search_path', '', false\);"
    + rb"|SELECT pg_catalog\.setval\('[^']+', \d+, (?:true|false)\);"
    + rb"|CREATE EXTENSION IF NOT EXISTS %(n)s WITH SCHEMA %(n)s;" % {b"n": NAME}
    + rb"|(?:CREATE (?:TABLE|SEQUENCE|INDEX|UNIQUE INDEX)|ALTER (?:TABLE|SEQUENCE)) .*",
    re.DOTALL,
)


def dump(to: Path) -> None:
    """Write the configured database to a file, as an SQL script.

    Raises:
        BackupError: there is no ``pg_dump``, it is older than the server, or it failed.
    """
    # Owners and rights are those of the place it is restored to; only an owner may
    # comment on an extension.
    _run("pg_dump", "--no-owner", "--no-privileges", "--no-comments", "--file", str(to))


def load(dumped: Path) -> None:
    """Put a script in the place of the configured database's tables: the old ones go
    and the new ones come in one transaction.

    Raises:
        BackupError: there is something in the script that no backup has, or the server
            refused a part of it; the old tables stand.
    """
    tables = connection.introspection.table_names()
    quoted = ", ".join(connection.ops.quote_name(table) for table in tables)
    version = connection.get_database_version()
    connection.close()
    address, password = _address()
    try:
        with (
            psycopg.connect(address, password=password) as own,
            own.cursor() as cursor,
            dumped.open("rb") as script,
        ):
            cursor.execute(f"SET lock_timeout = {LOCK_MILLISECONDS}".encode())
            if tables:
                cursor.execute(f"DROP TABLE {quoted} CASCADE".encode())
            _play(script, cursor, version)
    except psycopg.Error as error:
        raise BackupError(f"The database could not be replaced: {error}") from error


def _play(script: IO[bytes], cursor: psycopg.Cursor[Any], version: tuple[int, ...]) -> None:
    """Have the server do what a script of ``pg_dump`` says.

    ``psql`` would also do what it says to ``psql``: start a program, read a file. And a
    script that was tampered with can say more to the server than a dump does; so each
    statement is one of those that a dump has, and is sent alone.
    """
    unknown = {setting for setting, since in SETTINGS_SINCE.items() if version < since}
    for statement in _statements(script):
        if statement in unknown:
            continue
        if not KNOWN.fullmatch(statement):
            beginning = statement[:80].decode(errors="replace")
            raise BackupError(f"There is something in it that no backup has: {beginning!r}")
        if COPY.fullmatch(statement):
            with cursor.copy(statement) as copy:
                for row in _rows(script):
                    copy.write(row)
        else:  # (binary: of what is sent so, the server takes one statement and no more)
            cursor.execute(statement, binary=True)


def _statements(script: IO[bytes]) -> Iterator[bytes]:
    """Each statement of a script, as the lines that it stands on. What follows a
    ``COPY`` is left to be read by :func:`_rows`."""
    gathered = b""
    while line := script.readline(STATEMENT_BYTES):
        if not gathered and (line.startswith((b"--", *RESTRICTS)) or not line.strip()):
            continue
        gathered += line
        # A semicolon at the end of a line may still stand within a text or a name.
        is_whole = not gathered.count(b"'") % 2 and not gathered.count(b'"') % 2
        if line.rstrip().endswith(b";") and is_whole:
            yield gathered.strip()
            gathered = b""
        elif len(gathered) > STATEMENT_BYTES:
            break
    if gathered:
        beginning = gathered[:80].decode(errors="replace")
        raise BackupError(f"A statement in it does not end: {beginning!r}")


def _rows(script: IO[bytes]) -> Iterator[bytes]:
    while (row := script.readline()) != END_OF_ROWS:
        if not row:
            raise BackupError("It ends in the middle of a table.")
        yield row


def _run(program: str, *arguments: str) -> None:
    found = shutil.which(program)
    if found is None:
        raise BackupError(
            f"There is no {program}: install PostgreSQL's client programs of the server's "
            "version or a later one (Debian: postgresql-client), and have them in PATH."
        )
    address, password = _address()
    environment = {"PGPASSWORD": password} if password else {}
    done = subprocess.run(  # noqa: S603  (PostgreSQL's own, by the administrator's PATH)
        [found, f"--dbname={address}", *arguments],
        env={**os.environ, **environment},
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        hint = ""
        if "version mismatch" in done.stderr:
            hint = "\nInstall the client programs of the server's version, and have them in PATH."
        raise BackupError(f"{program} failed:\n{done.stderr.strip()}{hint}")


def _address() -> tuple[str, str | None]:
    """Where the database is, as PostgreSQL's programs read it; the password apart,
    because everybody on the machine sees a program's arguments."""
    understood = {option.keyword.decode() for option in Conninfo.get_defaults()}
    given = connection.get_connection_params()
    # Our time limit for statements is not meant for these.
    wanted = understood - {"options"}
    parts = {name: value for name, value in given.items() if name in wanted and value is not None}
    password = parts.pop("password", None)
    return make_conninfo(**parts), str(password) if password else None
