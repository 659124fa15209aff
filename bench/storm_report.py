"""The figures of many events at once, for people."""

from __future__ import annotations

from collections.abc import Mapping

from .figures import table
from .results import Section

Figures = Mapping[str, Mapping[str, Mapping[str, float]]]
TITLES = {"tick": "{:,} events/s", "double": "{:,} events/s", "storm": "storm, {:,} events/s"}
ROWS = (
    ("server CPU per fragment, µs", "cpu_us", ",.2f"),
    ("server CPU, % of a core", "cpu_percent", ",.0f"),
    ("from the event to a page, ms (p50)", "p50_ms", ",.1f"),
    ("the same, p99", "p99_ms", ",.1f"),
    ("last page right after the last event, ms", "right_ms", ",.0f"),
    ("fragments that arrived", "fragments", ",.0f"),
    ("frames that arrived", "frames", ",.0f"),
    ("bytes of a frame", "frame_bytes", ",.0f"),
    ("events told, per second", "told_rate", ",.0f"),
)


def section(sockets: int, tick_seconds: float, runs: int, figures: Figures) -> Section:
    """The report.

    Args:
        sockets: how many showed it.
        tick_seconds: least time between two flushes.
        runs: how often the tick was measured.
        figures: by measurement (``tick``, ``double``, ``storm``) and way; and the machine's
            own ``pauses``.
    """
    held = figures["machine"]["pauses"]
    named = {n: title.format(round(figures[n]["ours"]["rate"])) for n, title in TITLES.items()}
    head = ("", *named.values())
    rows = [
        (title, *(format(figures[name]["ours"][key], form) for name in named))
        for title, key, form in ROWS
    ]
    served = "\n".join(
        f"  - {named[name]}: {by['conventional']['share']:.2%} of what was due in the time, "
        f"at {by['conventional']['cpu_us']:,.0f} µs each"
        for name, by in figures.items()
        if "conventional" in by
    )
    bare = figures["tick"]["limit"]
    body = f"""{table([head, *rows])}

- The pens of 100 documents pass on, in transactions of a process beside; {sockets:,} sockets.
  In the first two measurements every page shows all 100 badges, in the storm each another 20.
- The first was measured {runs} times, each time with another server and in turns with a bare
  loop that writes frames of the same length at the same pace; of each figure the median counts.
- Events within a tick of {tick_seconds * 1e3:.0f} ms travel together, so the CPU follows the
  ticks: twice the events cost less than twice as much.
- Every page was checked: it got only what it shows, never an older badge after a newer
  one, and the last of each.
- What all pages get is compressed once for all of them, as browsers offer it; in the storm
  each page gets something else, as it is. The bare loop takes {bare["cpu_us"]:,.2f} µs per
  fragment, and {bare["p99_ms"]:,.0f} ms pass (p99) from some time in a tick to a page: that is
  the system's part.
- The machine's own pauses are in all delays. Two loops that did nothing but count, one on
  each core, were held up for {held["share"]:.1%} of {held["seconds"]:.0f} s just after, and for up
  to {held["longest_ms"]:,.0f} ms at a time.
- The conventional way falls behind. While the same goes on, it serves
{served}.
"""
    return Section("Many events at once", body, figures=figures)
