"""Somebody who writes without a pause, in a process of their own; and places to be
backed up and restored to, with processes of their own, too.
"""

from __future__ import annotations

import io
import os
import select
import shutil
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from PIL import Image

from collab import covers
from collab.models import Person
from collab.operations import documents, editing
from e2e.services import postgres_binaries

#: A new document with a cover after this many saves.
DOCUMENT_EVERY = 5


def text_of(version: int) -> str:
    """What a writer's document says in a version."""
    return f"Version {version}.\n" * 40


def write() -> None:
    """Save until the standard input ends; say each save on the standard output."""
    writer, _ = Person.objects.get_or_create(username="writer")
    saves = 0
    pk = fence = version = 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        if saves % DOCUMENT_EVERY == 0:
            content = documents.Content(f"Written {saves}", text_of(1), _cover(saves))
            pk, version = documents.create(writer.pk, content).pk, 1
            fence = editing.take(pk, writer.pk, is_news=False) or 0
        else:
            version = documents.save(
                pk, writer.pk, text_of(version + 1), fence=fence, version=version
            )
        saves += 1
        sys.stdout.write(f"{saves}\n")
        sys.stdout.flush()


def _cover(number: int) -> str:
    made = io.BytesIO()
    Image.new("RGB", (8, 8), (number % 256, 0, 0)).save(made, "PNG")
    return covers.store(SimpleUploadedFile("c.png", made.getvalue(), "image/png"))


def _new_database(template: str = "template1") -> str:
    there = connection.settings_dict
    server = f"postgres://{there['USER']}@{there['HOST']}:{there['PORT']}"
    name = f"place_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())
    return f"{server}/{name}"


#: The rows of a table: every column of every row.
Rows = Sequence[Sequence[Any]]


def _order(row: Sequence[Any]) -> tuple[Any, str]:
    return row[0], repr(row)


@dataclass
class Place:
    """An installation of its own: a folder, and a database that may be PostgreSQL's."""

    folder: Path
    database_url: str = ""
    environment: dict[str, str] = field(default_factory=dict)

    @classmethod
    def made(cls, folder: Path) -> Place:
        """An empty one, with a database of the kind that the tests run on."""
        folder.mkdir()
        if connection.vendor == "sqlite":
            return cls(folder)
        return cls(folder, _new_database())

    def copied(self, folder: Path) -> Place:
        """Another one, with the same in it."""
        shutil.copytree(self.folder, folder)
        name = self.database_url.rpartition("/")[2]
        url = _new_database(name) if name else ""
        return Place(folder, url, dict(self.environment))

    @property
    def media(self) -> Mapping[str, bytes]:
        """The media files and what is in them."""
        root = self.folder / "media"
        files = [path for path in root.rglob("*") if path.is_file()]
        return {str(path.relative_to(root)): path.read_bytes() for path in files}

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``manage.py`` here, as an administrator would."""
        return subprocess.run(
            self._command(*arguments),
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def does(self, *arguments: str) -> str:
        """The same, which must go well; returns what it says."""
        done = self.manage(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def runs(self, program: str) -> str:
        """Run a piece of Python here; returns what it prints."""
        return self.does("shell", "--verbosity", "0", "-c", program)

    def refuses(self, *arguments: str) -> str:
        """The same, which must not, with a sentence and no traceback."""
        done = self.manage(*arguments)
        assert done.returncode == 1, done.stdout
        assert done.stderr.startswith("CommandError"), done.stderr
        return done.stderr

    @contextmanager
    def writing(self) -> Iterator[subprocess.Popen[str]]:
        """Somebody writes here; each line of their output is a save."""
        program = "from collab.tests.places import write; write()"
        with subprocess.Popen(
            self._command("shell", "--verbosity", "0", "-c", program),
            env=self._environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as writer:
            try:
                yield writer
            finally:
                writer.communicate()
        assert writer.returncode == 0

    def rows(self) -> Mapping[str, Rows]:
        """Every row of every table, in the order of the first column."""
        if not self.database_url:
            with closing(sqlite3.connect(self.folder / "collab.sqlite3")) as database:
                found = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
                return self._of_each(database, [name for (name,) in found])
        with psycopg.connect(self.database_url) as server:
            there = server.execute(
                "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
            )
            return self._of_each(server, [name for (name,) in there])

    def columns(self, table: str, *names: str) -> Rows:
        """Some columns of every row of a table."""
        wanted = f"SELECT {', '.join(names)} FROM {table}"
        if not self.database_url:
            with closing(sqlite3.connect(self.folder / "collab.sqlite3")) as database:
                return database.execute(wanted).fetchall()
        with psycopg.connect(self.database_url) as database:
            return database.execute(wanted.encode()).fetchall()

    def has_tables(self) -> bool:
        """Is anything in the database?"""
        return bool(self.rows())

    def _of_each(self, database: Any, tables: Sequence[str]) -> Mapping[str, Rows]:
        return {
            name: sorted(database.execute(f'SELECT * FROM "{name}"').fetchall(), key=_order)
            for name in tables
        }

    def _command(self, *arguments: str) -> Sequence[str]:
        return [sys.executable, str(settings.BASE_DIR / "manage.py"), *arguments]

    def _environment(self) -> dict[str, str]:
        path = os.environ["PATH"]
        if self.database_url:
            path = f"{postgres_binaries()}{os.pathsep}{path}"
        made = {"PATH": path, "SECRET_KEY": "x", "DATA_DIR": str(self.folder)}
        url = {"DATABASE_URL": self.database_url} if self.database_url else {}
        return {**made, **url, **self.environment}
