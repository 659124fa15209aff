"""Counting what is done, in one process or in many, and with the shared cache away."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pytest_django import Settings

from collab.live import rates

AWAY: dict[str, Any] = {
    "BACKEND": "django.core.cache.backends.redis.RedisCache",
    "LOCATION": "redis://127.0.0.1:1/0",  # nothing listens there
    "OPTIONS": {"socket_connect_timeout": 0.25},
}


class Clock:
    """The time, as :mod:`collab.live.rates` asks for it."""

    def __init__(self) -> None:
        self.now = 1_000_000 * 60.0

    def time(self) -> float:
        return self.now

    monotonic = time


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    stopped = Clock()
    monkeypatch.setattr(rates, "time", stopped)
    monkeypatch.setattr(rates, "_asked_again_at", 0.0)
    return stopped


def test_so_many_in_a_window_and_no_more(clock: Clock) -> None:
    """It says how long the window lasts; the next begins anew."""
    assert [rates.spend("act", "leela", 2) for _ in range(2)] == [0, 0]
    clock.now += 15
    assert rates.spend("act", "leela", 2) == 45
    clock.now += 44
    assert rates.spend("act", "leela", 2) == 1
    clock.now += 1
    assert rates.spend("act", "leela", 2) == 0


def test_each_counts_alone(clock: Clock) -> None:
    """Another person, another act; and nothing is a limit of none."""
    assert rates.spend("act", "leela", 1) == 0
    assert rates.spend("act", "leela", 1) == 60
    assert rates.spend("act", "fry", 1) == 0
    assert rates.spend("other", "leela", 1) == 0
    assert rates.spend("act", "leela", 0) == 0


def test_at_the_same_moment(clock: Clock) -> None:
    """Of many who come at once, exactly as many get through."""
    with ThreadPoolExecutor(16) as pool:
        waits = list(pool.map(lambda _: rates.spend("act", "leela", 25), range(200)))
    assert waits.count(0) == 25
    assert rates.refusals(["act", "never"]) == {"act": 175, "never": 0}


def test_what_is_shared_is_away(clock: Clock, settings: Settings, caplog: Any) -> None:
    """Nobody is kept from working: the process counts for itself, and asks again only
    after a while."""
    shared = settings.CACHES["limits"]
    assert rates.spend("act", "zoidberg", 2) == 0
    settings.CACHES = {**settings.CACHES, "limits": AWAY}
    who = f"away-{id(clock)}"
    assert [rates.spend("act", who, 2) for _ in range(3)] == [0, 0, 60]
    assert len([record for record in caplog.records if "for itself" in record.message]) == 1
    settings.CACHES = {**settings.CACHES, "limits": shared}
    assert rates.spend("act", who, 2) == 60, "not asked again yet"
    clock.now += rates.PAUSE_SECONDS
    assert rates.spend("act", "zoidberg", 2) == 0
    assert rates.spend("act", "zoidberg", 2) == 55, "what was counted before still counts"


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("", ""),
        ("nonsense", ""),
    ],
)
def test_whom_an_address_stands_for(address: str, counted: str) -> None:
    """Whoever has one address of an IPv6 network has all of them."""
    assert rates.network(address) == counted
