"""The fan-out in three ways, for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict

from .figures import table
from .measure import WARMING_EVENTS, Result
from .results import Section

Figure = Callable[[Result], float]
ROWS: Sequence[tuple[str, Figure, str]] = (
    ("last socket has an isolated event, ms (median)", lambda r: r.last_ms, ",.1f"),
    ("the same, slowest round, ms", lambda r: r.slowest_ms, ",.1f"),
    ("the same, database write included, ms (median)", lambda r: r.last_whole_ms, ",.1f"),
    ("server CPU per delivery, µs", lambda r: r.cpu_us, ",.2f"),
    ("deliveries per CPU-second", lambda r: r.per_cpu_second, ",.0f"),
    ("server CPU during the series, % of a core", lambda r: r.busy_percent, ",.0f"),
    ("bytes per delivery", lambda r: r.bytes, ",.0f"),
    ("deliveries measured", lambda r: r.deliveries, ",d"),
    ("memory of the server per socket, KiB", lambda r: r.page_kb, ",.1f"),
    ("server CPU while idle, % of a core", lambda r: r.idle_percent, ",.1f"),
)
#: Rows for which a ratio says nothing.
WITHOUT_RATIO = (
    "server CPU during the series, % of a core",
    "deliveries measured",
    "memory of the server per socket, KiB",
    "server CPU while idle, % of a core",
)


def fanout(results: Mapping[int, Mapping[str, Result]], dashboard: Mapping[str, float]) -> Section:
    """The report.

    Args:
        results: by number of sockets and way.
        dashboard: the page's ``documents``, ``pages``, ``people``, ``queries`` and
            ``p50_ms``.
    """
    tables = "\n\n".join(_table(sockets, by_way) for sockets, by_way in results.items())
    body = f"""{tables}

- *conventional*: plain Daphne, a group per document over the Redis pubsub layer; every
  consumer renders the partial and sends it. It makes no query and asks for no session.
- *ours*: `manage.py serve`, one process, Redis; signed-in people's dashboards with their
  page tokens. The pen of one document passes on in the database, in another process.
- *limit*: asyncio, one preframed `send` per socket.
- All send the same fragment. Every socket was checked: exactly one frame per event, the
  last one right.
- One client reads the sockets of all ways, on a core that it shares with Redis and with who
  makes the events. It answers pings, and acknowledges what it has read by itself: otherwise
  the next `send` of a server that pings would do that, and pay for it.
- Isolated: events 100 ms apart; from the announcement (to the channel layer, or to the bare
  sender) until the last socket has the frame.
- Per delivery: a series of events as fast as they are served, each in a frame of its own; the
  server's user and system time, all threads, rendering and housekeeping included; the
  median of {_parts(results)}. Before each part come
  {WARMING_EVENTS} events that are not measured: the first after a pause are acknowledged
  one by one, within the server's `send`. The tick is 1 ms here, so that it does not slow
  down the series.

### The dashboard

50 of {dashboard["documents"]:,.0f} documents, {dashboard["people"]:,.0f} people present with
{dashboard["pages"]:,.0f} pages: **{dashboard["queries"]:.0f} queries**,
**{dashboard["p50_ms"]:.1f} ms** (median, over HTTP).
"""
    figures = {
        "sockets": {
            str(sockets): {way: asdict(result) for way, result in by_way.items()}
            for sockets, by_way in results.items()
        },
        "dashboard": dict(dashboard),
    }
    return Section("One badge changes, many sockets show it", body, figures=figures)


def _parts(results: Mapping[int, Mapping[str, Result]]) -> str:
    """In how many parts the series were measured."""
    told = (f"{by_way['ours'].parts} parts with {n:,} sockets" for n, by_way in results.items())
    return ", of ".join(told)


def _table(sockets: int, by_way: Mapping[str, Result]) -> str:
    others = f"{sockets:,} sockets"
    head = (others, "conventional", "limit", "ours", "conventional / ours", "ours / limit")
    return table([head, *(_row(by_way, *row) for row in ROWS)])


def _row(by_way: Mapping[str, Result], title: str, figure: Figure, form: str) -> tuple[str, ...]:
    conventional, limit, ours = (figure(by_way[w]) for w in ("conventional", "limit", "ours"))
    values = [format(value, form) for value in (conventional, limit, ours)]
    if title in WITHOUT_RATIO:
        return (title, *values, "", "")
    return (title, *values, f"{conventional / ours:.3g}", f"{ours / limit:.3g}")
