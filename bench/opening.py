"""Somebody opens a document: until the last of the others sees who."""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

from django.conf import settings

from . import ways, workspace
from .client import Clients, Reader, handshake
from .machine import cores, on_core
from .results import Section

OTHERS = 200
#: Between two: many ticks, and a heartbeat's length now and then.
PAUSE_SECONDS = 0.3


def measure(options: argparse.Namespace) -> Section:
    """Measure.

    Raises:
        Failed: something under test did not work, or a page did not see it.
    """
    filled = workspace.build(OTHERS + options.rounds, 1, 50)
    others, newcomers = filled.visitors[:OTHERS], filled.visitors[OTHERS:]
    server_core, client_core = cores()
    port, reader = settings.PORT, Reader()
    clients, arrived = Clients(reader, b""), Clients(reader, b"")
    waited, whole = [], []
    with ways.product(server_core, port, Path(settings.DATA_DIR)), on_core(client_core):
        loaded = workspace.Loaded.load(port, "/", others[0])
        ways.enter(clients, port, [(one, loaded.resume(one)) for one in others])
        for number, visitor in enumerate(newcomers):
            reader.idle(PAUSE_SECONDS)
            document = filled.document - number
            clients.counted = f'hx-target="#{workspace.badge_id(document)}"'.encode()
            clients.forget()
            began = time.perf_counter()
            page = workspace.Loaded.load(port, f"/documents/{document}/", visitor)
            loaded_at = time.perf_counter()
            arrived.connect(port, [handshake(port, "/live/", f"Cookie: {visitor.cookie}")])
            arrived.send([workspace.resume(page.token, page.marks)])
            clients.receive(len(clients))
            now = time.perf_counter()
            waited.append(now - loaded_at)
            whole.append(now - began)
            clients.verify(1, f"Visitor {OTHERS + number:03}".encode())
        arrived.close()
        clients.close()
    figures = {
        "others": OTHERS,
        "p50_ms": statistics.median(waited) * 1e3,
        "worst_ms": max(waited) * 1e3,
        "whole_p50_ms": statistics.median(whole) * 1e3,
    }
    body = f"""{OTHERS} people have the dashboard open. {len(waited)} others, one after the other,
each open another of its documents. Until the last of the {OTHERS} has the new badge:
**{figures["p50_ms"]:.1f} ms** in the median, {figures["worst_ms"]:.1f} ms at worst, from when the
page begins to connect: handshake, session, permissions, the write of the presence and the tick
included. With the loading of the page {figures["whole_p50_ms"]:.1f} ms.
"""
    return Section("Somebody opens a document", body, figures=figures)
