"""The arithmetic of ``docs/scaling.md``."""

from __future__ import annotations

import random

import pytest

from bench import scaling
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
