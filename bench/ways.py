"""The three ways, each as a running server, its connected sockets and its events."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer

from collab.live.conf import conf
from collab.live.models import Connection

from . import conventional as consumer
from .client import PATIENCE_SECONDS, Clients, Failed, Reader, handshake
from .processes import free_port, python, running
from .workspace import Pen, Visitor, Workspace, badge_id, fragment, resumes

#: After the last socket is open: what connecting has caused comes to an end.
SETTLING_SECONDS = 1.0


@dataclass(frozen=True)
class Event:
    """One event under way.

    Attributes:
        marker: bytes that its frames contain.
        began: when its cause began; a moment of ``time.perf_counter``.
        announced: when it was handed to the server or its channel layer.
    """

    marker: bytes
    began: float
    announced: float


@dataclass(frozen=True)
class Way:
    """A server under test with its sockets.

    Attributes:
        pid: the server's process.
        event: makes the next event happen.
        window: how many events may be under way at once in a series.
        gap_seconds: the least time between two events.
    """

    pid: int
    clients: Clients
    event: Callable[[], Event]
    window: int
    gap_seconds: float = 0.0


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
            return Event(person.name.encode(), now, now)

        clients.connect(port, [handshake(port)] * setting.sockets)
        yield Way(server.pid, clients, event, window=4)
        clients.close()


@contextmanager
def conventional(setting: Setting) -> Iterator[Way]:
    """Daphne as it comes, a group per document, a rendering per consumer."""
    port, pen, clients = free_port(), Pen(setting.workspace), _clients(setting)
    layer = get_channel_layer()
    assert layer is not None
    command = python("-m", "daphne", "-v", "0", "-p", str(port), "bench.conventional:application")
    log = setting.folder / "conventional.log"
    with running(command, port, core=setting.core, log=log) as server:

        def event() -> Event:
            person = pen.next()
            message = {
                "type": "badge.changed",
                "document": pen.document,
                "etag": fragment(pen.document, person)[1],
                "holder": {
                    "pk": person.pk,
                    "name": person.name,
                    "initials": person.initials,
                    "colour": person.colour,
                },
            }
            now = time.perf_counter()
            async_to_sync(layer.group_send)(consumer.group(pen.document), message)
            return Event(person.name.encode(), now, now)

        clients.connect(port, [handshake(port)] * setting.sockets)
        clients.reader.idle(SETTLING_SECONDS)
        yield Way(server.pid, clients, event, window=4)
        clients.close()


@contextmanager
def ours(setting: Setting) -> Iterator[Way]:
    """The product: ``manage.py serve``, with people on the dashboard.

    The change is made in another process than the server's, so it travels over
    Redis, as it does beside a WSGI server. Two changes within one tick would
    share a frame; so each waits for the one before, and for the tick.
    """
    port, pen, clients = setting.port, Pen(setting.workspace), _clients(setting)
    command = python("manage.py", "serve", "--port", str(port))
    with running(command, port, core=setting.core, log=setting.folder / "ours.log") as server:

        def event() -> Event:
            began = time.perf_counter()
            person = pen.pass_on()
            return Event(person.name.encode(), began, pen.announced)

        messages = resumes(f"http://127.0.0.1:{port}/", setting.visitors)
        clients.connect(
            port, [handshake(port, "/live/", f"Cookie: {v.cookie}") for v in setting.visitors]
        )
        clients.send(messages)
        _await_presence(clients)
        clients.reader.idle(SETTLING_SECONDS)
        yield Way(server.pid, clients, event, window=1, gap_seconds=conf().tick_seconds * 1.1)
        clients.close()


def _await_presence(clients: Clients) -> None:
    """Read until every page counts as here."""
    until = time.monotonic() + PATIENCE_SECONDS
    while (here := Connection.objects.live().count()) != len(clients):
        clients.reader.idle(0.1)
        if time.monotonic() > until:
            raise Failed(f"{here} of {len(clients)} pages are present.")
