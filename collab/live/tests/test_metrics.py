"""What a process counts, and what is told of it."""

from __future__ import annotations

import pytest

from collab.live.metrics import BUCKETS, COUNTERS, Histogram, Meter, quantile


def test_a_snapshot_has_every_counter_and_how_fast_it_grows() -> None:
    """Also those that never counted: a series that appears late has no rate."""
    meter = Meter()
    meter.count("events", 3)
    meter.count("autosaves")
    first = meter.snapshot(sockets=2)
    assert set(first["counters"]) == {*COUNTERS, "autosaves"}
    assert first["counters"]["events"] == 3
    assert first["rates"]["events"] > 0
    assert first["gauges"] == {"sockets": 2}
    second = meter.snapshot()
    assert second["counters"]["events"] == 3
    assert second["rates"]["events"] == 0


def test_a_flush_falls_into_the_bucket_that_holds_it() -> None:
    """Bounds are inclusive, as Prometheus has them; the last has no bound."""
    meter = Meter()
    for seconds in (0.0005, 0.001, 0.002, 100.0):
        meter.flushed(seconds)
    flush = meter.snapshot()["flush"]
    assert flush["counts"] == [2, 1, *[0] * (len(BUCKETS) - 2), 1]
    assert flush["sum"] == pytest.approx(100.0035)


def test_a_quantile_is_the_bound_below_which_that_part_lies() -> None:
    """Of ninety-nine fast ones and a slow one, half are fast, all but one too."""
    counts = [99, *[0] * (len(BUCKETS) - 1), 1]
    histogram = Histogram(counts=counts, sum=1.0)
    assert quantile(histogram, 0.5) == BUCKETS[0]
    assert quantile(histogram, 0.99) == BUCKETS[0]
    assert quantile(histogram, 1.0) == float("inf")
    assert quantile(Histogram(counts=[0] * len(counts), sum=0.0), 0.5) is None
