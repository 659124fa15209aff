"""PostgreSQL: ``pg_dump`` reads a database in one repeatable-read snapshot, while
others read and write; ``psql`` puts it back in one transaction.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from django.db import connection
from psycopg.conninfo import make_conninfo
from psycopg.pq import Conninfo

from .errors import BackupError

MEMBER = "database.sql"
#: How long the old tables may be in somebody else's hands, in milliseconds.
LOCK_MILLISECONDS = 10_000


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
        BackupError: there is no ``psql``, or it failed; the old tables stand.
    """
    tables = connection.introspection.table_names()
    quoted = ", ".join(connection.ops.quote_name(table) for table in tables)
    connection.close()
    with tempfile.TemporaryDirectory(dir=dumped.parent) as folder:
        before = Path(folder) / "before.sql"
        before.write_text(
            f"SET lock_timeout = {LOCK_MILLISECONDS};\n"
            + (f"DROP TABLE {quoted} CASCADE;\n" if tables else "")
        )
        _run(
            "psql",
            *("--no-psqlrc", "--quiet", "--output", os.devnull, "--set", "ON_ERROR_STOP=1"),
            *("--single-transaction", "--file", str(before), "--file", str(dumped)),
        )


def _run(program: str, *arguments: str) -> None:
    found = shutil.which(program)
    if found is None:
        raise BackupError(
            f"There is no {program}: install PostgreSQL's client programs of the server's "
            "version or a later one (Debian: postgresql-client), and have them in PATH."
        )
    address, environment = _address()
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


def _address() -> tuple[str, dict[str, str]]:
    """Where the database is, as these programs read it; the password apart, because
    everybody on the machine sees a program's arguments."""
    understood = {option.keyword.decode() for option in Conninfo.get_defaults()}
    given = connection.get_connection_params()
    # Our time limit for statements is not meant for these.
    wanted = understood - {"options"}
    parts = {name: value for name, value in given.items() if name in wanted and value is not None}
    password = parts.pop("password", None)
    return make_conninfo(**parts), {"PGPASSWORD": str(password)} if password else {}
