"""Taking a database as a whole, and putting it back: what is common to both kinds."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from ..live.models import Node
from ..models import Person, SignIn
from . import postgres, sqlite
from .errors import BackupError


class Kind(Protocol):
    """What each kind of database can do."""

    #: Under which name it lies in an archive.
    MEMBER: str

    def dump(self, to: Path) -> None: ...

    def load(self, dumped: Path) -> None: ...


KINDS: dict[str, Kind] = {"sqlite": sqlite, "postgresql": postgres}


def kind() -> Kind:
    """The kind of the configured database.

    Raises:
        BackupError: it is one that is not supported.
    """
    try:
        return KINDS[connection.vendor]
    except KeyError:
        raise BackupError(f"Backups of {connection.display_name} are not supported.") from None


def migrations() -> list[str]:
    """Every migration that has been applied, as "app.name"."""
    applied = MigrationRecorder(connection).applied_migrations()
    return sorted(f"{app}.{name}" for app, name in applied)


def known_migrations() -> set[str]:
    """Every migration of this release, those that were squashed included."""
    return {f"{app}.{name}" for app, name in MigrationLoader(None).disk_migrations}


def has_people() -> bool:
    """Does anybody have an account here? Every document has an author, so without
    people there is nothing to lose."""
    return _exists(Person._meta.db_table)  # noqa: SLF001  (Django's documented API)


def serving() -> list[str]:
    """The server processes that live on this database."""
    # The columns asked for have been there since the first release.
    if not _exists(Node._meta.db_table):  # noqa: SLF001
        return []
    return [str(node) for node in Node.objects.live().only("host", "pid")]


def end_sessions() -> None:
    """Sign everybody out: who has signed out since the backup must not be back."""
    SignIn.objects.all().delete()


def _exists(table: str) -> bool:
    if table not in connection.introspection.table_names():
        return False
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT 1 FROM {connection.ops.quote_name(table)} LIMIT 1")  # noqa: S608
        return cursor.fetchone() is not None
