"""What a server process has done since it started, in numbers.

Each process counts for itself and writes a snapshot into its :class:`.models.Node`
with every heartbeat. So any process can tell about all of them, behind whatever
proxy, and a reader (Prometheus, the status page) needs no way to each.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from typing import TypedDict

#: Upper bounds of the histogram's buckets, in seconds; the last has none.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

#: What the engine counts, and what it means.
COUNTERS = {
    "events": "Topics announced as changed that reached this process",
    "coalesced": "Changes of regions that were waiting to be rendered already",
    "renders": "Renderings of regions, variants counted singly",
    "deliveries": "Frames written to sockets",
    "compressed": "Frames written to sockets that were compressed once for many",
    "bytes": "Bytes written to sockets, before compression by proxies",
    "cut_slow": "Clients cut because they did not read",
    "cut_flood": "Clients cut because they sent faster than they could be read",
    "refused_origin": "Handshakes refused because of the page's origin",
    "refused_malformed": "Sockets closed because they sent no resume, or too old a one (4400)",
    "refused_signed_out": "Sockets closed because nobody is signed in there any more (4401, 4423)",
    "refused_forbidden": "Sockets closed because their person may not see the page (4403)",
    "resumes": "Pages that connected or came back",
    "stale": "Regions that were out of date when their page resumed",
}
#: Counters of clients that misbehaved and lost their connection.
CUTS = ("cut_slow", "cut_flood")


class Histogram(TypedDict):
    """How long something took: counts by bucket, their sum in seconds."""

    counts: list[int]
    sum: float


class Snapshot(TypedDict):
    """A process's numbers at one moment."""

    counters: dict[str, int]
    gauges: dict[str, float]
    flush: Histogram
    #: Counters per second since the snapshot before.
    rates: dict[str, float]


class Meter:
    """Counts; in the event loop, or from threads where one lost count in a
    million does no harm."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._flush = [0] * (len(BUCKETS) + 1)
        self._flush_sum = 0.0
        self._before: Counter[str] = Counter()
        self._before_at = time.monotonic()

    def count(self, name: str, by: int = 1) -> None:
        """Add to a counter: one of :data:`COUNTERS`, or one of the product's."""
        self.counts[name] += by

    def flushed(self, seconds: float) -> None:
        """From the first event that a job served, of all regions of a name that were
        rendered together, to the last byte of what was sent with them."""
        self._flush[bisect_left(BUCKETS, seconds)] += 1
        self._flush_sum += seconds

    def snapshot(self, **gauges: float) -> Snapshot:
        """The numbers now, ready to be stored as JSON."""
        now = time.monotonic()
        elapsed = max(now - self._before_at, 1e-3)
        rates = {
            name: round((count - self._before[name]) / elapsed, 2)
            for name, count in self.counts.items()
        }
        self._before, self._before_at = self.counts.copy(), now
        return Snapshot(
            counters={name: self.counts[name] for name in {**COUNTERS, **self.counts}},
            gauges=dict(gauges),
            flush=Histogram(counts=list(self._flush), sum=round(self._flush_sum, 6)),
            rates=rates,
        )


#: This process's.
meter = Meter()


def quantile(histogram: Histogram, part: float) -> float | None:
    """The bucket bound below which that part of all lies; None without any, and
    infinity in the last bucket.

    Args:
        part: between 0 and 1, such as 0.99.
    """
    total = sum(histogram["counts"])
    if not total:
        return None
    reached = 0
    for bound, count in zip((*BUCKETS, float("inf")), histogram["counts"], strict=True):
        reached += count
        if reached >= part * total:
            return bound
    raise AssertionError("the parts are less than the whole")
