"""Asking for a lease and handing it over: each rule is one conditional UPDATE."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from collab.models import Document, Person
from collab.timings import ANSWER_SECONDS, FLUSH_SECONDS, IDLE_SECONDS

pytestmark = pytest.mark.django_db
rows = Document.objects


@pytest.fixture
def fence(document: Document, fry: Person, leela: Person) -> int:
    """Fry has the lease, and Leela has asked for it."""
    assert rows.take(document.pk, fry.pk)
    assert rows.ask(document.pk, leela.pk)
    return int(rows.get(pk=document.pk).fence)


def ago(document: Document, **seconds: float) -> None:
    """Let a time of the lease lie in the past."""
    past = {name: Now() - timedelta(seconds=value) for name, value in seconds.items()}
    rows.filter(pk=document.pk).update(**past)


def test_a_lease_moves_to_who_asked(document: Document, leela: Person, fence: int) -> None:
    """The fence rises, and the question is answered."""
    assert rows.hand_over(document.pk, fence)
    document.refresh_from_db()
    assert (document.holder, document.fence) == (leela, fence + 1)
    assert (document.asked_by, document.asked_at) == (None, None)
    assert not rows.hand_over(document.pk, fence)


def test_a_kept_lease_does_not_move(document: Document, fry: Person, fence: int) -> None:
    """Keep ends the question; a handover that comes late has no effect."""
    assert rows.keep(document.pk, fry.pk, fence)
    assert not rows.hand_over(document.pk, fence)
    assert rows.get(pk=document.pk).holder == fry


def test_who_asks_first_waits(document: Document, fence: int) -> None:
    """A second question is refused until the first is answered; the holder cannot ask."""
    fry_id, leela_id = document_people(document)
    bender = Person.objects.create_user("bender")
    assert not rows.ask(document.pk, bender.pk)
    assert rows.withdraw(document.pk, leela_id)
    assert not rows.ask(document.pk, fry_id)
    assert rows.ask(document.pk, bender.pk)


def document_people(document: Document) -> tuple[int, int]:
    holder, asked = rows.values_list("holder", "asked_by").get(pk=document.pk)
    return holder, asked


@pytest.mark.parametrize(
    "late", [{"asked_at": ANSWER_SECONDS + 1}, {"active_at": IDLE_SECONDS + 1}], ids=str
)
def test_silence_hands_over(document: Document, fence: int, late: dict[str, float]) -> None:
    """No answer in time, or an idle holder: the page gets its moment, then it moves."""
    assert rows.begin_yield() == []
    ago(document, **late)
    assert rows.begin_yield() == [document.pk]
    assert rows.begin_yield() == []  # once
    assert not rows.yielded().exists()
    ago(document, yields_at=FLUSH_SECONDS)
    assert [row.pk for row in rows.yielded()] == [document.pk]


def test_a_keystroke_is_no_answer(document: Document, fry: Person, fence: int) -> None:
    """It shows that the holder is not idle, and that is all."""
    ago(document, active_at=IDLE_SECONDS + 1)
    assert rows.touch(document.pk, fry.pk, fence)
    assert rows.begin_yield() == []
    assert rows.get(pk=document.pk).asked_by is not None
    assert not rows.touch(document.pk, fry.pk, fence - 1)


def test_a_lease_is_seized_for_a_reason(document: Document, leela: Person, fence: int) -> None:
    """The holder reads why, until the lease goes on; a stale one is not seized."""
    assert not rows.seize(document.pk, leela.pk, fence - 1, "late")
    assert rows.seize(document.pk, leela.pk, fence, "It is due today.")
    assert rows.get(pk=document.pk).seized_for == "It is due today."
    assert rows.move(document.pk, leela.pk)
    assert rows.get(pk=document.pk).seized_for == ""


def test_a_lease_that_ends_forgets_who_asked(document: Document, fry: Person, fence: int) -> None:
    """Released or expired, it is simply free."""
    ago(document, expires_at=1)
    assert rows.clear_expired() == [document.pk]
    assert rows.get(pk=document.pk).asked_by is None
    assert not rows.begin_yield()
