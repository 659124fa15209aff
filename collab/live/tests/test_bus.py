"""The bus: what is announced arrives, and what is lost is noticed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial
from typing import Any

import pytest
from channels.layers import InMemoryChannelLayer
from django.db import transaction
from django.db.models.signals import post_delete, post_save
from pytest_django import Settings

from collab.live import bus
from collab.live.bus import Bus, Inbox, Outbox, Relay
from collab.live.testing import announced
from collab.live.topics import bind, changed
from collab.models import Reading


def test_an_inbox_notices_a_hole() -> None:
    """A missing number means a lost message; a repeated one means nothing."""
    inbox = Inbox()
    assert not inbox.misses("a", 1)
    assert not inbox.misses("a", 2)
    assert not inbox.misses("a", 2)
    assert inbox.misses("a", 4)
    assert not inbox.misses("a", 5)


def test_an_inbox_mistrusts_a_publisher_it_has_not_heard_from_the_start() -> None:
    """Somebody's first message heard is not their first: something was missed."""
    assert Inbox().misses("late", 7)


def test_a_message_counts_only_when_it_was_sent() -> None:
    """A try that failed keeps its number, so it leaves no hole."""
    outbox = Outbox()
    assert outbox.message([])["sequence"] == outbox.message([])["sequence"] == 1
    outbox.sent()
    assert outbox.message([])["sequence"] == 2


class Flaky(InMemoryChannelLayer):  # type: ignore[misc]
    """A layer that can be down, or swallow messages."""

    down = False
    swallow = False

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        if self.down:
            raise ConnectionError("down on purpose")
        if not self.swallow:
            await super().group_send(group, message)


class Heard:
    def __init__(self) -> None:
        self.topics: list[str] = []
        self.gaps = 0

    def on_topics(self, topics: Iterable[str]) -> None:
        self.topics.extend(topics)

    def on_gap(self) -> None:
        self.gaps += 1


async def until(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.fixture
def layer(monkeypatch: pytest.MonkeyPatch) -> Flaky:
    flaky = Flaky()
    monkeypatch.setattr(bus, "get_channel_layer", lambda: flaky)
    return flaky


async def started(heard: Heard) -> tuple[Bus, list[asyncio.Task[None]]]:
    one = Bus(heard.on_topics, heard.on_gap)
    jobs = [asyncio.create_task(job()) for job in (one.listen, one.speak, one.watch)]
    await asyncio.sleep(0)
    return one, jobs


async def stopped(jobs: list[asyncio.Task[None]]) -> None:
    for job in jobs:
        job.cancel()
    await asyncio.gather(*jobs, return_exceptions=True)


async def test_what_is_announced_together_is_one_message(layer: Flaky) -> None:
    """Coalesced: many announcements between two turns of the loop, one message."""
    heard = Heard()
    one, jobs = await started(heard)
    for number in range(50):
        one.announce([f"t{number % 5}"])
    await until(lambda: heard.topics)
    assert sorted(heard.topics) == ["t0", "t1", "t2", "t3", "t4"]
    await stopped(jobs)


async def test_what_could_not_be_sent_is_sent_later(
    layer: Flaky, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the layer is down nothing is forgotten, and nothing raises."""
    monkeypatch.setattr(bus, "RETRY_SECONDS", 0.01)
    heard = Heard()
    layer.down = True
    one, jobs = await started(heard)
    one.announce(["kept"])
    await asyncio.sleep(0.05)
    assert not heard.topics
    layer.down = False
    await until(lambda: "kept" in heard.topics)
    await stopped(jobs)


async def test_what_is_announced_again_while_it_is_sent_is_sent_again(
    layer: Flaky, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second event may be of a later state: it must not be swallowed."""
    sent: list[list[str]] = []
    gate = asyncio.Event()

    async def slowly(group: str, message: dict[str, Any]) -> None:
        if message["topics"]:  # not a ping, maybe by the thread of an earlier test's relay
            sent.append(message["topics"])
            await gate.wait()

    monkeypatch.setattr(layer, "group_send", slowly)
    heard = Heard()
    one, jobs = await started(heard)
    one.announce(["a"])
    await until(lambda: sent)
    one.announce(["a"])
    await asyncio.sleep(0.01)
    gate.set()
    await until(lambda: len(sent) == 2)
    assert sent == [["a"], ["a"]]
    await stopped(jobs)


async def test_a_swallowed_message_is_noticed_by_the_next(layer: Flaky) -> None:
    """A hole in the numbers makes everything dirty."""
    heard = Heard()
    one, jobs = await started(heard)
    one.announce(["first"])
    await until(lambda: heard.topics)
    layer.swallow = True
    one.announce(["lost"])
    await until(lambda: one._outbox.sequence == 2)
    layer.swallow = False
    assert heard.gaps == 0
    one.announce(["next"])
    await until(lambda: heard.gaps == 1)
    await stopped(jobs)


async def test_pings_that_stay_out_mean_a_gap(layer: Flaky, settings: Settings) -> None:
    """A layer that was silent for too long may have lost anything."""
    settings.LIVE = {"bus_ping_seconds": 0.02, "bus_timeout_seconds": 0.06}
    heard = Heard()
    layer.swallow = True
    one, jobs = await started(heard)
    await until(lambda: one._deaf)
    layer.swallow = False
    await until(lambda: heard.gaps >= 1)
    await stopped(jobs)


def test_a_relay_sends_from_a_process_without_a_loop(
    layer: Flaky, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A WSGI worker's announcement leaves by a thread of its own."""
    sent: list[list[str]] = []

    async def group_send(group: str, message: dict[str, Any]) -> None:
        sent.append(message["topics"])

    monkeypatch.setattr(layer, "group_send", group_send)
    relay = Relay()
    relay.announce(["a"])
    relay.flush()
    assert ["a"] in sent


@pytest.mark.django_db(transaction=True)
def test_events_leave_after_the_commit() -> None:
    """Nobody hears of what may still be rolled back."""
    with announced() as topics:
        with transaction.atomic():
            changed("x")
            assert not topics
        assert topics == {"x"}


@pytest.mark.django_db(transaction=True)
def test_a_rollback_takes_its_events_back() -> None:
    """A failed write is no event; nor is a savepoint that was rolled back."""
    with announced() as topics:
        with pytest.raises(RuntimeError), transaction.atomic():
            changed("x")
            raise RuntimeError
        with transaction.atomic():
            changed("kept")
            with pytest.raises(RuntimeError), transaction.atomic():
                changed("inner")
                raise RuntimeError
    assert topics == {"kept"}


@pytest.mark.django_db(transaction=True)
def test_a_bound_model_changes_its_topics(
    document: Any, fry: Any, request: pytest.FixtureRequest
) -> None:
    """Data binding: saving and deleting dirty the topic, after the commit."""
    bind(Reading, lambda reading: (f"reading:{reading.document_id}",))
    for signal in (post_save, post_delete):  # for this test only
        request.addfinalizer(
            partial(signal.disconnect, sender=Reading, dispatch_uid="live.bind.collab.Reading")
        )
    with announced() as topics:
        reading = Reading.objects.create(person=fry, document=document, version=1)
        assert topics == {f"reading:{document.pk}"}
        topics.clear()
        reading.delete()
        assert topics == {f"reading:{document.pk}"}


def test_announcing_never_raises(layer: Flaky) -> None:
    """A write does not fail because nobody could be told."""
    layer.down = True
    bus.announce(["x"])
