"""``python -m bench.scaling``: from measured costs to 10,000, 100,000 and 1,000,000 open
pages; prints the tables of ``docs/scaling.md`` and, with ``--write``, puts them there.

What people do is drawn at random, and the engine's rules (ticks, batches, one message
for all that gathered) are applied to it event by event; the measured costs
(``bench/costs.json``) then say what that takes.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from collab.live.conf import LiveConf

from .costs import COSTS, Costs

DOCUMENT = Path(__file__).parents[1] / "docs" / "scaling.md"
SIZES = (1_000, 10_000, 100_000, 1_000_000)
#: How long is simulated, in seconds.
SECONDS = 20.0
#: How much of a core may be in use, so that a burst finds room.
FULL = 0.5
#: The most processes that are tried.
MOST_PROCESSES = 4096
#: A database server of this many cores is taken for the largest.
DATABASE_CORES = 32
ENGINE = LiveConf()


@dataclass(frozen=True)
class People:
    """What they do (assumed, not measured).

    Attributes:
        stay_seconds: a page is open for so long before its reader goes on.
        activity_seconds: between two things that a page's reader does and that
            everybody is told of (a toast).
        change_seconds: between two changes of what a page shows by itself: its
            document, the badges of its list.
        audience: on how many pages such a change is shown.
    """

    stay_seconds: float = 300.0
    activity_seconds: float = 600.0
    change_seconds: float = 120.0
    audience: int = 5


@dataclass(frozen=True)
class Design:
    """How the engine is built.

    Attributes:
        name: what the tables call it.
        pace_seconds: the counter that everybody sees is sent at most once in this
            time (``pace_seconds`` of its region); 0 for every tick.
        feed_pace_seconds: the same for toasts. They are a feed, which knows no pace yet.
        is_counted_once: processes add up what each knows, instead of counting rows.
        shards: over how many Redis servers the topics are spread, each process
            hearing only of topics that its pages show; 0 for one that tells all to all.
        region_pages: pages that share a presence table, a database and a Redis.
    """

    name: str
    pace_seconds: float = 0.0
    feed_pace_seconds: float = 0.0
    is_counted_once: bool = False
    shards: int = 0
    region_pages: int = 10**9


PACE = 2.0
DESIGNS = (
    Design("as it is"),
    Design("counter paced", PACE),
    Design("toasts paced", PACE, PACE),
    Design("sharded", PACE, PACE, is_counted_once=True, shards=8),
    Design("regions", 5.0, 5.0, is_counted_once=True, shards=8, region_pages=100_000),
)


@dataclass(frozen=True)
class Load:
    """What one design takes at one size, all regions together; times in cores."""

    pages: int
    design: Design
    processes: int
    busiest: float
    redis_messages: float
    redis: float
    writes: float
    database: float
    bytes: float

    @property
    def breaks(self) -> str:
        """What has no room any more, the worst first; empty if it carries."""
        regions = math.ceil(self.pages / self.design.region_pages)
        servers = max(1, self.design.shards) * regions
        shares = {
            "each process, by what all must do": self.busiest / FULL,
            "Redis": self.redis / servers / FULL,
            "PostgreSQL": self.database / regions / (DATABASE_CORES * FULL),
        }
        over = {name: share for name, share in shares.items() if share > 1.001}
        return ", ".join(f"{n} ({over[n]:,.1f}×)" for n in sorted(over, key=lambda n: -over[n]))


def flushes(rate: float, distance: float, chance: random.Random) -> float:
    """How many times a second something is done that waits at least ``distance``
    seconds after the last time and takes all that has gathered: events come at
    random, ``rate`` a second on average."""
    now = last = -distance
    done = 0
    while rate and now < SECONDS:
        now = max(now + chance.expovariate(rate), last + distance)
        last = now
        done += now < SECONDS
    return done / SECONDS


def loads(costs: Costs, design: Design, pages: int, people: People) -> Load:
    """The load of a design with the fewest processes that have room; or, if no
    number has, with the number whose processes are the least busy."""
    regions = math.ceil(pages / design.region_pages)
    here = pages // regions
    best: Load | None = None
    for processes in _numbers():
        load = _with(costs, design, here, people, processes, regions)
        if best is None or load.busiest < best.busiest * 0.98:
            best = load
        if load.busiest <= FULL:
            return load
    assert best
    return best


def _numbers() -> Iterator[int]:
    """1, 2, 3, 4, 5, 6, 7, 8, 10, 12...: a fifth more each time."""
    number = 1
    while number <= MOST_PROCESSES:
        yield number
        number = max(number + 1, number * 6 // 5)


def _with(
    costs: Costs, design: Design, pages: int, people: People, processes: int, regions: int
) -> Load:
    """One region's load, times the regions."""
    chance = random.Random(pages * 31 + processes)
    mine = pages / processes
    joins, told = pages / people.stay_seconds, pages / people.activity_seconds
    counted, everybody = _for_all(design, 2 * joins, told, chance)
    # A page's own regions change as often as any of those who share them does.
    own = people.audience / people.change_seconds
    heard, received = _bus(design, pages, people, processes, everybody)
    cpu = (
        costs.process_us
        + mine * costs.idle_us
        + mine * (everybody + own) * costs.delivery_us
        + everybody * costs.render_us
        + heard * costs.event_us
        + joins / processes * costs.join_us
    )
    counts = 0.0 if design.is_counted_once else counted * processes * pages
    database = (
        joins * costs.database_join_us
        + processes * costs.database_process_us
        + counts * costs.database_count_us
    )
    return Load(
        pages * regions,
        design,
        processes * regions,
        cpu / 1e6,
        received * regions,
        received * costs.redis_us / 1e6 * regions,
        (2 * joins + processes / ENGINE.heartbeat_seconds) * regions,
        database / 1e6 * regions,
        pages * (everybody + own) * costs.frame_bytes * regions,
    )


def _for_all(
    design: Design, moves: float, told: float, chance: random.Random
) -> tuple[float, float]:
    """How often a second the people are counted, and how often there is a frame for
    everybody, with the counter, toasts or both. What falls into a tick is one frame.

    Args:
        moves: how many come or go in a second.
        told: of how many things toasts tell in a second.
    """
    tick = ENGINE.tick_seconds
    paces = design.pace_seconds or tick, design.feed_pace_seconds or tick
    counted = flushes(moves, paces[0], chance)
    if paces[0] == paces[1]:
        return counted, flushes(moves + told, paces[0], chance)
    return counted, min(counted + flushes(told, paces[1], chance), 1 / tick)


def _bus(
    design: Design, pages: int, people: People, processes: int, everybody: float
) -> tuple[float, float]:
    """How many messages a second one process hears, and all together receive.

    Args:
        everybody: how often a second there is news for all pages.
    """
    changes = pages / people.change_seconds
    pings = 1 / ENGINE.bus_ping_seconds
    if design.shards:  # its own pings on each of them, and what its pages show
        own = pages / processes * people.audience / people.change_seconds
        pings *= design.shards
        copies = min(people.audience, processes)
        return everybody + own + pings, changes * copies + processes * (everybody + pings)
    events = 2 * pages / people.stay_seconds + pages / people.activity_seconds + changes
    chance = random.Random(pages * 37 + processes)
    said = flushes(events / processes, ENGINE.presence_batch_seconds, chance)
    heard = processes * (said + pings)
    return heard, heard * processes


HEAD = (
    "| open pages | design | processes | Redis, messages/s | Redis, cores "
    "| presence, rows/s | PostgreSQL, cores | to the pages, MB/s | breaks |\n"
    "|---:|---|---:|---:|---:|---:|---:|---:|---|\n"
)


def table(found: Sequence[Load]) -> str:
    """The loads as Markdown."""
    return HEAD + "\n".join(
        f"| {load.pages:,} | {load.design.name} | {load.processes:,} "
        f"| {load.redis_messages:,.0f} | {load.redis:,.2f} | {load.writes:,.0f} "
        f"| {load.database:,.1f} | {load.bytes / 1e6:,.1f} | {load.breaks or '–'} |"
        for load in found
    )


INPUTS = {
    "delivery_us": "µs, a frame to one page",
    "render_us": "µs, an event in a process whose pages show it, without the deliveries",
    "event_us": "µs, an event in a process of which no page shows it",
    "join_us": "µs, a page that connects and resumes",
    "idle_us": "µs, a second of an open page about which nothing happens",
    "process_us": "µs, a second of a process without pages",
    "database_join_us": "µs in PostgreSQL, a page that comes and goes",
    "database_process_us": "µs in PostgreSQL, a second of a process",
    "database_count_us": "µs in PostgreSQL, each open page in a count of who is here",
    "redis_us": "µs in Redis, a message to one process",
    "page_bytes": "bytes of memory, an open page",
    "frame_bytes": "bytes, a delivery on the wire",
    "message_bytes": "bytes, an event from Redis to one process",
}


def report(costs: Costs, people: People) -> str:
    """What ``docs/scaling.md`` shows between its markers."""
    inputs = "\n".join(f"| {getattr(costs, n):,.2f} | {what} |" for n, what in INPUTS.items())
    found = [loads(costs, design, pages, people) for pages in SIZES for design in DESIGNS]
    machine = "\n".join(f"- {fact}" for fact in costs.machine)
    return f"{machine}\n\n| measured | what |\n|---:|---|\n{inputs}\n\n{table(found)}\n"


def put(text: str) -> str:
    """The document with these tables."""
    pattern = re.compile(r"(?<=<!-- tables -->\n).*?(?=<!-- end -->)", re.DOTALL)
    return pattern.sub(lambda _: f"\n{text}\n", DOCUMENT.read_text())


def read(path: Path = COSTS) -> Costs:
    """The costs of the last measurement."""
    return Costs(**json.loads(path.read_text()))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.scaling", description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the tables into docs/scaling.md")
    text = report(read(), People())
    print(text)
    if parser.parse_args().write:
        DOCUMENT.write_text(put(text))


if __name__ == "__main__":
    main()
