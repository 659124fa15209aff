"""The server restarts while many pages are open: how soon all is as before."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from django.conf import settings

from collab.live.models import Connection
from collab.live.pages import Token

from . import ways, workspace
from .client import PATIENCE_SECONDS, Client, Clients, Failed, Reader, handshake
from .machine import cores, on_core
from .results import Section
from .workspace import Visitor

#: What a restart may still send is waited for so long.
SETTLING_SECONDS = 2.0
COUNTER = "active_users"


class Pages(Clients):
    """Pages that keep the marks of what they show, and may be sent away."""

    def __init__(self, reader: Reader, marks: Sequence[dict[str, str]]) -> None:
        super().__init__(reader, b"")
        self.marks = marks
        self.received = [0] * len(marks)
        self.gone = 0

    def note(self, client: Client, payload: bytes) -> None:
        self.received[client.number] += len(payload)
        self.marks[client.number].update(workspace.marks_in(payload.decode()))

    def ended(self, client: Client, payload: bytes) -> None:
        self.reader.remove(client)
        client.socket.close()
        self.gone += 1


def measure(options: argparse.Namespace) -> Section:
    """Measure.

    Raises:
        Failed: something under test did not work, or a page is not right.
    """
    number = options.sockets
    filled = workspace.build(min(options.people, number), 1, 50)
    server_core, client_core = cores()
    port, folder, reader = settings.PORT, Path(settings.DATA_DIR), Reader()
    visitors = [filled.visitors[n % len(filled.visitors)] for n in range(number)]
    with on_core(client_core):
        with ways.product(server_core, port, folder) as server:
            loaded = workspace.Loaded.load(port, "/", visitors[0])
            tokens = [loaded.another(visitor) for visitor in visitors]
            before = Pages(reader, [dict(loaded.marks) for _ in visitors])
            ways.enter(before, port, _messages(visitors, tokens, before))
            reader.idle(SETTLING_SECONDS)
            stopped = time.perf_counter()
            server.terminate()
            _await_goodbye(before, number)
        with ways.product(server_core, port, folder):
            began = time.perf_counter()
            after = Pages(reader, before.marks)
            counted = [marks[COUNTER] for marks in before.marks]
            _return(after, port, _messages(visitors, tokens, after), tokens)
            live = time.perf_counter()
            reader.idle(SETTLING_SECONDS)
            after.close()
    if len(set(counted)) != 1 or [marks[COUNTER] for marks in after.marks] != counted:
        raise Failed("A page's counter is not as before.")
    figures = {
        "pages": number,
        "live_s": live - began,
        "down_s": began - stopped,
        "most_bytes": max(after.received),
    }
    body = f"""{number:,} dashboards are open when the server gets SIGTERM; all come back as soon as
the next one listens, {figures["down_s"]:.1f} s later. **{figures["live_s"]:.1f} s** after that, all
are connected, have resumed and are present. Nothing had changed, and no page was sent more than
**{figures["most_bytes"]} bytes**; every counter of people is as before.
"""
    return Section("Back after a restart", body, figures=figures)


def _messages(
    visitors: Sequence[Visitor], tokens: Sequence[Token], pages: Pages
) -> list[tuple[Visitor, str]]:
    resumed = (workspace.resume(token, m) for token, m in zip(tokens, pages.marks, strict=True))
    return list(zip(visitors, resumed, strict=True))


def _await_goodbye(pages: Pages, number: int) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while pages.gone < number:
        pages.reader.pump(0.1)
        if time.monotonic() > until:
            raise Failed(f"{pages.gone} of {number} sockets were closed.")


def _return(
    pages: Pages, port: int, messages: Sequence[tuple[Visitor, str]], tokens: Sequence[Token]
) -> None:
    """Connect and resume; wait until each page is present by its new socket."""
    cookies = [f"Cookie: {visitor.cookie}" for visitor, _ in messages]
    pages.connect(port, [handshake(port, "/live/", cookie) for cookie in cookies])
    pages.send([message for _, message in messages])
    until = time.monotonic() + PATIENCE_SECONDS
    while (back := Connection.objects.live().filter(left_at=None).count()) < len(tokens):
        pages.reader.idle(0.05)
        if time.monotonic() > until:
            raise Failed(f"{back} of {len(tokens)} pages came back.")
