"""The figures as a table, for people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .figures import table
from .measure import Result
from .results import Section

#: The promise of this release (deliveries per CPU-second, ours / conventional).
TARGET_RATIO = 6.0
TARGET_QUERIES = 10

Figure = Callable[[Result], float]
ROWS: Sequence[tuple[str, Figure, str]] = (
    ("last socket has an isolated event, ms (median)", lambda r: r.last_ms, ",.1f"),
    ("the same, slowest round, ms", lambda r: r.slowest_ms, ",.1f"),
    ("the same, database write included, ms (median)", lambda r: r.last_whole_ms, ",.1f"),
    ("server CPU per delivery, µs", lambda r: r.cpu_us, ",.2f"),
    ("deliveries per CPU-second", lambda r: r.per_cpu_second, ",.0f"),
    ("bytes per delivery", lambda r: r.bytes, ",.0f"),
    ("deliveries measured", lambda r: r.deliveries, ",d"),
    ("server CPU while idle, % of a core", lambda r: r.idle_percent, ",.1f"),
)
#: Rows for which a ratio says nothing.
WITHOUT_RATIO = ("deliveries measured", "server CPU while idle, % of a core")


@dataclass(frozen=True)
class Dashboard:
    """The dashboard page: how big, how many queries, how long (milliseconds)."""

    documents: int
    people: int
    queries: int
    p50_ms: float


@dataclass(frozen=True)
class Report:
    """All of a run."""

    sockets: int
    people: int
    rounds: int
    tick_ms: float
    conventional: Result
    ours: Result
    limit: Result
    dashboard: Dashboard

    @property
    def ratio(self) -> float:
        """Deliveries per CPU-second, ours / conventional."""
        return self.ours.per_cpu_second / self.conventional.per_cpu_second

    @property
    def failures(self) -> list[str]:
        """The promises that this run did not keep."""
        found = []
        if self.ratio < TARGET_RATIO:
            found.append(f"{self.ratio:.1f} times the conventional way, not {TARGET_RATIO:.0f}")
        if self.dashboard.queries > TARGET_QUERIES:
            found.append(f"{self.dashboard.queries} queries, not {TARGET_QUERIES}")
        return found

    def table(self) -> str:
        """The comparison."""
        head = ("", "conventional", "ours", "limit", "ours / conventional", "ours / limit")
        return table([head, *(self._row(*row) for row in ROWS)])

    def _row(self, title: str, figure: Figure, form: str) -> tuple[str, ...]:
        ours, others = figure(self.ours), (figure(self.conventional), figure(self.limit))
        ratios = ["" if title in WITHOUT_RATIO else f"{ours / other:.3g}" for other in others]
        values = [format(value, form) for value in (others[0], ours, others[1])]
        return (title, *values, *ratios)

    def section(self) -> Section:
        """The whole report."""
        page = self.dashboard
        body = f"""{self.table()}

Ours makes **{self.ratio:.1f} times** the deliveries per CPU-second of the conventional way, and
needs {self.ours.cpu_us / self.limit.cpu_us:.1f} times the CPU of the bare sender.
The promises are at least {TARGET_RATIO:.0f} times, and at most {TARGET_QUERIES} queries.

- *conventional*: plain Daphne, a group per document over the Redis pubsub layer; every
  consumer renders the partial and sends it. It makes no query and asks for no session.
- *ours*: `manage.py serve`, one process, Redis; {self.people} signed-in people's dashboards with
  their page tokens. The pen of one document passes on in the database, in another process.
- *limit*: asyncio, one preframed `send` per socket.
- All send the same fragment. Every socket was checked: exactly one frame per event, the
  last one right.
- Isolated: {self.rounds} events, 100 ms apart; from the announcement (to the channel layer, or to
  the bare sender) until the last socket has the frame. Per delivery: a series of events, each
  in a frame of its own; the server's user and system time, all threads, median of five parts.
  Ours waits for each event to arrive and for the tick of {self.tick_ms:.0f} ms, since two events
  within a tick share a frame; so its figure includes its housekeeping meanwhile.

### The dashboard

{page.documents} documents, {page.people} people present with {self.sockets:,} pages:
**{page.queries} queries**, **{page.p50_ms:.1f} ms** (median, over HTTP).
"""
        title = f"One badge changes, {self.sockets:,} sockets show it"
        return Section(title, body, self.failures)
