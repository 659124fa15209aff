"""The file of a backup: a ZIP with a manifest, which has a checksum for each member.

Whatever a file says of itself, no more of it is read than a backup of its kind has, and
one that is none is refused with :exc:`BadArchive`.
"""

from __future__ import annotations

import hashlib
import json
import struct
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
#: A manifest has no more bytes than these, for a start and for each member.
MANIFEST_BYTES, MANIFEST_BYTES_EACH = 1024 * 1024, 1024
#: The ways in which a writer stores its members.
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
#: What reading a file raises that is no ZIP, or a damaged or an encrypted one.
UNREADABLE = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError),
    *(ValueError, LookupError, OverflowError, RuntimeError),
)


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
            manifest = cls(**said, members=members)
            manifest._check()
            return manifest
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise BadArchive(f"Its manifest cannot be read: {error}") from error

    def _check(self) -> None:
        texts = [self.made_at, self.engine, self.database, *self.migrations]
        texts += [member.sha256 for member in self.members.values()]
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("something in it is no text")
        if not all(type(member.size) is int for member in self.members.values()):
            raise TypeError("a size in it is no number")


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
            most = MANIFEST_BYTES + MANIFEST_BYTES_EACH * len(opened.namelist())
            with self._member(MANIFEST) as member:
                written = member.read(most + 1)
        except UNREADABLE as error:
            raise BadArchive(f"It has no readable manifest: {error}") from error
        if len(written) > most:
            raise BadArchive("Its manifest is longer than its members explain.")
        self.manifest = Manifest.read(written)

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator[Archive]:
        """Open an archive and read its manifest; nothing else is verified yet.

        Raises:
            BadArchive: there is none.
        """
        try:
            opened = zipfile.ZipFile(path)
        except UNREADABLE as error:
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
        if sorted(self._zip.namelist()) != sorted([MANIFEST, *self.manifest.members]):
            raise BadArchive("It does not hold just what its manifest names.")
        for name, member in self.manifest.members.items():
            if name != self.manifest.database and not _is_media(name):
                raise BadArchive(f"It has a member of an unknown kind: {name!r}")
            digest = hashlib.sha256()
            for chunk in self._chunks(name):
                digest.update(chunk)
            if digest.hexdigest() != member.sha256:
                raise BadArchive(f"{name} is damaged: its checksum is another.")

    def extract(self, name: str, to: Path) -> None:
        """Write a member to a file, which is there as a whole or not at all.

        Raises:
            BadArchive: it is damaged.
            OSError: the file cannot be written.
        """
        partial = to.with_name(f"{to.name}.partial")
        with partial.open("wb") as file:
            for chunk in self._chunks(name):
                file.write(chunk)
        partial.replace(to)

    def _chunks(self, name: str) -> Iterator[bytes]:
        """What a member holds, and no more of it than the manifest says."""
        left = self.manifest.members[name].size
        try:
            with self._member(name) as member:
                while chunk := member.read(CHUNK_BYTES):
                    left -= len(chunk)
                    if left < 0:
                        break
                    yield chunk
        except UNREADABLE as error:
            raise BadArchive(f"{name} is damaged: {error}") from error
        if left:
            raise BadArchive(f"{name} is damaged: its size is another.")

    def _member(self, name: str) -> IO[bytes]:
        if self._zip.getinfo(name).compress_type not in METHODS:
            raise zipfile.BadZipFile("it is compressed in another way")
        return self._zip.open(name)


def _is_media(name: str) -> bool:
    """Is this a file below the media folder, and nowhere else?"""
    path = PurePosixPath(name)
    inside = name.startswith(MEDIA) and str(path) == name and "\\" not in name
    return inside and len(path.parts) > 1 and ".." not in path.parts
