"""How the cost of an event grows, for people: a table and two plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from .figures import table
from .plot import chart
from .results import Section


@dataclass(frozen=True)
class Point:
    """An event when there were so many of what grows.

    Attributes:
        number: how many there were.
        cpu_ms: the server's CPU for the event, without what it uses while idle.
        idle_percent: that, of a core.
        last_ms: until the last socket had it (median).
    """

    number: int
    cpu_ms: float
    idle_percent: float
    last_ms: float


def section(
    shown: int, unseen: Sequence[Point], watching: Sequence[Point], elsewhere: Sequence[Point]
) -> Section:
    """The report.

    Args:
        shown: how many pages showed the document, while something else grew.
        unseen: the number of documents grew.
        watching: the number of pages that show the document grew.
        elsewhere: the number of pages that show another one grew.
    """
    grown = {
        f"documents, {shown} pages": unseen,
        f"pages that show another document, beside {shown}": elsewhere,
        "pages that show the document": watching,
    }
    head = ("what grows", "number", "CPU per event, ms", "CPU while idle, %", "last has it, ms")
    rows = [
        (title, f"{p.number:,}", *(f"{v:,.1f}" for v in (p.cpu_ms, p.idle_percent, p.last_ms)))
        for title, points in grown.items()
        for p in points
    ]
    body = f"""{table([head, *rows])}

![CPU of the server per event](../docs/cost.svg)

![Until the last page has an event](../docs/delay.svg)

The badge of one document changes. Each page shows one badge; every page was checked: those
that show it got one frame per event, the others none. CPU is the server's, and per event
without what it uses while idle, which is mostly the pings of all sockets.
"""
    figures = {
        "documents": [asdict(point) for point in unseen],
        "elsewhere": [asdict(point) for point in elsewhere],
        "watching": [asdict(point) for point in watching],
    }
    return Section("What an event costs, and what does not matter", body, figures=figures)


def plots(figures: Mapping[str, Sequence[Mapping[str, float]]]) -> dict[str, str]:
    """By file name, the drawings of what :func:`section` has as figures."""
    names = {
        "documents": "documents, 100 pages",
        "elsewhere": "pages elsewhere, 100 here",
        "watching": "pages that show it",
    }

    def lines(key: str) -> dict[str, list[tuple[float, float]]]:
        return {
            title: [(point["number"], point[key]) for point in figures[name]]
            for name, title in names.items()
        }

    return {
        "cost.svg": chart(
            "What one event costs", "how many there are", "server CPU, ms", lines("cpu_ms")
        ),
        "delay.svg": chart(
            "Until the last page has it", "how many there are", "ms, median", lines("last_ms")
        ),
    }
