"""The three ways, each as a running server, its connected sockets and its events."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer

from collab.live.models import Connection
from collab.models import Person

from . import conventional as consumer
from .beside import Moments, pen_beside
from .client import PATIENCE_SECONDS, Clients, Failed, Reader, handshake
from .machine import memory_bytes
from .processes import free_port, python, running
from .workspace import Loaded, Pen, Visitor, Workspace, badge_id, fragment

#: After the last socket is open: what connecting has caused comes to an end.
SETTLING_SECONDS = 1.0
#: Pages that come together, where the memory of each is of interest: what the arrival
#: itself takes is free again before the next.
ARRIVING = 100


@dataclass(frozen=True)
class Event:
    """One event under way.

    Attributes:
        marker: bytes that its frames contain.
        moments: when its cause began, and when it was handed to the server or its
            channel layer; to be asked once.
    """

    marker: bytes
    moments: Callable[[], Moments]


@dataclass(frozen=True)
class Way:
    """A server under test with its sockets.

    Attributes:
        pid: the server's process.
        event: makes the next event happen.
        page_bytes: what the server keeps in memory for each socket.
        ahead: in a series, how many events may wait in the server. Where waiting
            events would share a frame (0), the next comes when the first socket
            has the one before.
    """

    pid: int
    clients: Clients
    event: Callable[[], Event]
    page_bytes: float
    ahead: int = 3


@dataclass(frozen=True)
class Setting:
    """What the ways have in common.

    Attributes:
        port: where the product's server listens (its pages' origin).
        core: the server's.
        folder: for logs.
        reader: of all sockets.
    """

    workspace: Workspace
    sockets: int
    port: int
    core: int
    folder: Path
    reader: Reader

    @property
    def visitors(self) -> Sequence[Visitor]:
        """The person behind each socket."""
        everybody = itertools.cycle(self.workspace.visitors)
        return list(itertools.islice(everybody, self.sockets))


def _clients(setting: Setting) -> Clients:
    return Clients(setting.reader, f'hx-target="#{badge_id(setting.workspace.document)}"'.encode())


def _connect(
    setting: Setting, clients: Clients, pid: int, connect: Callable[[Sequence[Visitor]], None]
) -> float:
    """Connect all; returns the memory for each, in bytes. The first tenth is not
    counted: with it the server loads what it needs only once."""
    visitors = setting.visitors
    first = len(visitors) // 10
    connect(visitors[:first])
    clients.reader.idle(SETTLING_SECONDS)
    before = memory_bytes(pid)
    connect(visitors[first:])
    clients.reader.idle(SETTLING_SECONDS)
    return (memory_bytes(pid) - before) / (len(visitors) - first)


@contextmanager
def limit(setting: Setting) -> Iterator[Way]:
    """A bare asyncio server that writes what it is given to all its sockets."""
    port, pen, clients = free_port(), Pen(setting.workspace), _clients(setting)
    command = python("-m", "bench.limit", str(port))
    with running(command, port, core=setting.core, log=setting.folder / "limit.log") as server:
        control = server.stdin
        assert control is not None

        def event() -> Event:
            person = pen.next()
            text = fragment(pen.document, person)[0].encode()
            now = time.perf_counter()
            control.write(len(text).to_bytes(4, "big") + text)
            control.flush()
            return Event(person.name.encode(), lambda: Moments(now, now))

        def connect(visitors: Sequence[Visitor]) -> None:
            clients.connect(port, [handshake(port)] * len(visitors))

        page_bytes = _connect(setting, clients, server.pid, connect)
        yield Way(server.pid, clients, event, page_bytes)
        clients.close()


@contextmanager
def conventional(setting: Setting) -> Iterator[Way]:
    """Daphne as it comes, a group per document, a rendering per consumer."""
    pen, clients = Pen(setting.workspace), _clients(setting)
    layer = get_channel_layer()
    assert layer is not None
    with conventional_server(setting.core, setting.folder) as (server, port):

        def event() -> Event:
            person = pen.next()
            message = badge_message(pen.document, person)
            now = time.perf_counter()
            async_to_sync(layer.group_send)(consumer.group(pen.document), message)
            return Event(person.name.encode(), lambda: Moments(now, now))

        first = pen.document - consumer.DOCUMENTS + 1
        shown = f"/?documents={','.join(map(str, range(first, pen.document + 1)))}"

        def connect(visitors: Sequence[Visitor]) -> None:
            clients.connect(port, [handshake(port, shown)] * len(visitors))

        page_bytes = _connect(setting, clients, server.pid, connect)
        yield Way(server.pid, clients, event, page_bytes)
        clients.close()


@contextmanager
def conventional_server(core: int, folder: Path) -> Iterator[tuple[Popen[bytes], int]]:
    """The server of the conventional way, and its port."""
    port = free_port()
    command = python("-m", "daphne", "-v", "0", "-p", str(port), "bench.conventional:application")
    with running(command, port, core=core, log=folder / "conventional.log") as server:
        yield server, port


def badge_message(document: int, person: Person) -> dict[str, object]:
    """What the conventional way sends to a document's group."""
    return {
        "type": "badge.changed",
        "document": document,
        "etag": fragment(document, person)[1],
        "holder": {
            "pk": person.pk,
            "name": person.name,
            "initials": person.initials,
            "colour": person.colour,
        },
    }


@contextmanager
def ours(setting: Setting) -> Iterator[Way]:
    """The product: ``manage.py serve``, with people on the dashboard.

    The change is made in another process than the server's, so it travels over
    Redis, as it does beside a WSGI server. Two changes that are rendered together
    would share a frame; so each waits until the first socket has the one before.
    """
    port, clients = setting.port, _clients(setting)
    with (
        product(setting.core, port, setting.folder) as server,
        passing_on(setting.workspace) as event,
    ):
        loaded = Loaded.load(port, "/", setting.visitors[0])

        def connect(visitors: Sequence[Visitor]) -> None:
            for n in range(0, len(visitors), ARRIVING):
                pages = [(one, loaded.resume(one)) for one in visitors[n : n + ARRIVING]]
                enter(clients, port, pages)

        page_bytes = _connect(setting, clients, server.pid, connect)
        yield Way(server.pid, clients, event, page_bytes, ahead=0)
        clients.close()


@contextmanager
def passing_on(workspace: Workspace) -> Iterator[Callable[[], Event]]:
    """What passes the measured document's pen on, in a process beside."""
    here = Pen(workspace)
    with pen_beside(workspace.document) as pen:

        def event() -> Event:
            person = here.next()
            pen.pass_on()
            return Event(person.name.encode(), pen.moments)

        yield event


@contextmanager
def product(core: int, port: int, folder: Path) -> Iterator[Popen[bytes]]:
    """The product's server, on its core."""
    command = python("manage.py", "serve", "--port", str(port))
    with running(command, port, core=core, log=folder / "ours.log") as server:
        yield server


def enter(
    clients: Clients,
    port: int,
    pages: Sequence[tuple[Visitor, str]],
    present: int | None = None,
) -> None:
    """Connect pages by their people and resume messages, until all are present.

    Args:
        present: how many pages there are then; None for those of ``clients``.
    """
    cookies = [f"Cookie: {visitor.cookie}" for visitor, _ in pages]
    clients.connect(port, [handshake(port, "/live/", cookie) for cookie in cookies])
    clients.send([message for _, message in pages])
    _await_presence(clients, len(clients) if present is None else present)


def _await_presence(clients: Clients, number: int) -> None:
    """Read until every page counts as here."""
    until = time.monotonic() + PATIENCE_SECONDS
    while (here := Connection.objects.live().count()) != number:
        clients.reader.idle(0.1)
        if time.monotonic() > until:
            raise Failed(f"{here} of {number} pages are present.")
