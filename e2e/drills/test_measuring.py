"""That the drills measure what they say: a fault of the server fails them, a moment in
which the machine had no time for them does not, and neither hides the other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import pytest

from e2e.drills.crowd import ENOUGH, Crowd, Span, Visitor, Waits, _ping
from e2e.services import eventually


def waits(absences: list[Span]) -> Waits:
    """Enough of them, of 10 ms each and one second apart; began long ago."""
    now = time.monotonic()
    starts = [now - 2 * ENOUGH + number for number in range(ENOUGH)]
    answers = [(start, start + 0.01) for start in starts]
    moved = [(now - 2 * ENOUGH + start, now - 2 * ENOUGH + end) for start, end in absences]
    return Waits(answers, moved, began=now - 2 * ENOUGH)


def slow(made: Waits, *numbers: int) -> Waits:
    """Of these, each takes 600 ms."""
    for number in numbers:
        start, _ = made.answers[number]
        made.answers[number] = (start, start + 0.6)
    return made


def test_a_slow_server_shows_whatever_else_was_late() -> None:
    """A hiccup of ours in another moment excuses nothing; one of 500 ms within a wait
    excuses 500 ms of just that."""
    assert waits([]).p99() == pytest.approx(0.01)
    assert slow(waits([(50.0, 50.5)]), 5, 6, 7).p99() == pytest.approx(0.6)
    assert slow(waits([(5.05, 5.55), (6.05, 6.55), (7.05, 7.55)]), 5, 6, 7).p99() < 0.101


def test_too_little_to_judge_by_is_a_failure() -> None:
    """Too few waits, or a machine that had no time for us for most of it."""
    few = waits([])
    few.answers = few.answers[1:]
    with pytest.raises(AssertionError, match="too few"):
        few.p99()
    with pytest.raises(AssertionError, match="too busy"):
        waits([(0.0, 1.5 * ENOUGH)]).p99()


def test_who_cannot_ask_any_more_fails_the_drill(crowd: Crowd) -> None:
    """A socket that is closed meanwhile ends the asking, and that is told."""
    visitors = crowd.enter(2)
    crowd.connect(visitors)
    with pytest.raises(AssertionError, match="nobody asks any more"):
        leave_while_asked(crowd, visitors)


def leave_while_asked(crowd: Crowd, visitors: Sequence[Visitor]) -> None:
    """As soon as they are asked, they close their pages."""
    with crowd.pinging(visitors) as waits:
        eventually(lambda: waits.answers, "they are asked")
        crowd.leave(visitors)
        eventually(lambda: not is_asking(crowd), "the asking has ended")


def is_asking(crowd: Crowd) -> bool:
    """Is the task there that asks for signs of life?"""
    names = {getattr(task.get_coro(), "__name__", "") for task in asyncio.all_tasks(crowd.loop)}
    return _ping.__name__ in names
