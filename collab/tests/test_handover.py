"""Asking for a lease and handing it over: each rule is one conditional UPDATE."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.http import HttpResponse
from django.test import Client

from collab import listeners, queries
from collab.live.models import Connection, Node
from collab.live.presence import Page
from collab.models import Document, Draft, Person
from collab.operations import editing
from collab.subjects import EDITING, READING, subject_of
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


def document_author(document: Document) -> int:
    return Person.objects.create_user("bender").pk


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
    """The holder reads why, until somebody else has it; a stale one is not seized."""
    assert not rows.seize(document.pk, leela.pk, fence - 1, "late")
    assert rows.seize(document.pk, leela.pk, fence, "It is due today.")
    assert rows.get(pk=document.pk).seized_for == "It is due today."
    assert rows.move(document.pk, leela.pk)
    assert rows.take(document.pk, leela.pk, own_fence=fence + 2)
    assert rows.get(pk=document.pk).seized_for == "It is due today.", "in another tab"
    assert rows.release(document.pk, leela.pk, fence + 3)
    assert rows.take(document.pk, document_author(document))
    assert rows.get(pk=document.pk).seized_for == ""


def test_a_lease_that_ends_forgets_who_asked(document: Document, fry: Person, fence: int) -> None:
    """Released or expired, it is simply free."""
    ago(document, expires_at=1)
    assert rows.clear_expired() == [document.pk]
    assert rows.get(pk=document.pk).asked_by is None
    assert not rows.begin_yield()


# Over HTTP.


def press(client: Client, document: Document, act: str, **fields: str) -> HttpResponse:
    return client.post(f"/documents/{document.pk}/pen/", {"act": act, **fields})  # type: ignore[return-value]


def typed(document: Document, text: str, fence: int) -> dict[str, str]:
    """What the editor's form holds."""
    stay = {"fence": str(fence), "version": "1", "sequence": "9"}
    return {"text": text, **stay}


@pytest.fixture
def held(document: Document, fry: Person) -> int:
    """Fry is editing."""
    fence = editing.take(document.pk, fry.pk)
    assert fence
    return fence


def test_asking_and_keeping(
    as_leela: Client, as_fry: Client, document: Document, fry: Person, leela: Person, held: int
) -> None:
    """The page tells both; a kept pen stays, and one can withdraw."""
    press(as_leela, document, "ask")
    page = as_leela.get(f"/documents/{document.pk}/").content.decode()
    assert "You have asked Fry for the pen" in page
    editor = as_fry.get(f"/documents/{document.pk}/edit/?pen={held}").content.decode()
    assert "asks for the pen" in editor
    answer = press(as_fry, document, "keep", fence=str(held))
    assert answer["Location"] == f"/documents/{document.pk}/edit/?pen={held}"
    assert Document.objects.get().asked_by is None
    press(as_leela, document, "ask")
    press(as_leela, document, "withdraw")
    assert Document.objects.get().asked_by is None


def test_handing_over_keeps_the_text_and_offers_it(
    as_leela: Client, as_fry: Client, document: Document, fry: Person, leela: Person, held: int
) -> None:
    """Leela starts from the saved version, or goes on from Fry's words."""
    press(as_leela, document, "ask")
    press(as_fry, document, "hand_over", **typed(document, "Fry's words", held))
    assert Document.objects.get().holder == leela
    answer = as_leela.post(f"/documents/{document.pk}/pen/")
    editor = as_leela.get(answer["Location"]).content.decode()
    assert "First words." in editor
    assert "Fry’s unsaved text from" in editor
    offered = Draft.objects.get()
    assert as_leela.post(f"/documents/{document.pk}/drafts/{offered.pk}/").status_code == 302
    now = Document.objects.get()
    assert queries.unsaved(document.pk, leela.pk).get(fence=now.fence).text == "Fry's words"
    assert queries.unsaved(document.pk, fry.pk).get().text == "Fry's words"


def test_nobody_hands_over_what_is_not_theirs(
    as_leela: Client, as_fry: Client, document: Document, fry: Person, leela: Person, held: int
) -> None:
    """Nor what nobody has asked for; the text is kept all the same."""
    press(as_fry, document, "hand_over", **typed(document, "Mine", held))
    assert Document.objects.get().holder == fry
    press(as_leela, document, "ask")
    press(as_leela, document, "hand_over", **typed(document, "Not mine", held))
    press(as_leela, document, "keep", fence=str(held))
    lease = Document.objects.get()
    assert (lease.holder, lease.asked_by) == (fry, leela)


def test_a_text_that_cannot_be_kept_is_not_handed_over(
    as_leela: Client, as_fry: Client, document: Document, fry: Person, held: int
) -> None:
    """Too long: the holder reads why, and still has pen and text."""
    press(as_leela, document, "ask")
    answer = press(as_fry, document, "hand_over", **typed(document, "x" * 200_001, held))
    assert answer.status_code == 422
    assert b"200 KB" in answer.content
    assert Document.objects.get().holder == fry
    assert press(as_fry, document, "hand_over", fence="nonsense").status_code == 422


def test_an_unanswered_question_moves_the_pen(
    document: Document, fry: Person, leela: Person, held: int
) -> None:
    """First the page is told to store its text, then the pen moves."""
    editing.ask(document.pk, leela.pk)
    editing.pass_on()
    assert Document.objects.get().yields_at is None
    ago(document, asked_at=ANSWER_SECONDS + 1)
    editing.pass_on()
    assert Document.objects.get().yields_at
    assert Document.objects.get().holder == fry
    ago(document, yields_at=1)
    editing.pass_on()
    assert Document.objects.get().holder == leela


def test_the_author_takes_the_pen_for_a_reason(
    as_leela: Client, as_fry: Client, document: Document, fry: Person, leela: Person, held: int
) -> None:
    """Fry reads it; without a reason, or for others, nothing happens."""
    press(as_leela, document, "seize", reason="  ")
    press(as_leela, document, "seize", reason="x" * 201)
    assert Document.objects.get().holder == fry
    answer = press(as_leela, document, "seize", reason="The client waits")
    assert answer["Location"] == f"/documents/{document.pk}/edit/?pen={held + 1}"
    lease = Document.objects.get()
    assert (lease.holder, lease.seized_for) == (leela, "The client waits")
    assert press(as_fry, document, "seize", reason="Mine!").status_code == 403
    assert Document.objects.get().holder == leela


# The holder's page is here.


@pytest.fixture
def open_editor(document: Document, fry: Person, held: int) -> None:
    open_page(document, fry, EDITING, str(held))


def open_page(document: Document, person: Person, mode: str, claim: str = "") -> Connection:
    node = Node.objects.create(boot=person.username, host="h", pid=person.pk)
    about = {"subject": subject_of(document.pk), "mode": mode, "claim": claim}
    return Connection.objects.create(node=node, page=person.username, user=person, **about)


@pytest.mark.usefixtures("open_editor")
def test_a_page_that_is_here_stores_its_text_before_the_pen_is_taken(
    as_leela: Client, as_fry: Client, document: Document, fry: Person, leela: Person, held: int
) -> None:
    """However little of it has been sent before. Fry reads why and cannot refuse; Leela
    may go on with his words."""
    answer = press(as_leela, document, "seize", reason="The client waits")
    assert answer["Location"] == f"/documents/{document.pk}/"
    assert Document.objects.get().holder == fry
    page = as_leela.get(f"/documents/{document.pk}/").content.decode()
    assert "Fry’s text is being kept" in page
    editor = as_fry.get(f"/documents/{document.pk}/edit/?pen={held}").content.decode()
    assert "The reason: The client waits" in editor
    assert 'value="keep"' not in editor
    press(as_fry, document, "keep", fence=str(held))
    press(as_fry, document, "hand_over", **typed(document, "Unsent till now", held))
    lease = Document.objects.get()
    assert (lease.holder, lease.seized_for, lease.asked_for) == (leela, "The client waits", "")
    started = as_leela.post(f"/documents/{document.pk}/pen/")
    assert "Fry’s unsaved text from" in as_leela.get(started["Location"]).content.decode()
    assert Document.objects.get().seized_for == "The client waits"


@pytest.mark.usefixtures("open_editor")
def test_a_page_that_does_not_answer_is_not_waited_for(
    as_leela: Client, document: Document, leela: Person, held: int
) -> None:
    """Its moment is over, and the pen moves with the reason; a plain question that
    somebody asked before is void."""
    editing.ask(document.pk, Person.objects.create_user("bender").pk)
    press(as_leela, document, "seize", reason="The client waits")
    editing.pass_on()
    assert Document.objects.get().fence == held
    ago(document, yields_at=1)
    editing.pass_on()
    lease = Document.objects.get()
    assert (lease.holder, lease.asked_by) == (leela, None)
    assert lease.seized_for == "The client waits"


# The one who asks leaves.


def test_who_leaves_does_not_wait_any_more(
    document: Document, fry: Person, leela: Person, held: int
) -> None:
    """When the last of their pages there has gone; others' questions stay."""
    editing.ask(document.pk, leela.pk)
    page = Page("gone", leela.pk, subject_of(document.pk), READING, "")
    here = open_page(document, leela, READING)
    listeners.withdraw_questions([page])
    listeners.withdraw_questions([replace(page, user_id=fry.pk), replace(page, subject="")])
    assert Document.objects.get().asked_by == leela
    here.delete()
    listeners.withdraw_questions([page])
    assert Document.objects.get().asked_by is None
