"""The file of a backup: a ZIP with a manifest, which has a checksum for each member."""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from .errors import BadArchive

#: Raised when older releases could not read what this one writes.
FORMAT = 1
MANIFEST = "manifest.json"
MEDIA = "media/"
CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Member:
    """One file in the archive: its size in bytes, and its SHA-256 in hexadecimal."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What an archive says of itself."""

    #: When it was begun, in ISO 8601.
    made_at: str
    #: Where it comes from: "sqlite" or "postgresql".
    engine: str
    #: The member that holds the database.
    database: str
    #: Every migration that was applied, as "app.name".
    migrations: list[str]
    members: Mapping[str, Member]
    format: int = FORMAT

    def written(self) -> bytes:
        """As it lies in the archive."""
        return json.dumps(asdict(self), indent=1, sort_keys=True).encode()

    @classmethod
    def read(cls, written: bytes) -> Manifest:
        """The manifest again.

        Raises:
            BadArchive: it is none, or one of a later format.
        """
        try:
            said: dict[str, Any] = json.loads(written)
            if said["format"] != FORMAT:
                raise BadArchive(
                    f"It has format {said['format']}; this release reads format {FORMAT}."
                )
            members = {name: Member(**member) for name, member in said.pop("members").items()}
            return cls(**said, members=members)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadArchive(f"Its manifest cannot be read: {error}") from error


class Writer:
    """An archive that is being written; :meth:`finish` makes it one."""

    def __init__(self, file: IO[bytes]) -> None:
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED)
        self.members: dict[str, Member] = {}

    def add(self, name: str, path: Path) -> None:
        """Add a file.

        Raises:
            OSError: it cannot be read (any more).
        """
        digest, size = hashlib.sha256(), 0
        with path.open("rb") as source, self._zip.open(name, "w", force_zip64=True) as member:
            while chunk := source.read(CHUNK_BYTES):
                member.write(chunk)
                digest.update(chunk)
                size += len(chunk)
        self.members[name] = Member(size, digest.hexdigest())

    def finish(self, manifest: Manifest) -> None:
        """Write what it says of itself, and its end."""
        self._zip.writestr(MANIFEST, manifest.written())
        self._zip.close()


class Archive:
    """An archive that is read."""

    def __init__(self, opened: zipfile.ZipFile) -> None:
        self._zip = opened
        try:
            self.manifest = Manifest.read(opened.read(MANIFEST))
        except (KeyError, zipfile.BadZipFile, zlib.error) as error:
            raise BadArchive(f"It has no readable manifest: {error}") from error

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator[Archive]:
        """Open an archive and read its manifest; nothing else is verified yet.

        Raises:
            BadArchive: there is none.
        """
        try:
            opened = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile) as error:
            raise BadArchive(f"{path} cannot be read as a backup: {error}") from error
        with opened:
            yield cls(opened)

    @property
    def media(self) -> list[str]:
        """The media files, relative to their folder."""
        return [name.removeprefix(MEDIA) for name in self.manifest.members if _is_media(name)]

    def verify(self) -> None:
        """Read every member, and compare it with the manifest.

        Raises:
            BadArchive: something is damaged, missing, added, or lies where it may not.
        """
        there = sorted(name for name in self._zip.namelist() if name != MANIFEST)
        if there != sorted(self.manifest.members):
            raise BadArchive("It does not hold just what its manifest names.")
        for name, member in self.manifest.members.items():
            if name != self.manifest.database and not _is_media(name):
                raise BadArchive(f"It has a member of an unknown kind: {name!r}")
            self._compare(name, member)

    def extract(self, name: str, to: Path) -> None:
        """Write a member to a file, which is there as a whole or not at all."""
        partial = to.with_name(f"{to.name}.partial")
        with self._zip.open(name) as member, partial.open("wb") as file:
            while chunk := member.read(CHUNK_BYTES):
                file.write(chunk)
        partial.replace(to)

    def _compare(self, name: str, member: Member) -> None:
        digest, size = hashlib.sha256(), 0
        try:
            with self._zip.open(name) as read:
                while chunk := read.read(CHUNK_BYTES):
                    digest.update(chunk)
                    size += len(chunk)
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise BadArchive(f"{name} is damaged: {error}") from error
        if Member(size, digest.hexdigest()) != member:
            raise BadArchive(f"{name} is damaged: its checksum is another.")


def _is_media(name: str) -> bool:
    """Is this a file below the media folder, and nowhere else?"""
    path = PurePosixPath(name)
    inside = name.startswith(MEDIA) and str(path) == name and "\\" not in name
    return inside and len(path.parts) > 1 and ".." not in path.parts
