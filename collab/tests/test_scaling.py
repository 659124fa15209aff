"""The arithmetic of ``docs/scaling.md``."""

from __future__ import annotations

import random

import pytest

from bench import scaling, targets
from bench.scaling import DESIGNS, DOCUMENT, People, flushes, loads


def test_the_document_shows_the_measured_costs() -> None:
    """``python -m bench.scaling --write`` has been run since they were measured."""
    assert scaling.put(scaling.report(scaling.read(), People())) == DOCUMENT.read_text()


@pytest.mark.parametrize(("rate", "expected"), [(0.0, 0), (1.0, 1), (10_000.0, 50)])
def test_few_events_go_out_one_by_one_and_many_by_ticks(rate: float, expected: float) -> None:
    """As the hub does it."""
    assert flushes(rate, 0.02, random.Random(1)) == pytest.approx(expected, rel=0.5, abs=0.1)


def test_what_cannot_carry_says_so() -> None:
    """And each further design carries more."""
    costs = scaling.read()
    small = [loads(costs, design, 1_000, People()) for design in DESIGNS]
    assert [load.breaks for load in small] == [""] * len(DESIGNS)
    large = [loads(costs, design, 1_000_000, People()) for design in DESIGNS]
    assert "Redis" in large[0].breaks
    assert large[-1].breaks == ""
    assert [load.redis for load in large] == sorted((load.redis for load in large), reverse=True)


def test_only_a_pace_for_both_makes_news_for_everybody_cheap() -> None:
    """Toasts are a feed, which heeds no region's pace: the counter's alone leaves them."""
    costs = scaling.read()
    plain, counter, both = (loads(costs, design, 10_000, People()) for design in DESIGNS[:3])
    assert plain.bytes > counter.bytes > 10 * both.bytes


RESTART = {"pages": 10, "live_s": 1, "most_bytes": 0}
EDITORS = {"editors": 10, "cpu_percent": 1.0}


@pytest.mark.parametrize(
    ("runs", "told"),
    [
        (("a", "a"), "all rows from one call of `make bench`, from 2026-01-01 10:00 to 2026-"),
        (("a", "b"), "the times of their calls (UTC): restart 2026-01-01 10:00; editors 2026-01"),
    ],
)
def test_the_table_says_when_its_rows_were_measured(runs: tuple[str, str], told: str) -> None:
    """And when each was; only what one call has measured was measured in one go."""
    days = {"at": "2026-01-01T10:00:00"}, {"at": "2026-01-02T10:00:00"}
    restart = {**RESTART, **days[0], "load": [1.0], "run": runs[0]}
    editors = {**EDITORS, **days[1], "load": [2.0], "run": runs[1]}
    text = targets.written({"machine": ["a machine"], "restart": restart, "editors": editors})
    assert told in text
    assert "load average before each section 1.0 to 2.0" in text


@pytest.mark.parametrize(
    ("conventional", "bare", "ours", "is_kept"),
    [
        (250.0, 3.75, 6.0, True),  # as it was promised
        (250.0, 3.75, 6.5, False),  # not 40 times better, and 1.7 times bare
        (300.0, 4.0, 7.6, False),  # better by 39, where 75 would be possible
        (286.0, 5.7, 8.0, False),  # 36 times better, though 1.4 times bare
        (286.0, 5.7, 7.1, True),
        (300.0, 4.0, 6.5, False),  # better by 46, but 1.6 times bare and a little
    ],
)
def test_the_first_row_promises_both_ratios(
    conventional: float, bare: float, ours: float, is_kept: bool
) -> None:
    """On whatever machine: the one does not stand for the other."""
    figures = {"conventional": conventional, "limit": bare, "ours": ours}
    by_way = {way: {"cpu_us": us} for way, us in figures.items()}
    row = targets._compared({"sockets": {"10": by_way}}, "10", "cpu_us", "µs", "x", 6.0, 1.6, 40.0)
    assert row.is_kept is is_kept
    assert row.promise == "≥ 40 × conventional, ≤ 1.6 × bare"
