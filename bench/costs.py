"""``python -m bench.costs``: what a page, an event and a process cost, measured on two
processes with a real PostgreSQL and Redis, for ``bench/scaling.py``.

CPU is that of the processes concerned, by the system's count, so a busy machine
makes it dearer but not wrong. Writes ``bench/costs.json``.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg
from redis import Redis

from e2e.drills.crowd import Crowd, Visitor, memory
from e2e.services import Postgres, eventually, postgres_server, redis_server
from e2e.stack import Stack, cluster_stack

from .machine import cpu_seconds, description, family_seconds

COSTS = Path(__file__).with_name("costs.json")
#: How long nothing happens while idleness is measured, in seconds.
IDLE_SECONDS = 40.0
#: Changes of one document, a little further apart than a tick, and their distance.
EVENTS, PAUSE_SECONDS = 200, 0.03
#: What the counter asks, and how often it is asked here.
COUNT = """
SELECT count(DISTINCT c.user_id) FROM live_connection c JOIN live_node n ON n.id = c.node_id
WHERE (c.left_at IS NULL OR c.left_at >= now() - interval '5 s')
AND n.seen_at >= now() - interval '6 s'
"""
COUNTS = 500
#: Pages are joined within this time, in seconds.
PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class Costs:
    """Measured on one machine; CPU in microseconds, sizes in bytes.

    Attributes:
        machine: on what.
        pages: how many were open.
        delivery_us: a frame to one page of a region that many share.
        event_us: an event in a process of which no page shows it.
        render_us: an event in a process whose pages show it, the deliveries excluded.
        join_us: a page that connects and resumes, in its server process.
        idle_us: a second of an open page about which nothing happens.
        process_us: a second of a process without pages.
        database_join_us: a page that comes and goes, in PostgreSQL.
        database_process_us: a second of a process, in PostgreSQL.
        database_count_us: each open page in a count of the people who are here, in
            PostgreSQL.
        redis_us: a message to one process, in Redis.
        page_bytes: memory of an open page.
        frame_bytes: a delivery on the wire.
        message_bytes: an event on its way through Redis to one process.
    """

    machine: Sequence[str]
    pages: int
    delivery_us: float
    event_us: float
    render_us: float
    join_us: float
    idle_us: float
    process_us: float
    database_join_us: float
    database_process_us: float
    database_count_us: float
    redis_us: float
    page_bytes: float
    frame_bytes: float
    message_bytes: float


class Meters:
    """What the processes of a stack have used so far."""

    def __init__(self, stack: Stack, postgres: Postgres, redis: Redis) -> None:
        self.stack, self.postgres, self.redis = stack, postgres, redis

    def pid(self, number: int) -> int:
        process = self.stack.service(f"serve-{number}").process
        assert process
        return process.pid

    def server(self, number: int) -> float:
        """CPU seconds of a server process."""
        return cpu_seconds(self.pid(number))

    def database(self) -> float:
        """CPU seconds of PostgreSQL, all its processes together."""
        process = self.postgres.service.process
        assert process
        return family_seconds(process.pid)

    def bus(self) -> float:
        """CPU seconds of Redis."""
        used = self.redis.info("cpu")
        return float(used["used_cpu_sys"]) + float(used["used_cpu_user"])

    def bus_bytes(self) -> int:
        """Bytes that Redis has sent."""
        return int(self.redis.info("stats")["total_net_output_bytes"])

    def all(self) -> tuple[float, float, float, float]:
        """CPU seconds: both servers, the database, the bus."""
        return self.server(0), self.server(1), self.database(), self.bus()


def used(meters: Meters, act: Callable[[], object]) -> tuple[list[float], float]:
    """What an act uses: microseconds of each, and how many seconds it took."""
    before, began = meters.all(), time.monotonic()
    act()
    took = time.monotonic() - began
    return [(b - a) * 1e6 for a, b in zip(before, meters.all(), strict=True)], took


def measure(crowd: Crowd, meters: Meters, count: int) -> Costs:
    """All pages on the first process; the second only hears."""
    (document,) = crowd.ask("write", count=1)
    first, *others = crowd.enter(count + 1)
    for one in (first, *others):
        one.ports = crowd.stack.ports[:1]
    crowd.connect([first])  # the engine starts with the first page
    crowd.stack.ports.reverse()
    elsewhere = crowd.enter(1)
    crowd.stack.ports.reverse()
    crowd.connect(elsewhere)
    crowd.leave(elsewhere)
    eventually(lambda: first.people == 1, "only one is left", PATIENCE_SECONDS)
    empty, empty_seconds = used(meters, lambda: time.sleep(IDLE_SECONDS))
    memory_before = memory(meters.pid(0))
    joining, join_seconds = used(meters, lambda: joins(crowd, [first, *others]))
    memory_of_pages = memory(meters.pid(0)) - memory_before
    idle, idle_seconds = used(meters, lambda: time.sleep(IDLE_SECONDS))
    counting, _ = used(meters, lambda: counts(crowd.stack))
    bytes_before = meters.bus_bytes()
    for one in others:
        one.keeps = True
    busy, busy_seconds = used(meters, lambda: changes(crowd, document))
    message_bytes = (meters.bus_bytes() - bytes_before) / (2 * EVENTS)
    frames = [frame for one in others for _, frame in one.pushed if "Change" in frame]
    single, single_seconds = used(meters, lambda: alone(crowd, document, others))
    process_us = empty[1] / empty_seconds
    per_event = (single[0] - process_us * single_seconds) / EVENTS
    return Costs(
        machine=description(),
        pages=count,
        delivery_us=(busy[0] - idle[0] / idle_seconds * busy_seconds - per_event * EVENTS)
        / len(frames),
        event_us=max(0.0, busy[1] - process_us * busy_seconds) / EVENTS,
        render_us=per_event,
        join_us=(joining[0] - process_us * join_seconds) / count,
        idle_us=max(0.0, idle[0] / idle_seconds - process_us) / count,
        process_us=process_us,
        database_join_us=(joining[2] - empty[2] / empty_seconds * join_seconds) / count,
        database_process_us=empty[2] / empty_seconds / 2,
        database_count_us=counting[2] / COUNTS / count,
        redis_us=max(0.0, busy[3] - empty[3] / empty_seconds * busy_seconds) / (2 * EVENTS),
        page_bytes=memory_of_pages / count,
        frame_bytes=sum(map(len, frames)) / len(frames),
        message_bytes=message_bytes,
    )


def joins(crowd: Crowd, visitors: Sequence[Visitor]) -> None:
    """All but the first come, and every page counts them."""
    crowd.connect(visitors[1:])
    everybody = len(visitors)
    eventually(lambda: all(v.people == everybody for v in visitors), "all are in", PATIENCE_SECONDS)


def counts(stack: Stack) -> None:
    """The people who are here, counted again and again on one connection."""
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        for _ in range(COUNTS):
            connection.execute(COUNT)


def changes(crowd: Crowd, document: int) -> None:
    """Events one after the other, each in a frame of its own."""
    crowd.ask("retitle", documents=[document], times=EVENTS, pause=PAUSE_SECONDS)


def alone(crowd: Crowd, document: int, others: Sequence[Visitor]) -> None:
    """The same while only one page shows it."""
    crowd.leave(others)
    changes(crowd, document)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.costs", description=__doc__)
    parser.add_argument("--pages", type=int, default=400, help="open pages (400)")
    options = parser.parse_args()
    with (
        postgres_server() as postgres,
        redis_server() as redis_url,
        cluster_stack(postgres, redis_url) as stack,
        Crowd(stack) as crowd,
        Redis.from_url(redis_url) as redis,
    ):
        costs = measure(crowd, Meters(stack, postgres, redis), options.pages)
    text = json.dumps(asdict(costs), indent=2)
    COSTS.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
