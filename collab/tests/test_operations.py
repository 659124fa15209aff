"""Operations: what they write, what they publish, and what they refuse."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise
from unittest.mock import Mock

import pytest
from django.db import OperationalError, connection, connections
from django.db.models.functions import Now

from collab import listeners
from collab.differences import WordCount, words_changed
from collab.errors import StaleSave
from collab.live import signals
from collab.live.models import Connection, Node
from collab.live.presence import Page
from collab.live.testing import announced
from collab.models import Activity, Document, Person, Reading
from collab.models.lease import LeaseQuerySet
from collab.operations import activity, documents, editing, reading
from collab.operations.documents import Content
from collab.subjects import RENEWALS, subject_of
from collab.text import excerpt

pytestmark = pytest.mark.django_db(transaction=True)

NEW = "New words here."


def expire(document: Document) -> None:
    Document.objects.filter(pk=document.pk).update(expires_at=Now() - timedelta(seconds=1))


def test_a_document_is_created_with_its_event(leela: Person) -> None:
    """The author is its first editor, and everybody hears of it."""
    with announced() as topics:
        made = documents.create(leela.pk, Content(title="T", text="Two words\r\n"))
    assert {"documents", "activity"} <= topics
    made.refresh_from_db()
    assert (made.text, made.excerpt, made.version) == ("Two words\n", "Two words", 1)
    assert made.activities.get().words_added == 2


def test_a_save_moves_the_version_and_says_how_much(leela: Person, document: Document) -> None:
    """One UPDATE, one event, the topics of content and pen."""
    fence = editing.take(document.pk, leela.pk)
    assert fence
    with announced() as topics:
        assert documents.save(document.pk, leela.pk, NEW, fence=fence, version=1) == 2
    assert topics == {f"document:{document.pk}", f"pen:{document.pk}", "activity"}
    document.refresh_from_db()
    assert (document.text, document.version, document.changed_by) == (NEW, 2, leela)
    saved = document.activities.filter(verb=Activity.Verb.SAVED).get()
    assert (saved.words_added, saved.words_removed) == (3, 4)


@pytest.mark.parametrize(("fence", "version"), [(0, 1), (1, 0), (1, 2), (2, 1)])
def test_a_late_save_writes_nothing(
    leela: Person, document: Document, fence: int, version: int
) -> None:
    """Another fence or version: refused, without an event."""
    assert editing.take(document.pk, leela.pk) == 1
    with announced() as topics, pytest.raises(StaleSave):
        documents.save(document.pk, leela.pk, NEW, fence=fence, version=version)
    assert topics == set()
    document.refresh_from_db()
    assert document.title == "Annual plan"


def test_a_save_of_nothing_is_refused(leela: Person) -> None:
    """A document that does not exist cannot be saved."""
    with pytest.raises(StaleSave):
        documents.save(4711, leela.pk, NEW, fence=1, version=1)


def test_an_expired_lease_nobody_took_still_saves(leela: Person, document: Document) -> None:
    """Its fence still stands: without JavaScript nobody renews it."""
    fence = editing.take(document.pk, leela.pk)
    assert fence
    expire(document)
    editing.expire()
    assert documents.save(document.pk, leela.pk, NEW, fence=fence, version=1) == 2


def test_only_one_holds_the_pen(leela: Person, fry: Person, document: Document) -> None:
    """Taking is refused while another holds it, and possible after the expiry."""
    assert editing.take(document.pk, leela.pk) == 1
    assert editing.take(document.pk, fry.pk) is None
    assert editing.take(document.pk, leela.pk) is None, "not from a second tab either"
    expire(document)
    assert editing.take(document.pk, fry.pk) == 2


def test_every_taking_raises_the_fence(leela: Person, document: Document) -> None:
    """Even one's own from another tab; a reload keeps the person's claim."""
    assert editing.take(document.pk, leela.pk) == 1
    assert editing.move(document.pk, leela.pk) == 2
    assert editing.take(document.pk, leela.pk, own_fence=2) == 3
    assert editing.take(document.pk, leela.pk, own_fence=1) is None


def test_a_reload_is_no_news(leela: Person, document: Document) -> None:
    """Only a real taking is written down."""
    editing.take(document.pk, leela.pk)
    editing.take(document.pk, leela.pk, own_fence=1)
    assert document.activities.filter(verb=Activity.Verb.EDITING).count() == 1


def test_an_old_release_does_not_free_the_new_holder(
    leela: Person, fry: Person, document: Document
) -> None:
    """A late goodbye carries an old fence."""
    editing.take(document.pk, leela.pk)
    expire(document)
    editing.take(document.pk, fry.pk)
    editing.release(document.pk, leela.pk, 1)
    document.refresh_from_db()
    assert document.holder == fry


def test_renewal_reaches_only_the_present_fence(leela: Person, document: Document) -> None:
    """A page that lost the pen cannot keep it alive."""
    editing.take(document.pk, leela.pk)
    expire(document)
    assert Document.objects.renew([(document.pk, 99)]) == 0
    assert Document.objects.renew([(document.pk, 1), (document.pk, 99)]) == 1
    assert Document.objects.held().count() == 1
    many = [(document.pk + n, 1) for n in range(1, 2_000)]
    assert Document.objects.renew([*many, (document.pk, 1)]) == 1, "in batches"


def test_pens_are_renewed_before_it_is_too_late(
    leela: Person, document: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not at every heartbeat; but when the next one would be late, and their pages
    are told: the editor may rely on it."""
    editing.take(document.pk, leela.pk)
    page = Page("p", leela.pk, f"document:{document.pk}", "editing", "1")
    for ago, renewed in ((7.5, set()), (8.5, {RENEWALS})):
        monkeypatch.setattr(listeners, "_renewed_at", time.monotonic() - ago)
        with announced() as topics:
            listeners.keep_leases([page])
        assert topics == renewed


def test_a_page_that_is_back_has_its_pen_for_a_whole_time(
    leela: Person, document: Document
) -> None:
    """However much of it was left; and its editor is told with all others, soon."""
    editing.take(document.pk, leela.pk)
    nearly = Now() + timedelta(seconds=1)
    Document.objects.filter(pk=document.pk).update(expires_at=nearly)
    page = Page("p", leela.pk, f"document:{document.pk}", "editing", "1")
    listeners.keep_leases([])
    with announced() as topics:
        signals.returned.send(sender=None, pages=[page])
    later = Now() + timedelta(seconds=20)
    assert Document.objects.filter(expires_at__gt=later, fence=1).exists()
    assert topics == set()
    with announced() as topics:
        listeners.keep_leases([page])
    assert topics == {RENEWALS}


def test_a_page_that_opens_says_nothing_of_others_pens(
    leela: Person, fry: Person, document: Document
) -> None:
    """Neither a list, nor another editor: theirs may have been renewed long before, or
    not at all, and whoever believed otherwise would type for too long."""
    editing.take(document.pk, leela.pk)
    before = editing.renewed_at()
    other = documents.create(fry.pk, Content("Another", ""))
    editing.take(other.pk, fry.pk)
    pages = [Page("l", fry.pk, "", "", ""), Page("e", fry.pk, subject_of(other.pk), "editing", "1")]
    with announced() as topics:
        signals.joined.send(sender=None, pages=pages)
        editing.renew_all(set())
        editing.renew_all({(document.pk, 99)})
    assert RENEWALS not in topics
    assert editing.renewed_at() == before


def test_a_renewal_that_fails_is_not_told_and_tried_again(
    leela: Person, document: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the next heartbeat, not only when it would be due anew."""
    editing.take(document.pk, leela.pk)
    page = Page("p", leela.pk, subject_of(document.pk), "editing", "1")
    monkeypatch.setattr(listeners, "_renewed_at", listeners.LONG_AGO)
    before = editing.renewed_at()
    with monkeypatch.context() as away:
        away.setattr(LeaseQuerySet, "renew", Mock(side_effect=OperationalError))
        with announced() as topics, pytest.raises(OperationalError):
            listeners.keep_leases([page])
    assert (topics, editing.renewed_at()) == (set(), before)
    with announced() as topics:
        listeners.keep_leases([page])
    assert topics == {RENEWALS}
    assert editing.renewed_at() > before


def test_a_stale_page_does_not_hinder_the_holders_renewal(
    leela: Person, document: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two pages of one process claim the same document; the present fence counts."""
    monkeypatch.setattr(listeners, "_renewed_at", -1000.0)
    editing.take(document.pk, leela.pk)
    expire(document)
    subject = f"document:{document.pk}"
    pages = [Page(f"p{f}", leela.pk, subject, "editing", f) for f in ("1", "0")]
    listeners.keep_leases(pages)
    assert Document.objects.held().exists()


def test_a_reloaded_editor_keeps_the_pen(leela: Person, document: Document) -> None:
    """When the old page's grace ends, the new page still has the same claim."""
    editing.take(document.pk, leela.pk)
    node = Node.objects.create(boot="b", host="h", pid=1)
    subject = f"document:{document.pk}"
    Connection.objects.create(
        node=node, page="new", user=leela, subject=subject, mode="editing", claim="1"
    )
    listeners.free_leases([Page("old", leela.pk, subject, "editing", "1")])
    assert Document.objects.held().exists()


def test_only_the_holder_saves(leela: Person, fry: Person, document: Document) -> None:
    """Another person's fence, read off a page, opens nothing."""
    assert editing.take(document.pk, leela.pk) == 1
    with pytest.raises(StaleSave):
        documents.save(document.pk, fry.pk, NEW, fence=1, version=1)


def test_expired_pens_are_freed_and_announced_once(leela: Person, document: Document) -> None:
    """The sweep frees them; a second sweep finds nothing."""
    editing.take(document.pk, leela.pk)
    expire(document)
    with announced() as topics:
        editing.expire()
    assert f"pen:{document.pk}" in topics
    with announced() as topics:
        editing.expire()
    assert topics == set()


def test_forty_takers_and_one_winner(leela: Person, fry: Person, document: Document) -> None:
    """However many try at the moment of expiry, exactly one gets it."""

    def taker(number: int) -> int | None:
        try:
            return editing.take(document.pk, (leela, fry)[number % 2].pk)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            expire(document)
            fences = [f for f in pool.map(taker, range(40)) if f]
            assert len(fences) == 1
    document.refresh_from_db()
    assert document.fence == 5


def test_opening_is_news_only_after_a_while(leela: Person, fry: Person, document: Document) -> None:
    """Coming back within five minutes is not opening anew."""
    page = Page("p", fry.pk, f"document:{document.pk}", "reading")
    listeners.note_opened([page])
    listeners.note_opened([page])
    opened = document.activities.filter(verb=Activity.Verb.OPENED)
    assert opened.count() == 1
    opened.update(at=Now() - timedelta(seconds=301))
    listeners.note_opened([page])
    assert opened.count() == 2


def test_an_editor_that_is_gone_gives_the_pen_back(leela: Person, document: Document) -> None:
    """Leaving frees the pen without waiting for the expiry."""
    fence = editing.take(document.pk, leela.pk)
    listeners.free_leases([Page("p", leela.pk, f"document:{document.pk}", "editing", str(fence))])
    assert not Document.objects.held().exists()


def test_whoever_watched_a_save_has_read_it(leela: Person, fry: Person, document: Document) -> None:
    """A page that was open to the end saw the present version."""
    reading.mark(document.pk, fry.pk, 1)
    fence = editing.take(document.pk, leela.pk)
    assert fence
    documents.save(document.pk, leela.pk, NEW, fence=fence, version=1)
    listeners.note_read([Page("p", fry.pk, f"document:{document.pk}", "reading")])
    assert Reading.objects.get(person=fry).version == 2


def test_activity_ids_become_visible_in_order(leela: Person, fry: Person) -> None:
    """A feed remembers the last id: a lower one must not appear after it."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time: nothing can overtake")
    seen: list[list[int]] = []

    def writer(number: int) -> None:
        try:
            for _ in range(10):
                made = documents.create(leela.pk, Content("New", NEW))
                activity.record_opened(made.pk, fry.pk)
        finally:
            connections.close_all()

    def reader() -> None:
        try:
            ids = Activity.objects.order_by("pk").values_list("pk", flat=True)
            seen.extend(list(ids.all()) for _ in range(200))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(5) as pool:
        jobs = [pool.submit(writer, n) for n in range(4)] + [pool.submit(reader)]
        for job in jobs:
            job.result()
    for earlier, later in pairwise(seen):
        new = set(later) - set(earlier)
        assert not earlier or all(pk > earlier[-1] for pk in new)


@pytest.mark.parametrize("act", ["create", "save", "restore"])
def test_texts_are_read_before_the_transaction(
    leela: Person, document: Document, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    """Comparing long texts, and rendering their beginning, takes a while, in which others
    must be able to write."""
    read = []

    def watched(before: str, after: str) -> WordCount:
        read.append(connection.in_atomic_block)
        return words_changed(before, after)

    def watched_excerpt(text: str, length: int) -> str:
        read.append(connection.in_atomic_block)
        return excerpt(text, length)

    monkeypatch.setattr(documents, "words_changed", watched)
    monkeypatch.setattr(documents, "excerpt", watched_excerpt)
    if act == "create":
        documents.create(leela.pk, Content("Slurm", NEW))
    elif act == "save":
        fence = editing.take(document.pk, leela.pk)
        assert fence
        documents.save(document.pk, leela.pk, NEW, fence=fence, version=1)
    else:
        documents.restore(document.pk, leela.pk, Content("Slurm", NEW))
    assert read == [False, False]
