"""The bus: what is announced arrives, and what is lost is noticed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial
from typing import Any

import pytest
from channels.layers import InMemoryChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer
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
    """A layer that can be down, hang, or swallow messages."""

    down = False
    hangs = False
    hung = 0
    swallow = False
    refused = 0

    def __init__(self) -> None:
        super().__init__()
        #: What it has taken, without pings.
        self.taken: list[list[str]] = []

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        if self.down:
            self.refused += 1
            raise ConnectionError("down on purpose")
        if self.hangs:
            self.hung += 1
            await asyncio.Event().wait()
        if message["topics"]:  # maybe by the thread of an earlier test's relay
            self.taken.append(message["topics"])
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
    await until(lambda: layer.taken)
    assert layer.taken == [["t0", "t1", "t2", "t3", "t4"]]
    await stopped(jobs)


async def test_another_process_hears_it_by_the_layer_and_the_own_one_once(layer: Flaky) -> None:
    """What comes back to where it was announced is a sign of life and nothing else."""
    here, there = Heard(), Heard()
    one, jobs = await started(here)
    _, others = await started(there)
    await until(lambda: len(layer.groups.get(bus.GROUP, ())) == 2)
    one.announce(["a"])
    one.announce(["b"])
    await until(lambda: there.topics == ["a", "b"])
    one.announce(["c"])
    await until(lambda: there.topics == ["a", "b", "c"])
    assert here.topics == ["a", "b", "c"]
    await stopped([*jobs, *others])


async def test_the_own_pages_do_not_wait_for_a_layer_that_hangs(
    layer: Flaky, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They hear of it at once; the others when it takes messages again, all of them."""
    settings.LIVE = {"bus_send_seconds": 0.05}
    monkeypatch.setattr(bus, "RETRY_SECONDS", 0.01)
    here, there = Heard(), Heard()
    one, jobs = await started(here)
    _, others = await started(there)
    await until(lambda: len(layer.groups.get(bus.GROUP, ())) == 2)
    layer.hangs = True
    one.announce(["first"])
    await until(lambda: here.topics == ["first"])
    one.announce(["second"])
    await until(lambda: here.topics == ["first", "second"])
    assert there.topics == []
    layer.hangs = False
    await until(lambda: set(there.topics) == {"first", "second"})
    assert there.gaps == 0
    await stopped([*jobs, *others])


class SilentRedis:
    """A Redis that takes a command of its first connection and does not answer, as one
    does whose machine has vanished; later connections find another that does."""

    def __init__(self) -> None:
        self.published: list[int] = []
        self.connections = 0
        self.server: asyncio.Server | None = None

    async def start(self) -> int:
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        port: int = self.server.sockets[0].getsockname()[1]
        return port

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        while head := await reader.readline():
            words = []
            for _ in range(int(head[1:])):
                size = int((await reader.readline())[1:])
                words.append((await reader.readexactly(size + 2))[:-2])
            if words[0] != b"PUBLISH":
                writer.write(b"%0\r\n" if words[0] == b"HELLO" else b"+OK\r\n")
            elif number > 1:
                self.published.append(number)
                writer.write(b":1\r\n")
        writer.close()


async def test_a_redis_that_vanishes_costs_one_connection(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """channels_redis' lock is free again, and what was half used is not used again: an
    answer that came late would be taken for another's."""
    settings.LIVE = {"bus_send_seconds": 0.2}
    redis = SilentRedis()
    host = f"redis://127.0.0.1:{await redis.start()}"
    layer = RedisPubSubChannelLayer(hosts=[{"address": host, "socket_timeout": None}])
    monkeypatch.setattr(bus, "get_channel_layer", lambda: layer)
    message = Outbox().message(["a"])
    with pytest.raises(TimeoutError):
        await bus.publish(message)
    await bus.publish(message)
    await bus.publish(message)
    assert redis.published == [2, 2]
    await layer.flush()
    assert redis.server
    redis.server.close()


async def test_what_could_not_be_sent_is_sent_later(
    layer: Flaky, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the layer is down nothing is forgotten, and nothing raises."""
    monkeypatch.setattr(bus, "RETRY_SECONDS", 0.01)
    heard = Heard()
    layer.down = True
    one, jobs = await started(heard)
    one.announce(["kept"])
    await until(lambda: layer.refused > 1)
    assert heard.topics == ["kept"]
    assert not layer.taken
    layer.down = False
    await until(lambda: layer.taken == [["kept"]])
    await stopped(jobs)


async def test_what_was_announced_last_is_said_at_the_end(layer: Flaky) -> None:
    """Who stops speaks once more, if there is something left; but not for long."""
    one = Bus(lambda topics: None, lambda: None)
    one.announce(["last"])
    await asyncio.sleep(0)
    await one.flush()
    await one.flush()
    assert layer.taken == [["last"]]


async def test_a_message_whose_sending_is_cancelled_is_kept(layer: Flaky) -> None:
    """It may have arrived or not: it is said again, under the same number."""
    layer.hangs = True
    one, jobs = await started(Heard())
    one.announce(["a"])
    await until(lambda: layer.hung)
    assert not one._outbox.topics
    await stopped(jobs)
    layer.hangs = False
    await one.flush()
    assert layer.taken == [["a"]]
    assert one._outbox.sequence == 1


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
    await until(lambda: one._outbox.topics)
    gate.set()
    await until(lambda: len(sent) == 2)
    assert sent == [["a"], ["a"]]
    await stopped(jobs)


async def test_a_swallowed_message_is_noticed_by_the_next(layer: Flaky) -> None:
    """A hole in the numbers makes everything dirty."""
    heard = Heard()
    one, jobs = await started(heard)
    one.announce(["first"])
    await until(lambda: one._outbox.sequence == 1)
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
