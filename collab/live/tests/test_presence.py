"""Presence: rows that are right whatever happens to pages and processes."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError
from django.db.models.functions import Now
from django.dispatch import Signal
from pytest_django import Settings

from collab.live import db, presence, signals
from collab.live.checks import channel_layer, origins
from collab.live.conf import conf
from collab.live.models import Connection, Node, ago
from collab.live.presence import Page, Presence, sweep
from collab.live.testing import announced
from collab.models import Person

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def told(signal: Signal) -> Iterator[list[Page]]:
    """The pages that the engine sends with a signal."""
    pages: list[Page] = []

    def note(**kwargs: Any) -> None:
        pages.extend(kwargs["pages"])

    signal.connect(note, weak=False)
    yield pages
    signal.disconnect(note)


@pytest.fixture
def left() -> Iterator[list[Page]]:
    """The pages the engine said were gone for good."""
    with told(signals.left) as pages:
        yield pages


async def running() -> Presence:
    one = Presence()
    await one.register()
    return one


def live_pages() -> set[str]:
    return set(Connection.objects.live().values_list("page", flat=True))


alive = sync_to_async(live_pages)


async def age(**by: float) -> None:
    """Let time pass: the rows become older, for the database's clock."""
    past = timedelta(**by)

    def shift() -> None:
        for row in Connection.objects.exclude(left_at=None):
            Connection.objects.filter(pk=row.pk).update(left_at=row.left_at - past)  # type: ignore[operator]

    await sync_to_async(shift)()


async def test_a_page_that_joins_is_here(leela: Person) -> None:
    """A join is written with the next batch."""
    here = await running()
    here.join(Page("a", leela.pk, "document:7", "reading"))
    await here.flush()
    assert await alive() == {"a"}
    db.shutdown()


async def test_a_page_that_left_counts_for_the_grace(leela: Person, left: list[Page]) -> None:
    """A reload does not flicker: the page is gone only after five seconds."""
    here = await running()
    serial = here.join(Page("a", leela.pk))
    await here.flush()
    here.leave(serial)
    await here.flush()
    await sync_to_async(sweep)()
    assert await alive() == {"a"}
    await age(seconds=4.5)
    assert await alive() == {"a"}
    await age(seconds=0.6)
    assert await alive() == set()
    with announced() as topics:
        await sync_to_async(sweep)()
    assert topics == {presence.EVERYBODY}
    assert [page.id for page in left] == ["a"]
    db.shutdown()


async def test_a_page_that_comes_back_in_time_never_left(leela: Person, left: list[Page]) -> None:
    """The same page on a new socket, even when the old goodbye comes late."""
    here = await running()
    first = here.join(Page("a", leela.pk))
    await here.flush()
    here.join(Page("a", leela.pk))
    await here.flush()
    here.leave(first)
    await here.flush()
    await age(seconds=60)
    await sync_to_async(sweep)()
    assert await alive() == {"a"}
    assert left == []
    db.shutdown()


async def test_a_lost_page_leaves_without_its_claim(leela: Person, left: list[Page]) -> None:
    """It may be open still, and believe in its claim; who says goodbye has given it up."""
    here = await running()
    closed, lost = (Page(name, leela.pk, "document:7", "editing", "3") for name in "ab")
    serials = here.join(closed), here.join(lost)
    await here.flush()
    here.leave(serials[0])
    here.lose(serials[1])
    await here.flush()
    assert await alive() == {"a", "b"}
    await age(seconds=5.1)
    await sync_to_async(sweep)()
    assert left == [closed, replace(lost, claim="")]
    db.shutdown()


async def test_a_lost_page_that_returns_has_its_claim(leela: Person, left: list[Page]) -> None:
    """The product hears of it; a page that is new joins instead."""
    here = await running()
    page = Page("a", leela.pk, "document:7", "editing", "3")
    with told(signals.joined) as joined, told(signals.returned) as returned:
        here.lose(here.join(page))
        await here.flush()
        assert (joined, returned) == ([], [])
        serial = here.join(page)
        await here.flush()
        assert (joined, returned) == ([page], [])
        here.lose(serial)
        await here.flush()
        here.join(page)
        await here.flush()
        assert (joined, returned) == ([page], [page])
    assert await Connection.objects.filter(page="a", claim="3", left_at=None).aexists()
    assert left == []
    db.shutdown()


async def test_a_dead_process_takes_its_pages_with_it(
    leela: Person, left: list[Page], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One overdue heartbeat ends all connections of that process."""
    here = await running()
    monkeypatch.setattr("collab.live.bus.is_in_memory", lambda: False)
    monkeypatch.setattr("collab.live.presence.os.getpid", os.getppid)
    dead = await running()
    here.join(Page("a", leela.pk))
    dead.join(Page("b", leela.pk, "document:7", "editing", "3"))
    await here.flush()
    await dead.flush()
    assert dead._node
    overdue = Node.objects.filter(pk=dead._node.pk)
    await overdue.aupdate(seen_at=Now() - timedelta(seconds=6.5))
    assert await alive() == {"a"}
    with announced() as topics:
        await sync_to_async(sweep)()
    assert topics == {presence.EVERYBODY, "presence:document:7"}
    assert left == [Page("b", leela.pk, "document:7", "editing")]
    assert await Node.objects.acount() == 1
    db.shutdown()


async def test_a_process_taken_for_dead_comes_back_with_all_its_pages(leela: Person) -> None:
    """A stalled process finds itself swept, and enters anew."""
    here = await running()
    here.join(Page("a", leela.pk))
    await here.flush()
    await Node.objects.aupdate(seen_at=ago(60))
    await sync_to_async(sweep)()
    assert await alive() == set()
    await here.beat()
    assert await alive() == {"a"}
    db.shutdown()


async def test_a_living_process_says_so_while_everything_else_waits(
    leela: Person, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regions and permissions in all the engine's threads, presence's own writing and
    its sweep: the heartbeat has a thread all the same."""
    settings.LIVE = {"presence_batch_seconds": 0.0, "sweep_seconds": 0.0}
    here = await running()
    await Node.objects.aupdate(seen_at=ago(60))
    gate = threading.Event()
    monkeypatch.setattr(presence, "_write", lambda *args: gate.wait(10))
    monkeypatch.setattr(presence, "sweep", lambda own: gate.wait(10))
    here.join(Page("a", leela.pk))
    waiting = [asyncio.create_task(db.run(gate.wait, 10)) for _ in range(conf().threads * 2)]
    waiting += [asyncio.create_task(job()) for job in (here.flush, here.sweep)]  # type: ignore[arg-type]
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await here.beat()
    assert await Node.objects.live().acount() == 1
    gate.set()
    await asyncio.gather(*waiting)
    db.shutdown()


async def test_a_process_whose_heartbeat_is_late_does_not_bury_itself(
    leela: Person, left: list[Page], settings: Settings
) -> None:
    """A database that kept the heartbeat waiting may answer the sweep first."""
    settings.LIVE = {"sweep_seconds": 0.0}
    here = await running()
    here.join(Page("a", leela.pk))
    await here.flush()
    await Node.objects.aupdate(seen_at=ago(60))
    await here.sweep()
    with told(signals.joined) as joined:
        await here.beat()
    assert await alive() == {"a"}
    assert (joined, left) == ([], [])
    db.shutdown()


async def test_a_join_of_a_swept_process_is_not_lost(leela: Person) -> None:
    """Even before its next heartbeat."""
    here = await running()
    await Node.objects.all().adelete()
    here.join(Page("a", leela.pk))
    await here.flush()
    assert await alive() == {"a"}
    db.shutdown()


async def test_nothing_is_forgotten_while_the_database_is_away(
    leela: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Joins and leaves of a failed batch are written with the next."""
    here = await running()
    first = here.join(Page("a", leela.pk))
    await here.flush()

    def fail(*args: object) -> None:
        raise OperationalError("away on purpose")

    here.leave(first)
    here.join(Page("b", leela.pk))
    with monkeypatch.context() as broken:
        broken.setattr("collab.live.presence._write", fail)
        with pytest.raises(OperationalError):
            await here.flush()
    here.join(Page("c", leela.pk))
    await here.flush()
    await age(seconds=60)
    assert await alive() == {"b", "c"}
    db.shutdown()


async def test_a_person_who_is_no_more_does_not_hinder_the_others(leela: Person) -> None:
    """A join of a deleted account is left out; the rest of its batch is written."""
    here = await running()
    here.join(Page("a", 4711))
    here.join(Page("b", leela.pk))
    await here.flush()
    assert await alive() == {"b"}
    db.shutdown()


async def test_a_heartbeat_carries_the_pages_of_the_process(leela: Person) -> None:
    """The product renews what these pages hold."""
    here = await running()
    here.join(Page("a", leela.pk, "document:7", "editing", "3"))
    with told(signals.heartbeat) as heard:
        await here.beat()
    assert heard == [Page("a", leela.pk, "document:7", "editing", "3")]
    db.shutdown()


async def test_a_listener_that_raises_does_not_stop_the_engine(
    leela: Person, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged by name."""

    def broken(**kwargs: Any) -> None:
        raise RuntimeError("broken on purpose")

    signals.joined.connect(broken)
    here = await running()
    here.join(Page("a", leela.pk))
    try:
        await here.flush()
    finally:  # the log holds on to it, so it would not go by itself
        signals.joined.disconnect(broken)
    assert "broken on purpose" in caplog.text
    db.shutdown()


async def test_in_memory_a_second_process_is_refused(
    leela: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes that cannot reach each other would show different worlds."""
    monkeypatch.setattr("collab.live.bus.is_in_memory", lambda: True)
    await Node.objects.acreate(boot="other", host="elsewhere", pid=1)
    with pytest.raises(ImproperlyConfigured, match="REDIS_URL"):
        await Presence().register()
    db.shutdown()


async def test_a_restart_adopts_the_pages_of_the_process_before(
    leela: Person, left: list[Page], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After kill -9 and a restart pages have time to come back: none leaves, none
    joins anew. Those that do not come back are gone after that."""
    monkeypatch.setattr("collab.live.presence._is_running", lambda pid: False)
    before = await running()
    pages = [Page(name, leela.pk, "document:7", "editing", "3") for name in "ab"]
    for page in pages:
        before.join(page)
    await before.flush()
    with told(signals.joined) as joined, told(signals.returned) as returned:
        after = await running()
        assert await Node.objects.acount() == 1
        assert await alive() == {"a", "b"}
        after.join(pages[0])
        await after.flush()
        await age(seconds=presence.RECONNECT_SECONDS + 5.1)
        await sync_to_async(sweep)()
    assert await alive() == {"a"}
    assert (joined, returned, left) == ([], [pages[0]], [replace(pages[1], claim="")])
    db.shutdown()


async def another_container(**silent: float) -> Node:
    """A process of the same name and number that has another machine's numbers."""
    there = {"boot": "x" * 32, "host": socket.gethostname(), "pid": os.getpid()}
    return await Node.objects.acreate(**there, seen_at=ago(silent.get("seconds", 0)))


async def test_containers_of_one_name_leave_each_other_their_pages(
    leela: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All may be process 1 of a host that is called the same: who beats, lives."""
    monkeypatch.setattr("collab.live.bus.is_in_memory", lambda: False)
    other = await another_container()
    await Connection.objects.acreate(node=other, page="a", user=leela)
    await running()
    assert await Node.objects.acount() == 2
    assert await Connection.objects.filter(page="a", node=other, left_at=None).aexists()
    db.shutdown()


async def test_a_container_that_is_silent_is_taken_over(leela: Person) -> None:
    """As after it was started anew: its number says nothing."""
    other = await another_container(seconds=conf().heartbeat_seconds * 2)
    await Connection.objects.acreate(node=other, page="a", user=leela)
    after = await running()
    assert await Node.objects.acount() == 1
    assert await Connection.objects.filter(page="a", node=after._node).aexists()
    db.shutdown()


async def test_who_has_said_goodbye_is_taken_over_at_once(
    leela: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the next one runs, under the same name."""
    before = await running()
    before.join(Page("a", leela.pk))
    await before.flush()
    await before.unregister()
    monkeypatch.setattr(presence, "_machine", lambda: "another")
    await running()
    assert await Node.objects.acount() == 1
    assert await alive() == {"a"}
    db.shutdown()


async def test_a_page_that_was_swapped_at_once_leaves_no_ghost(leela: Person) -> None:
    """Joined and moved on within one batch: it was never there."""
    here = await running()
    here.dismiss(here.join(Page("a", leela.pk)))
    here.join(Page("b", leela.pk))
    await here.flush()
    assert await alive() == {"b"}
    db.shutdown()


def test_the_check_refuses_the_in_memory_layer_for_several_processes(settings: Settings) -> None:
    """E002, at start."""
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    assert channel_layer() == []
    settings.LIVE = {"processes": 2}
    assert [message.id for message in channel_layer()] == ["live.E002"]


def test_the_check_warns_of_a_layer_that_drops_bursts(settings: Settings) -> None:
    """W001, for channels_redis.core."""
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels_redis.core.RedisChannelLayer"}}
    assert [message.id for message in channel_layer()] == ["live.W001"]
    settings.CHANNEL_LAYERS = {}
    assert [message.id for message in channel_layer()] == ["live.E001"]


@pytest.mark.parametrize(
    "allowed",
    [
        *([], ["*"], ["example.com"], ["https://*.example.com"], ["https://example.com/"]),
        *(["https://example.com:443"], ["http://example.com:80"], ["http://EXAMPLE.com"]),
    ],
)
def test_the_check_wants_exact_origins(settings: Settings, allowed: list[str]) -> None:
    """E003: sockets carry cookies but no CSRF token."""
    assert origins() == []
    settings.LIVE_ORIGINS = allowed
    assert [message.id for message in origins()] == ["live.E003"]
