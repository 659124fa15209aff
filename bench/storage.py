"""What the versions of a document cost to keep: as Collab does, and whole."""

from __future__ import annotations

import argparse
import random
import sqlite3
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.models import Sum
from django.db.models.functions import Length

from collab import queries
from collab.differences import WordCount
from collab.models import Person, Revision
from collab.operations import documents, revisions
from collab.packing import pack

from . import prose
from .client import Failed
from .figures import table
from .results import Section

TEXT_CHARACTERS = 50_000
#: Versions that are read for the time of reading, evenly spread.
READS = 200


@dataclass
class Kept:
    """One way to keep versions: seconds to record each and to read some, and its bytes."""

    record: list[float] = field(default_factory=list)
    read: list[float] = field(default_factory=list)
    texts: int = 0
    database: int = 0


class Whole:
    """The conventional way: a table with the whole text of each version."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.database = sqlite3.connect(path, isolation_level=None)
        self.database.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;")
        self.database.execute("CREATE TABLE version (number INTEGER PRIMARY KEY, text TEXT)")

    def record(self, number: int, text: str) -> None:
        self.database.execute("INSERT INTO version VALUES (?, ?)", (number, text))

    def read(self, number: int) -> str:
        found = self.database.execute("SELECT text FROM version WHERE number = ?", (number,))
        text: str = found.fetchone()[0]
        return text

    def size(self) -> int:
        self.database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return self.path.stat().st_size


class Ours:
    """The product's revisions."""

    def __init__(self, first: str) -> None:
        call_command("migrate", verbosity=0)
        self.author = Person.objects.create_user("writer").pk
        self.document = documents.create(self.author, documents.Content("Measured", first))

    def record(self, number: int, text: str) -> None:
        self.document.version, self.document.text = number, text
        revisions.record(self.document, self.author, words=WordCount(1, 1))

    def read(self, number: int) -> str:
        found = queries.revision(self.document.pk, number)
        assert found is not None
        return queries.text_of(found)

    def size(self) -> int:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return Path(settings.DATABASES["default"]["NAME"]).stat().st_size


def measure(options: argparse.Namespace) -> Section:
    """Record and read the versions both ways, in turns.

    Raises:
        Failed: a version was not read as it was recorded.
    """
    chance = random.Random(1)
    text = prose.text(chance, TEXT_CHARACTERS)
    ours, whole = Ours(text), Whole(Path(settings.DATA_DIR) / "whole.sqlite3")
    whole.record(1, text)
    kept, plain = Kept(database=-ours.size()), Kept(texts=len(text.encode()))
    alone = len(text.encode()) / len(pack(text))
    sampled = {}
    step = max(1, options.kept // READS)
    for number in range(2, options.kept + 1):
        text = prose.edited(chance, text)
        plain.texts += len(text.encode())
        plain.record.append(_timed(whole.record, number, text))
        kept.record.append(_timed(ours.record, number, text))
        if number % step == 0:
            sampled[number] = text
    for number, before in sampled.items():
        for way, times in ((whole, plain.read), (ours, kept.read)):
            began = time.perf_counter()
            read = way.read(number)
            times.append(time.perf_counter() - began)
            if read != before:
                raise Failed(f"Version {number} is not read as it was recorded.")
    kept.texts = Revision.objects.aggregate(sum=Sum(Length("packed")))["sum"]
    kept.database += ours.size()
    plain.database = whole.size()
    return _section(options.kept, plain, kept, alone)


def _timed(record: Callable[[int, str], None], number: int, text: str) -> float:
    began = time.perf_counter()
    record(number, text)
    return time.perf_counter() - began


def _section(number: int, whole: Kept, ours: Kept, alone: float) -> Section:
    rows = [
        ("", "whole", "ours", "ours / whole"),
        _row("texts, MB", whole.texts / 1e6, ours.texts / 1e6),
        _row("database, MB", whole.database / 1e6, ours.database / 1e6),
        *(
            _row(title, statistics.median(one) * 1e3, statistics.median(other) * 1e3)
            for title, one, other in (
                ("to record one, ms (median)", whole.record, ours.record),
                ("to read one, ms (median)", whole.read, ours.read),
            )
        ),
    ]
    body = f"""{table(rows)}

A document of 50 KB, saved {number:,} times; most saves change a word, some a sentence or a
paragraph. A version costs **{ours.database / number:,.0f} bytes** in the database, all told.

- *whole*: the text of each version in a row of SQLite.
- *ours*: a whole text after every 100, the others as differences from it. The text by
  itself would pack to 1/{alone:.1f}.
"""
    return Section(f"{number:,} versions of a document", body)


def _row(title: str, whole: float, ours: float) -> tuple[str, ...]:
    return (title, f"{whole:,.2f}", f"{ours:,.2f}", f"{ours / whole:.3g}")
