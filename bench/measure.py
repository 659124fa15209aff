"""What is measured of a way."""

from __future__ import annotations

import http.client
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from .client import Failed
from .machine import cpu_seconds
from .ways import Event, Way

#: Between isolated events: many ticks, so that none waits for one.
ISOLATION_SECONDS = 0.1
IDLE_SECONDS = 3.0
#: Events before a series, and seconds after which no more of them begin: a way that takes
#: long for each must not keep the others waiting until a pen runs out. A receiver
#: acknowledges the first 16 segments after a pause one by one (Linux: TCP_MAX_QUICKACKS), then
#: every other or when it reads. Within one machine the server's ``send`` makes the former and
#: takes them in, so that a short series after a pause would cost a tenth more than one that
#: goes on.
WARMING_EVENTS = 20
WARMING_SECONDS = 1.0


@dataclass(frozen=True)
class Result:
    """The figures of one way.

    Attributes:
        last_ms: from the announcement of an isolated event until the last
            socket has it, in milliseconds; the median over the rounds.
        last_whole_ms: the same, from the beginning of what caused the event.
        slowest_ms: the slowest round, from the announcement.
        cpu_us: CPU of the server per delivery in a series, in microseconds.
        bytes: what arrived, per delivery.
        deliveries: how many the series had.
        parts: in how many it was measured.
        busy_percent: of a core, during the series.
        idle_percent: of a core, while nothing happens.
        page_kb: what the server keeps in memory for each socket, in KiB.
    """

    last_ms: float
    last_whole_ms: float
    slowest_ms: float
    cpu_us: float
    bytes: float
    deliveries: int
    parts: int
    busy_percent: float
    idle_percent: float
    page_kb: float

    @property
    def per_cpu_second(self) -> float:
        """Deliveries that one second of CPU pays for."""
        return 1e6 / self.cpu_us


def compare(
    ways: Mapping[str, Way], *, rounds: int, seconds: float, parts: int
) -> dict[str, Result]:
    """Measure all ways in turns, so that a machine that is slower for a while is
    slower for all of them.

    Args:
        ways: servers with connected sockets, by name.
        rounds: isolated events for each.
        seconds: how long the series lasts for each.
        parts: in which it is measured. The median part counts, so that housekeeping or a
            neighbour's burst in some of them does not.

    Raises:
        Failed: a socket did not get exactly what it should have got.
    """
    for way in (*ways.values(), *ways.values()):
        isolated(way)  # fills caches on both sides
    times: dict[str, list[Times]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in in_turn(ways):
            times[name].append(isolated(way))
    idle = {name: idle_share(way) for name, way in in_turn(ways)}
    measured: dict[str, list[Part]] = {name: [] for name in ways}
    for _ in range(parts):
        for name, way in in_turn(ways):
            measured[name].append(series(way, seconds / parts))
    return {
        name: summary(way, times[name], measured[name], idle[name]) for name, way in ways.items()
    }


def in_turn(ways: Mapping[str, Way]) -> Iterator[tuple[str, Way]]:
    """One way after the other, with rest between them."""
    for name, way in ways.items():
        way.clients.reader.idle(ISOLATION_SECONDS)
        yield name, way


@dataclass(frozen=True)
class Times:
    """Seconds until the last socket had an event: from the beginning of its
    cause, and from its announcement."""

    whole: float
    announced: float


def isolated(way: Way) -> Times:
    """One event while nothing else happens."""
    way.clients.forget()
    event = way.event()
    way.clients.receive(len(way.clients))
    done = time.perf_counter()
    way.clients.verify(1, event.marker)
    began, announced = event.moments()
    return Times(done - began, done - announced)


def idle_share(way: Way) -> float:
    """The share of a core that the server uses while nothing happens."""
    used = cpu_seconds(way.pid)
    way.clients.reader.idle(IDLE_SECONDS)
    return (cpu_seconds(way.pid) - used) / IDLE_SECONDS


@dataclass(frozen=True)
class Part:
    """A part of a series: seconds of CPU and of time, frames counted, bytes received."""

    cpu: float
    seconds: float
    deliveries: int
    bytes: int


def series(way: Way, seconds: float) -> Part:
    """Events as fast as the sockets get them, each in a frame of its own, after some that
    are not measured."""
    until = time.perf_counter() + WARMING_SECONDS
    for _ in range(WARMING_EVENTS):
        isolated(way)
        if time.perf_counter() > until:
            break
    clients = way.clients
    clients.forget()
    cpu, began = cpu_seconds(way.pid), time.perf_counter()
    sent: int = 0
    event: Event | None = None
    while time.perf_counter() - began < seconds:
        if way.ahead:
            clients.receive((sent - way.ahead) * len(clients))
        elif sent:
            clients.receive((sent - 1) * len(clients) + 1)
        if event:
            event.moments()
        event, sent = way.event(), sent + 1
    assert event is not None
    event.moments()
    clients.receive(sent * len(clients))
    clients.verify(sent, event.marker)
    took = time.perf_counter() - began
    return Part(cpu_seconds(way.pid) - cpu, took, clients.count, clients.bytes)


def summary(way: Way, times: Sequence[Times], parts: Sequence[Part], idle: float) -> Result:
    """The figures of one way."""
    deliveries = sum(part.deliveries for part in parts)
    return Result(
        last_ms=statistics.median(t.announced for t in times) * 1e3,
        last_whole_ms=statistics.median(t.whole for t in times) * 1e3,
        slowest_ms=max(t.announced for t in times) * 1e3,
        cpu_us=statistics.median(part.cpu / part.deliveries for part in parts) * 1e6,
        bytes=sum(part.bytes for part in parts) / deliveries,
        deliveries=deliveries,
        parts=len(parts),
        busy_percent=sum(part.cpu for part in parts) / sum(part.seconds for part in parts) * 100,
        idle_percent=idle * 100,
        page_kb=way.page_bytes / 1024,
    )


def page_times(port: int, path: str, cookie: str, repeats: int) -> Sequence[float]:
    """How long a page takes over one kept connection, in seconds."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        connection.request("GET", path, headers={"Cookie": cookie})
        answer = connection.getresponse()
        answer.read()
        times.append(time.perf_counter() - began)
        if answer.status != http.client.OK:
            raise Failed(f"{path} answered {answer.status}.")
    connection.close()
    return times
