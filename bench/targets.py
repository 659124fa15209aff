"""The one table of all measurements, with what they promise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .figures import table

Figures = Mapping[str, Any]


@dataclass(frozen=True)
class Target:
    """One row.

    Attributes:
        title: what is measured.
        shown: the cells of the three columns: conventional, limit, ours.
        promise: of ours.
        is_kept: whether this run kept it.
        ratios: conventional / ours and ours / limit, if they say something.
    """

    title: str
    shown: tuple[str, str, str]
    promise: str
    is_kept: bool
    ratios: tuple[float | None, float | None] = (None, None)


def targets(figures: Figures) -> list[Target]:
    """The rows whose sections have been measured, in order."""
    return [row for name, make in MAKERS if name in figures for row in make(figures[name])]


def written(figures: Figures) -> str:
    """The table in Markdown, and where it was measured."""
    head = ("", "conventional", "bare asyncio", "Collab", "× better", "× bare", "promise", "kept")
    rows = [
        (
            row.title,
            *row.shown,
            _ratio(row.ratios[0]),
            _ratio(row.ratios[1]),
            row.promise,
            "yes" if row.is_kept else "no",
        )
        for row in targets(figures)
    ]
    machine = "\n".join(f"- {fact}" for fact in figures["machine"])
    return f"""{table([head, *rows])}

*× better*: conventional / Collab; *× bare*: Collab / bare asyncio. The ways of a row were
measured in turns, on this machine:

{machine}
- {_when(figures)}
"""


def failures(figures: Figures) -> list[str]:
    """What was not kept, one sentence each."""
    return [
        f"{row.title}: {row.shown[2]}, promised {row.promise}"
        for row in targets(figures)
        if not row.is_kept
    ]


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _when(figures: Figures) -> str:
    """When the rows were measured, and whether by one call; how busy the machine was just
    before. Figures that do not name their call stand alone."""
    sections = {name: figures[name] for name, _ in MAKERS if name in figures}
    runs: dict[str, list[str]] = {}
    for name, one in sorted(sections.items(), key=lambda pair: str(pair[1]["at"])):
        runs.setdefault(one.get("run", one["at"]), []).append(name)
    spans = [_span([sections[name]["at"] for name in names]) for names in runs.values()]
    loads = [one["load"][0] for one in sections.values()]
    busy = (
        f"load average before each section {min(loads):.1f} to {max(loads):.1f}, of which the "
        "measurement itself is a part"
    )
    if len(runs) == 1:
        return f"all rows from one call of `make bench`, {spans[0]} UTC; {busy}"
    parts = (f"{', '.join(names)} {span}" for names, span in zip(runs.values(), spans, strict=True))
    return f"sections by the times of their calls (UTC): {'; '.join(parts)}; {busy}"


def _span(moments: Sequence[str]) -> str:
    """The beginnings of the first and of the last section."""
    first, last = (moment[:16].replace("T", " ") for moment in (min(moments), max(moments)))
    return first if first == last else f"from {first} to {last}"


def _fanout(figures: Figures) -> list[Target]:
    fewer, more = sorted(figures["sockets"], key=int)
    return [
        _compared(figures, fewer, "cpu_us", "µs", "CPU per delivery", 6.0, 1.6, 40.0),
        _compared(figures, more, "cpu_us", "µs", "CPU per delivery", 8.5, 1.45),
        _compared(figures, fewer, "last_ms", "ms", "last has an isolated event", 11.0, 1.57),
        _compared(figures, more, "last_ms", "ms", "last has an isolated event", 50.0, 1.47),
    ]


def _compared(
    figures: Figures,
    sockets: str,
    key: str,
    unit: str,
    title: str,
    most: float,
    most_of_limit: float,
    least_of_conventional: float = 0.0,
) -> Target:
    """A row with all three ways.

    Args:
        most: what Collab may take, where the bare loop takes ``most / most_of_limit``: the
            promises were made on such a machine. On a slower one, where nothing could keep
            them, ``most_of_limit`` times the bare loop.
        least_of_conventional: how many times as much the conventional way must take; then
            the ratios alone count.
    """
    by_way = figures["sockets"][sockets]
    conventional, limit, ours = (by_way[w][key] for w in ("conventional", "limit", "ours"))
    ratios = conventional / ours, ours / limit
    promise = f"≤ {most:g} {unit} or ≤ {most_of_limit:.1f} × bare"
    is_kept = ours <= most or ratios[1] <= most_of_limit
    if least_of_conventional:
        promise = f"≥ {least_of_conventional:.0f} × conventional, ≤ {most_of_limit} × bare"
        is_kept = ratios[0] >= least_of_conventional and ratios[1] <= most_of_limit
    cells = (f"{conventional:,.0f} {unit}", f"{limit:,.1f} {unit}", f"{ours:,.1f} {unit}")
    return Target(f"{title}, {int(sockets):,} sockets", cells, promise, is_kept, ratios)


def _storms(figures: Figures) -> list[Target]:
    tick, double, storm = (figures[name]["ours"] for name in ("tick", "double", "storm"))
    behind = [
        f"falls behind: {figures[name]['conventional']['share']:.1%} in time"
        for name in ("tick", "storm")
    ]
    bare, least_ms = (figures["tick"]["limit"][key] for key in ("cpu_us", "p99_ms"))
    more = double["cpu_percent"] / tick["cpu_percent"]
    return [
        Target(
            "3,000 events/s on 100 shared regions: CPU per fragment",
            (behind[0], f"{bare:.2f} µs", f"{tick['cpu_us']:.2f} µs"),
            "≤ 0.3 µs",
            tick["cpu_us"] <= 0.3,
            (None, tick["cpu_us"] / bare),
        ),
        Target(
            "the same, from event to page, p99",
            (behind[0], f"{least_ms:,.0f} ms", f"{tick['p99_ms']:,.0f} ms"),
            "≤ 40 ms",
            tick["p99_ms"] <= 40,
            (None, tick["p99_ms"] / least_ms),
        ),
        Target(
            "the same, CPU at twice the events",
            ("–", "–", f"× {more:.2f}"),
            "< × 2",
            more < 2,
        ),
        Target(
            "storm, 300 events/s, each page on other 20 of 100 regions: all right after the last",
            (behind[1], "–", f"{max(0, storm['right_ms']):,.0f} ms"),
            "≤ 1,000 ms",
            storm["right_ms"] <= 1000,
        ),
    ]


def _memory(figures: Figures) -> list[Target]:
    fewer = min(figures["sockets"], key=int)
    by_way = figures["sockets"][fewer]
    cells = [f"{by_way[way]['page_kb']:,.1f} KiB" for way in ("conventional", "limit", "ours")]
    return [
        Target(
            "memory per idle page of a dashboard of 50 rows",
            (cells[0], cells[1], cells[2]),
            "≤ 40 KiB",
            by_way["ours"]["page_kb"] <= 40,
        )
    ]


def _editors(figures: Figures) -> list[Target]:
    percent = figures["cpu_percent"]
    return [
        Target(
            f"{figures['editors']:,} idle open editors: CPU",
            ("–", "–", f"{percent:.1f} % of a core"),
            "≤ 2 %",
            percent <= 2,
        )
    ]


def _opening(figures: Figures) -> list[Target]:
    return [
        Target(
            f"somebody opens a document: the last of {figures['others']} others sees it",
            ("–", "–", f"{figures['p50_ms']:.0f} ms"),
            "≤ 60 ms",
            figures["p50_ms"] <= 60,
        )
    ]


def _restart(figures: Figures) -> list[Target]:
    return [
        Target(
            f"{figures['pages']:,} pages after a restart: all live, counters exact",
            ("–", "–", f"{figures['live_s']:.1f} s"),
            "≤ 5 s",
            figures["live_s"] <= 5,
        ),
        Target(
            "the same, sent to a page that missed nothing",
            ("–", "–", f"{figures['most_bytes']} bytes"),
            "≤ 200 bytes",
            figures["most_bytes"] <= 200,
        ),
    ]


def _dashboard(figures: Figures) -> list[Target]:
    page = figures["dashboard"]
    return [
        Target(
            f"dashboard, 50 of {page['documents']:,} documents, {page['pages']:,} pages open",
            ("–", "–", f"{page['queries']} queries, {page['p50_ms']:.0f} ms"),
            "≤ 10 queries, ≤ 40 ms",
            page["queries"] <= 10 and page["p50_ms"] <= 40,
        )
    ]


#: Which sections have rows, in their order.
MAKERS: Sequence[tuple[str, Callable[[Any], list[Target]]]] = (
    ("fanout", _fanout),
    ("storms", _storms),
    ("fanout", _memory),
    ("editors", _editors),
    ("opening", _opening),
    ("restart", _restart),
    ("fanout", _dashboard),
)
