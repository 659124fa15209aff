"""How long the pages of a document's history take when it is long."""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from collab.differences import WordCount
from collab.operations import documents, revisions

from . import prose
from .client import Failed
from .figures import Times, table
from .machine import cores, on_core
from .measure import page_times
from .processes import python, running
from .results import Section
from .workspace import Visitor, people, prepare, signed_in

TEXT_CHARACTERS = 10_000
#: A document whose history is just one page, for comparison.
SHORT = 50
LOADS = 100


def measure(options: argparse.Namespace) -> Section:
    """Load the pages of a long history and of a short one.

    Raises:
        Failed: a page was not there.
    """
    prepare()
    authors = people("author", 5)
    visitor = signed_in(authors[0])
    chance = random.Random(0)
    ids = [person.pk for person in authors]
    long, short = (_written(chance, ids, number) for number in (options.versions, SHORT))
    port, (server_core, client_core) = settings.PORT, cores()
    log = Path(settings.DATA_DIR) / "history.log"
    command = python("manage.py", "serve", "--port", str(port))
    pages = {
        f"history of {SHORT} versions": f"/documents/{short}/history/",
        f"history of {options.versions:,} versions": f"/documents/{long}/history/",
        "its last page": f"/documents/{long}/history/?page=last",
        "one version in the middle": f"/documents/{long}/history/{options.versions // 2}/",
    }
    rows = [("", "queries", "p50, ms", "p99, ms", "p50 / short")]
    with running(command, port, core=server_core, log=log), on_core(client_core):
        short_ms = 0.0
        for title, path in pages.items():
            page_times(port, path, visitor.cookie, 3)  # fills caches
            times = Times(page_times(port, path, visitor.cookie, LOADS))
            short_ms = short_ms or times.p50_ms
            ratio = times.p50_ms / short_ms
            figures = (f"{times.p50_ms:.1f}", f"{times.p99_ms:.1f}", f"{ratio:.2f}")
            rows.append((title, str(_queries(visitor, path)), *figures))
    body = f"{table(rows)}\n\nOver HTTP, one after the other, {LOADS} times each.\n"
    return Section(f"A history of {options.versions:,} versions", body)


def _written(chance: random.Random, authors: Sequence[int], versions: int) -> int:
    """A document with so many versions, by several people."""
    text = prose.text(chance, TEXT_CHARACTERS)
    made = documents.create(authors[0], documents.Content("Measured", text))
    for version in range(2, versions + 1):
        made.version, made.text = version, prose.edited(chance, made.text)
        revisions.record(made, authors[version % len(authors)], words=WordCount(2, 1))
    made.save(update_fields=["version", "text"])
    return made.pk


def _queries(visitor: Visitor, path: str) -> int:
    browser = Client(SERVER_NAME="127.0.0.1")
    browser.cookies[settings.SESSION_COOKIE_NAME] = visitor.session
    with CaptureQueriesContext(connection) as queries:
        answer = browser.get(path)
    if answer.status_code != 200:
        raise Failed(f"{path} answered {answer.status_code}.")
    return len(queries)
