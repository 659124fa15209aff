"""One event on many sockets, in three ways: at 1,000 sockets and at 5,000; and the
dashboard among many documents while all are open."""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
from pathlib import Path

from django.conf import settings

from . import report, ways, workspace
from .client import Reader
from .machine import cores, on_core
from .measure import Result, compare, page_times
from .results import Section

PAGE_LOADS = 30
EDITORS = 8
#: The series is measured in so many parts, each of them short, since machines are faster
#: and slower by turns.
PARTS = 15
#: Of the rounds and parts with few sockets, the share with many: there each takes so long.
SHARE_OF_MANY = 1 / 3


def measure(options: argparse.Namespace) -> Section:
    """Measure everything.

    Raises:
        Failed: something under test did not work.
    """
    note(f"filling the database with {options.documents} documents")
    people = min(options.people, options.sockets)
    filled = workspace.build(people, EDITORS, options.documents)
    # The fan-out is measured by itself: an event must not wait for the tick.
    os.environ["LIVE_TICK_SECONDS"] = "0.001"
    found = {}
    for sockets, rounds, parts in (
        (options.sockets, options.rounds, PARTS),
        (options.many, max(3, round(options.rounds * SHARE_OF_MANY)), round(PARTS * SHARE_OF_MANY)),
    ):
        found[sockets] = _compared(filled, sockets, rounds, parts, options.seconds)
    del os.environ["LIVE_TICK_SECONDS"]
    return report.fanout(found, _dashboard(filled, options.sockets))


def _setting(filled: workspace.Workspace, sockets: int) -> ways.Setting:
    server_core, _ = cores()
    folder = Path(settings.DATA_DIR)
    return ways.Setting(filled, sockets, settings.PORT, server_core, folder, Reader())


def _compared(
    filled: workspace.Workspace, sockets: int, rounds: int, parts: int, seconds: float
) -> dict[str, Result]:
    setting = _setting(filled, sockets)
    with contextlib.ExitStack() as stack:
        running = {}
        stack.enter_context(on_core(cores()[1]))
        for start in (ways.conventional, ways.limit, ways.ours):
            note(f"connecting {sockets} sockets: {start.__name__}")
            running[start.__name__] = stack.enter_context(start(setting))
        note("measuring")
        return compare(running, rounds=rounds, seconds=seconds, parts=parts)


def _dashboard(filled: workspace.Workspace, sockets: int) -> dict[str, float]:
    """Measure the dashboard page while all sockets are open."""
    setting = _setting(filled, sockets)
    visitor = filled.visitors[0]
    note("measuring the dashboard")
    with on_core(cores()[1]), ways.ours(setting):
        times = page_times(setting.port, "/", visitor.cookie, PAGE_LOADS)
        return {
            "documents": workspace.documents_there(),
            "pages": sockets,
            "people": len(filled.visitors),
            "queries": workspace.dashboard_queries(visitor),
            "p50_ms": statistics.median(times) * 1e3,
        }


def note(text: str) -> None:
    """Say what is going on."""
    print(text, file=sys.stderr, flush=True)
