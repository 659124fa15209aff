"""One run: the three ways in turns, and the dashboard page."""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
from pathlib import Path

from django.conf import settings

from collab.live.conf import conf

from . import ways, workspace
from .client import Reader
from .machine import cores, on_core
from .measure import compare, page_times
from .report import Dashboard, Report
from .results import Section

PAGE_LOADS = 30
EDITORS = 8


def measure(options: argparse.Namespace) -> Section:
    """Measure everything.

    Raises:
        Failed: something under test did not work.
    """
    note("filling the database")
    people = min(options.people, options.sockets)
    filled = workspace.build(people, EDITORS, options.documents)
    port, folder = settings.PORT, Path(settings.DATA_DIR)
    server_core, client_core = cores()
    setting = ways.Setting(filled, options.sockets, port, server_core, folder, Reader())
    with contextlib.ExitStack() as stack:
        running = {}
        stack.enter_context(on_core(client_core))
        for start in (ways.limit, ways.conventional, ways.ours):
            note(f"connecting {options.sockets} sockets: {start.__name__}")
            running[start.__name__] = stack.enter_context(start(setting))
        note("measuring")
        results = compare(running, rounds=options.rounds, seconds=options.seconds)
        page = dashboard(setting, options.documents)
    return Report(
        sockets=options.sockets,
        people=people,
        rounds=options.rounds,
        tick_ms=conf().tick_seconds * 1e3,
        dashboard=page,
        **results,
    ).section()


def dashboard(setting: ways.Setting, documents: int) -> Dashboard:
    """Measure the dashboard page while all sockets are open."""
    visitor = setting.workspace.visitors[0]
    times = page_times(setting.port, "/", visitor.cookie, PAGE_LOADS)
    return Dashboard(
        documents=documents,
        people=len(setting.workspace.visitors),
        queries=workspace.dashboard_queries(visitor),
        p50_ms=statistics.median(times) * 1e3,
    )


def note(text: str) -> None:
    """Say what is going on."""
    print(text, file=sys.stderr, flush=True)
