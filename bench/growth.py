"""What an event costs: it does not grow with documents that no page shows, nor with
pages that show something else, and in proportion with those that do show it."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from django.conf import settings

from collab.live.models import Connection

from . import ways, workspace
from .client import Clients, Failed, Reader
from .growth_report import Point, section
from .machine import cores, on_core
from .measure import idle_share, isolated, series
from .results import Section

DOCUMENTS = (10, 100, 1000, 10_000)
SOCKETS = (10, 100, 1000, 5000)
#: Pages that show the document, while something else grows.
WATCHING = 100
ROUNDS = 10
PEOPLE = 100
AUTHORS = 8


def measure(options: argparse.Namespace) -> Section:
    """Measure all three.

    Raises:
        Failed: a socket did not get exactly what it should have got.
    """
    filled = workspace.build(PEOPLE, AUTHORS, DOCUMENTS[0])
    unseen, watching, elsewhere = [], [], []
    with scene(filled, options.growth) as pages:
        pages.connect(WATCHING)
        for number in DOCUMENTS:
            workspace.add_documents(filled.editors, number - workspace.documents_there())
            unseen.append(pages.point(number))
    with scene(filled, options.growth) as pages:
        for number in SOCKETS:
            pages.connect(number)
            watching.append(pages.point(number))
    with scene(filled, options.growth) as pages:
        pages.connect(WATCHING)
        for number in SOCKETS:
            pages.connect_elsewhere(number)
            elsewhere.append(pages.point(number))
    return section(WATCHING, unseen, watching, elsewhere)


class Scene:
    """Pages that show the measured document, and pages that show another."""

    def __init__(self, filled: workspace.Workspace, way: ways.Way, seconds: float) -> None:
        self.filled = filled
        self.way = way
        self.seconds = seconds
        self.elsewhere = Clients(way.clients.reader, way.clients.counted)
        self.loaded = workspace.Loaded.load(settings.PORT, "/", filled.visitors[0])

    def connect(self, number: int) -> None:
        """Connect pages until so many show the document."""
        self._connect(self.way.clients, number, self.filled.document)

    def connect_elsewhere(self, number: int) -> None:
        """Connect pages until so many show another document."""
        self._connect(self.elsewhere, number, self.filled.document - 1)

    def _connect(self, clients: Clients, number: int, document: int) -> None:
        regions = (workspace.badge_id(document),)
        pages = []
        for n in range(len(clients), number):
            visitor = self.filled.visitors[n % len(self.filled.visitors)]
            token = replace(self.loaded.another(visitor), regions=regions)
            pages.append((visitor, workspace.resume(token, {})))
        present = len(self.way.clients) + len(self.elsewhere) + len(pages)
        ways.enter(clients, settings.PORT, pages, present)
        clients.reader.idle(ways.SETTLING_SECONDS)

    def point(self, number: int) -> Point:
        """Measure an event as things are; ``number`` is what has grown."""
        isolated(self.way)
        times = []
        for _ in range(ROUNDS):
            self.way.clients.reader.idle(0.05)
            times.append(isolated(self.way).announced)
        idle = idle_share(self.way)
        part = series(self.way, self.seconds)
        events = part.deliveries / len(self.way.clients)
        cpu = part.cpu - idle * part.seconds
        return Point(number, cpu / events * 1e3, idle * 100, statistics.median(times) * 1e3)

    def close(self) -> None:
        """Disconnect all.

        Raises:
            Failed: pages that show another document got the badge.
        """
        if self.elsewhere.count:
            raise Failed("A page got the badge of a document that it does not show.")
        self.way.clients.close()
        self.elsewhere.close()


@contextmanager
def scene(filled: workspace.Workspace, seconds: float) -> Iterator[Scene]:
    """A server without pages, to which they come."""
    server_core, client_core = cores()
    badge = f'hx-target="#{workspace.badge_id(filled.document)}"'
    Connection.objects.all().delete()
    with (
        ways.product(server_core, settings.PORT, Path(settings.DATA_DIR)) as server,
        on_core(client_core),
        ways.passing_on(filled) as event,
    ):
        way = ways.Way(server.pid, Clients(Reader(), badge.encode()), event, 0.0, ahead=0)
        pages = Scene(filled, way, seconds)
        yield pages
        pages.close()
