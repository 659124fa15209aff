"""The product's promises in time: what the settings say, and what follows from them."""

from __future__ import annotations

from datetime import datetime, timedelta
from unittest.mock import patch

import pytest
from django.db.models.functions import Now

from collab import listeners, timings
from collab.live.conf import LiveConf
from collab.live.presence import Page
from collab.live.regions import Region, get
from collab.models import Document, Person
from collab.operations import editing, trash

pytestmark = pytest.mark.django_db
rows = Document.objects
#: ``collab.timings``, in seconds (the trash in days).
PROMISED = {
    "LEASE_SECONDS": 30,
    "RENEW_SECONDS": 10,
    "ANSWER_SECONDS": 30,
    "IDLE_SECONDS": 600,
    "FLUSH_SECONDS": 2,
    "WATCH_SECONDS": 1,
    "TRASH_DAYS": 30,
}


@pytest.mark.parametrize(("name", "value"), PROMISED.items())
def test_the_product_keeps_to_what_is_promised(name: str, value: float) -> None:
    """These, and no shorter ones that a test has brought along."""
    assert getattr(timings, name) == value


def test_who_leaves_is_gone_in_time() -> None:
    """A page that says goodbye within 6 s, a process that is killed within 10 s: the most
    that may pass until somebody looks, and a look afterwards."""
    engine = LiveConf()
    assert engine.leave_grace_seconds == 5
    assert engine.leave_grace_seconds + engine.sweep_seconds <= 6
    dies = engine.node_timeout_seconds + engine.sweep_seconds + engine.heartbeat_seconds
    assert dies <= 10
    assert engine.feed_replay == 20


def ago(document: Document, **seconds: float) -> None:
    """Let a time of the lease lie so far in the past."""
    past = {name: Now() - timedelta(seconds=value) for name, value in seconds.items()}
    rows.filter(pk=document.pk).update(**past)


@pytest.fixture
def fence(document: Document, fry: Person) -> int:
    """Fry has the pen."""
    fence = editing.take(document.pk, fry.pk)
    assert fence
    return fence


def times(document: Document) -> tuple[datetime, datetime]:
    """Since when the pen is held, and until when."""
    document.refresh_from_db()
    assert document.held_at
    assert document.expires_at
    return document.held_at, document.expires_at


def test_a_pen_lives_for_30_seconds(
    document: Document, leela: Person, fry: Person, fence: int
) -> None:
    """Taken, renewed or written with; in its last second it is Fry's, and then anybody's."""
    taken, ends = times(document)
    assert ends - taken == timedelta(seconds=30)
    for act in (
        lambda: editing.renew({(document.pk, fence)}),
        lambda: rows.touch(document.pk, fry.pk, fence),
    ):
        rows.filter(pk=document.pk).update(held_at=Now(), expires_at=Now())
        act()
        before, ends = times(document)
        assert timedelta(seconds=30) <= ends - before < timedelta(seconds=31)
    ago(document, expires_at=-1)
    editing.expire()
    assert editing.take(document.pk, leela.pk) is None
    ago(document, expires_at=1)
    assert editing.take(document.pk, leela.pk) == fence + 1


@pytest.mark.parametrize(("passed", "is_renewed"), [(7.9, False), (8.1, True)])
def test_a_connected_page_is_renewed_every_10_seconds(
    document: Document, fry: Person, fence: int, passed: float, is_renewed: bool
) -> None:
    """With the heartbeat, each two seconds: with that after which the next were too late."""
    page = Page("p", fry.pk, f"document:{document.pk}", "editing", str(fence))
    ago(document, expires_at=-20)
    _, before = times(document)
    with (
        patch.object(listeners, "_renewed_at", 1_000.0),
        patch("collab.listeners.time.monotonic", return_value=1_000 + passed),
    ):
        listeners.keep_leases([page])
    _, after = times(document)
    assert (after > before) == is_renewed


def test_typing_ends_20_seconds_after_a_renewal() -> None:
    """So the server tells the editors: 10 seconds before others may write."""
    region = get("renewal")
    assert isinstance(region, Region)
    (context,) = region.load([""]).values()
    assert context["milliseconds"] == 20_000


@pytest.mark.parametrize(
    ("what", "last"), [("asked_at", 30), ("active_at", 600)], ids=["an answer", "a keystroke"]
)
def test_who_waits_for_the_pen_waits_so_long(
    document: Document, leela: Person, fence: int, what: str, last: int
) -> None:
    """Until the last second nothing moves; then Fry's page has two more to store its text."""
    assert rows.ask(document.pk, leela.pk)
    ago(document, **{what: last - 1})
    editing.pass_on()
    assert rows.get(pk=document.pk).yields_at is None
    ago(document, **{what: last + 1})
    editing.pass_on()
    ends = rows.get(pk=document.pk).yields_at
    rows.filter(pk=document.pk).update(held_at=Now())
    now, _ = times(document)
    assert ends
    assert timedelta(seconds=1) < ends - now <= timedelta(seconds=2)
    editing.pass_on()
    assert rows.get(pk=document.pk).fence == fence
    ago(document, yields_at=0.1)
    editing.pass_on()
    assert rows.get(pk=document.pk).holder == leela


def test_a_draft_is_shown_to_those_who_watch_once_a_second() -> None:
    """Not more often."""
    region = get("draft_text")
    assert isinstance(region, Region)
    assert region.pace_seconds == 1


@pytest.mark.parametrize(("days", "is_gone"), [(29, False), (31, True)])
def test_the_trash_keeps_for_30_days(
    document: Document, fry: Person, days: int, is_gone: bool
) -> None:
    """Then the next cleaning deletes for good."""
    assert trash.move(document.pk, fry.pk)
    rows.filter(pk=document.pk).update(trashed_at=Now() - timedelta(days=days))
    trash.purge()
    assert rows.filter(pk=document.pk).exists() != is_gone
