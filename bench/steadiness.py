"""Whether the machine goes on evenly: what any delay on it is measured against.

A virtual machine whose host is busy, or rations it, stands nearly still now and then. No
clock of its own says so: what runs just seems to take longer.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from .machine import cores

#: Some half a millisecond of counting.
STEPS = 20_000
#: What takes so many times the median is held up.
SLOW = 2.0
#: Moments apart by less than this are one pause.
APART_SECONDS = 0.02


@dataclass(frozen=True)
class Pauses:
    """How counting was held up.

    Attributes:
        seconds: how long it was looked at.
        share: of the time, on the core where that was more.
        longest_ms: from the beginning of a pause to its end.
    """

    seconds: float
    share: float
    longest_ms: float


def pauses(seconds: float) -> Pauses:
    """Count on the server's core and on the client's at once, as a measurement keeps both
    busy, and see how evenly that goes.

    Args:
        seconds: how long.
    """
    both = set(cores())
    spawning = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(len(both), spawning) as processes:
        list(processes.map(time.sleep, [0.1] * len(both)))  # they have started
        found = [held_up(taken) for taken in processes.map(counted, both, [seconds] * len(both))]
    worst = (max(one.share for one in found), max(one.longest_ms for one in found))
    return Pauses(seconds, *worst)


def counted(core: int, seconds: float) -> list[tuple[float, float]]:
    """When each round of counting began, and how long it took."""
    os.sched_setaffinity(0, {core})
    rounds = []
    began = time.perf_counter()
    while (at := time.perf_counter()) - began < seconds:
        total = 0
        for number in range(STEPS):
            total += number
        rounds.append((at - began, time.perf_counter() - at))
    return rounds


def held_up(rounds: Sequence[tuple[float, float]]) -> Pauses:
    """What rounds of counting say of pauses."""
    usual = statistics.median(took for _, took in rounds)
    slow = [(at, at + took) for at, took in rounds if took > SLOW * usual]
    spans: list[list[float]] = []
    for begin, end in slow:
        if spans and begin - spans[-1][1] < APART_SECONDS:
            spans[-1][1] = end
        else:
            spans.append([begin, end])
    seconds = sum(took for _, took in rounds)
    longest = max((end - begin for begin, end in spans), default=0.0)
    return Pauses(seconds, sum(end - begin for begin, end in slow) / seconds, longest * 1e3)
