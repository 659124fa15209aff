"""Putting a backup back."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import connection

from . import database
from .archive import MEDIA, Archive, Manifest
from .errors import BackupError


@dataclass(frozen=True)
class Restored:
    """What came of it."""

    manifest: Manifest
    #: Migrations of this release that the restored database does not have yet.
    to_apply: list[str]


def verify(path: Path) -> Manifest:
    """Compare all of an archive with its checksums; nothing else is touched.

    Returns:
        What it says of itself.

    Raises:
        BadArchive: it is no backup, or is damaged.
    """
    with Archive.open(path) as archive:
        archive.verify()
        return archive.manifest


def restore(path: Path, *, replace: bool = False) -> Restored:
    """Make the database and the media what they were.

    Everything is verified before anything is touched. The media come first, beside
    those that are there; the database follows in one transaction; what it does not
    need any more goes last. So an error on the way leaves what was there, complete.

    Args:
        path: the archive.
        replace: do it although people or media are there, which are lost then.

    Raises:
        BackupError: it could not be done; nothing was lost.
    """
    kind = database.kind()
    with Archive.open(path) as archive:
        archive.verify()
        _check(archive.manifest, replace=replace)
        root = Path(settings.MEDIA_ROOT)
        root.mkdir(parents=True, exist_ok=True)
        try:
            # Beside the media: on that disk there is room for them, too.
            with tempfile.TemporaryDirectory(prefix=".restoring-", dir=root.parent) as folder:
                dumped = Path(folder) / kind.MEMBER
                archive.extract(archive.manifest.database, dumped)
                _put_media(archive, root)
                kind.load(dumped)
        except OSError as error:
            raise BackupError(f"It could not be restored: {error}") from error
        database.end_sessions()
        _remove_others(archive, root)
        to_apply = database.known_migrations() - set(archive.manifest.migrations)
        return Restored(archive.manifest, sorted(to_apply))


def _check(manifest: Manifest, *, replace: bool) -> None:
    """Does the archive fit here?

    Raises:
        BackupError: it does not.
    """
    if manifest.engine != connection.vendor:
        raise BackupError(
            f"This is a backup of {manifest.engine}, and DATABASE_URL names {connection.vendor}."
        )
    if unknown := sorted(set(manifest.migrations) - database.known_migrations()):
        raise BackupError(
            "This backup was made by a later release. Install that one first. "
            f"Unknown here: {', '.join(unknown)}"
        )
    if living := database.serving():
        raise BackupError(f"A server is running ({', '.join(living)}). Stop it first.")
    if not replace and database.has_people():
        raise BackupError(
            "There are people in this database already. Nothing was changed. "
            "To lose what is there, and have what is in the backup: --replace"
        )
    if not replace and any(path.is_file() for path in Path(settings.MEDIA_ROOT).rglob("*")):
        raise BackupError(
            f"There are files in {settings.MEDIA_ROOT} already. Nothing was changed. "
            "To lose them, and have what is in the backup: --replace"
        )


def _put_media(archive: Archive, root: Path) -> None:
    for name in archive.media:
        to = root / name
        to.parent.mkdir(parents=True, exist_ok=True)
        archive.extract(f"{MEDIA}{name}", to)


def _remove_others(archive: Archive, root: Path) -> None:
    restored = {root / name for name in archive.media}
    for path in sorted(root.rglob("*")):
        if path.is_file() and path not in restored:
            path.unlink()
