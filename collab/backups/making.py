"""Making a backup."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.db import connection

from . import database
from .archive import MEDIA, Archive, Manifest, Writer
from .errors import BackupError

#: Readable by its owner only: it holds everything, password hashes and all.
MODE = 0o600
#: A media file that is older than this, in seconds, is written completely.
SETTLED_SECONDS = 60.0


def make(to: Path) -> tuple[Path, Manifest]:
    """Write everything into one file, as it is at one moment, and verify it.

    Pictures are stored before the database names them, are never changed, and are
    deleted after it has forgotten them. So those that have been there for a while are
    copied before the database, and the others after it: then nothing that the copy of
    the database names has been deleted yet, or is written only in part.

    Args:
        to: a file that does not exist, or a folder, in which it is named for the time.

    Returns:
        The file, and what it says of itself.

    Raises:
        BackupError: it could not be made; there is no file then.
    """
    now = datetime.now(UTC)
    path = to / f"collab-{now:%Y%m%dT%H%M%SZ}.zip" if to.is_dir() else to
    if path.exists():
        raise BackupError(f"{path} exists already; nothing was written.")
    if not path.parent.is_dir():
        raise BackupError(f"There is no folder {path.parent}.")
    try:
        # In the same folder, so that the finished file is there at once.
        with tempfile.TemporaryDirectory(prefix=".collab-backup-", dir=path.parent) as folder:
            unfinished = Path(folder) / path.name
            manifest = _write(unfinished, now)
            with Archive.open(unfinished) as archive:
                archive.verify()
            unfinished.replace(path)
    except OSError as error:
        raise BackupError(f"The backup could not be written: {error}") from error
    return path, manifest


def _write(to: Path, now: datetime) -> Manifest:
    kind = database.kind()
    dumped = to.with_name(kind.MEMBER)
    with to.open("xb") as file:
        to.chmod(MODE)
        writer = Writer(file)
        _add_media(writer, before=now.timestamp() - SETTLED_SECONDS)
        applied = database.migrations()
        kind.dump(dumped)
        if database.migrations() != applied:
            raise BackupError("The database was migrated meanwhile. Make the backup again.")
        writer.add(kind.MEMBER, dumped)
        _add_media(writer)
        manifest = Manifest(
            made_at=now.isoformat(timespec="seconds"),
            engine=connection.vendor,
            database=kind.MEMBER,
            migrations=applied,
            members=writer.members,
        )
        writer.finish(manifest)
        file.flush()
        os.fsync(file.fileno())
    return manifest


def _add_media(writer: Writer, before: float | None = None) -> None:
    """Add the media files that are not in there.

    Args:
        before: only those last written before this time, in seconds since 1970.
    """
    root = Path(settings.MEDIA_ROOT)
    for path in _files(root):
        name = f"{MEDIA}{path.relative_to(root).as_posix()}"
        with contextlib.suppress(FileNotFoundError):  # deleted for good in this moment
            if name not in writer.members and (before is None or path.stat().st_mtime < before):
                writer.add(name, path)


def _files(root: Path) -> Iterator[Path]:
    yield from sorted(path for path in root.rglob("*") if path.is_file())
