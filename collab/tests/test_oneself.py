"""Never in conflict with oneself: a page that was away, an answer that was lost."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.http import HttpResponse
from django.test import Client

from collab import listeners, queries
from collab.live.presence import Page
from collab.live.testing import announced
from collab.models import Activity, Document, Draft, Heading, Person
from collab.operations import documents, editing, headings, trash
from collab.subjects import Claim

pytestmark = pytest.mark.django_db(transaction=True)
PAGE, OTHER_PAGE = "a" * 32, "b" * 32


@pytest.fixture
def fence(document: Document, fry: Person) -> int:
    """Fry is editing."""
    fence = editing.take(document.pk, fry.pk)
    assert fence
    return fence


def lease(document: Document) -> tuple[int | None, int]:
    document.refresh_from_db()
    return document.holder_id, document.fence


# The pen of a page that is back.


def editor(document: Document, person: Person, fence: int) -> Page:
    return Page("p", person.pk, f"document:{document.pk}", "editing", str(fence))


@pytest.mark.parametrize("how", ["said goodbye", "was lost"])
def test_a_page_that_is_back_has_its_pen_again(
    document: Document, fry: Person, fence: int, how: str
) -> None:
    """Under the fence it had, told to all, and no news."""
    page = editor(document, fry, fence)
    if how == "said goodbye":
        listeners.free_leases([page])
    else:
        Document.objects.update(expires_at=Now() - timedelta(seconds=1))
        editing.expire()
    assert lease(document) == (None, fence)
    before = Activity.objects.count()
    with announced() as topics:
        listeners.give_back_leases([page])
    assert lease(document) == (fry.pk, fence)
    assert f"pen:{document.pk}" in topics
    assert Activity.objects.count() == before
    assert Document.objects.held().exists()


def test_a_page_that_is_heard_of_too_late_gets_no_pen(
    as_fry: Client, document: Document, fry: Person, fence: int
) -> None:
    """Fry is done before the server knows of his page, which is left then: nobody else
    must wait for a pen that he has given back. Who asks for it has it."""
    save(as_fry, document, fence, "Fry's words.", done="1")
    page = editor(document, fry, fence)
    with announced() as topics:
        listeners.give_back_leases([page])
    assert lease(document) == (None, fence)
    assert topics == set()
    assert editing.regain(document.pk, fry.pk, fence)


def test_a_heading_that_was_given_back_stays_so(document: Document, fry: Person) -> None:
    """The same for title and cover."""
    fence = headings.take(document.pk, fry.pk)
    assert fence
    page = Page("p", fry.pk, f"document:{document.pk}", "renaming", str(Claim(0, fence)))
    headings.release(document.pk, fry.pk, fence)
    listeners.give_back_leases([page])
    assert Heading.objects.get(pk=document.pk).holder is None


def test_a_reader_gets_no_pen(document: Document, fry: Person, fence: int) -> None:
    """Nor an editor's page that never had one: they claim nothing."""
    editing.lapse(document.pk, fry.pk, fence)
    subject = f"document:{document.pk}"
    modes = ("reading", "editing")
    listeners.give_back_leases([Page("p", fry.pk, subject, mode, "") for mode in modes])
    assert lease(document) == (None, fence)


def test_another_title_is_no_conflict_while_the_pen_is_free(
    document: Document, leela: Person, fry: Person, fence: int
) -> None:
    """Fry's pen ran out, and nobody has written since: there is nothing to choose."""
    editing.release(document.pk, fry.pk, fence)
    headings.retitle(document.pk, leela.pk, title="Another", version=1)
    saved = documents.publish(document.pk, fry.pk, "Fry's words.", fence=fence, version=1)
    assert saved == (3, [])
    document.refresh_from_db()
    assert (document.title, document.text) == ("Another", "Fry's words.")


@pytest.mark.parametrize("who", ["leela", "fry"])
def test_a_pen_that_went_on_stays_where_it_is(
    document: Document, leela: Person, fry: Person, fence: int, who: str
) -> None:
    """With somebody else, or with oneself in another tab; even if it is free again."""
    editing.lapse(document.pk, fry.pk, fence)
    taker = {"leela": leela, "fry": fry}[who]
    assert editing.take(document.pk, taker.pk) == fence + 1
    assert not editing.regain(document.pk, fry.pk, fence)
    editing.lapse(document.pk, taker.pk, fence + 1)
    assert not editing.regain(document.pk, fry.pk, fence)
    assert lease(document) == (None, fence + 1)


def test_a_pen_that_is_held_is_not_regained(document: Document, fry: Person, fence: int) -> None:
    """A short cut: nothing changes, and nobody is told."""
    with announced() as topics:
        assert not editing.regain(document.pk, fry.pk, fence)
    assert topics == set()


def test_there_is_no_pen_in_the_trash(document: Document, fry: Person, fence: int) -> None:
    """The page is told that the document is there."""
    trash.move(document.pk, fry.pk)
    assert not editing.regain(document.pk, fry.pk, fence)
    assert editing.take_back(document.pk, fry.pk, fence - 1, 1) is None


# A save after the pen went by.


def save(client: Client, document: Document, fence: int, text: str, **more: str) -> HttpResponse:
    form = {"text": text, "fence": str(fence), "version": "1"}
    headers = {"hx-request": "true"}
    address = f"/documents/{document.pk}/edit/"
    return client.post(address, {**form, "sequence": "5", **more}, headers=headers)  # type: ignore[return-value]


@pytest.fixture
def gone_by(document: Document, leela: Person, fry: Person, fence: int) -> int:
    """Leela had the pen after Fry, and gave it back."""
    editing.release(document.pk, fry.pk, fence)
    taken = editing.take(document.pk, leela.pk)
    assert taken
    editing.release(document.pk, leela.pk, taken)
    return fence


def test_a_pen_that_went_by_is_taken_back(
    as_fry: Client, document: Document, fry: Person, gone_by: int
) -> None:
    """Nobody wrote: the save succeeds, and the editor goes on under the new fence."""
    draft = {"text": "Fry's", "fence": str(gone_by), "version": "1", "sequence": "4"}
    assert as_fry.post(f"/documents/{document.pk}/draft/", draft).status_code == 409
    answer = save(as_fry, document, gone_by, "Fry's")
    assert answer["HX-Redirect"] == f"/documents/{document.pk}/edit/?pen={gone_by + 2}"
    assert lease(document) == (fry.pk, gone_by + 2)
    assert document.text == "Fry's"
    assert not queries.unsaved(document.pk, fry.pk).exists()


def test_a_pen_that_somebody_has_is_not_taken_back(
    as_fry: Client, document: Document, leela: Person, gone_by: int
) -> None:
    """409, although Leela has not saved yet."""
    editing.take(document.pk, leela.pk)
    assert save(as_fry, document, gone_by, "Fry's").status_code == 409
    assert lease(document)[0] == leela.pk


def test_a_pen_that_wrote_is_not_taken_back(
    as_fry: Client, document: Document, leela: Person, gone_by: int
) -> None:
    """409, although the pen is free: Fry has not seen what Leela saved."""
    taken = editing.take(document.pk, leela.pk)
    assert taken
    documents.save(document.pk, leela.pk, "Leela's", fence=taken, version=1)
    editing.release(document.pk, leela.pk, taken)
    assert save(as_fry, document, gone_by, "Fry's").status_code == 409
    assert lease(document)[0] is None
    assert document.text == "Leela's"


# A page that asks for its pen back.


def asks_back(client: Client, document: Document, fence: int, text: str) -> HttpResponse:
    form = {"act": "take_back", "text": text, "fence": str(fence), "version": "1"}
    return client.post(f"/documents/{document.pk}/pen/", {**form, "sequence": "5"})  # type: ignore[return-value]


def test_a_free_pen_is_taken_up_again(
    as_fry: Client, document: Document, fry: Person, fence: int
) -> None:
    """Nobody had it meanwhile (it ran out, or the document was in the trash): the same
    stay goes on, with what was typed."""
    trash.move(document.pk, fry.pk)
    trash.restore(document.pk, fry.pk)
    answer = asks_back(as_fry, document, fence, "Fry's")
    assert answer["Location"] == f"/documents/{document.pk}/edit/?pen={fence}"
    assert lease(document) == (fry.pk, fence)
    assert b"Fry&#x27;s</textarea>" in as_fry.get(answer["Location"]).content


def test_a_pen_that_went_by_comes_back_with_the_text(
    as_fry: Client, document: Document, fry: Person, gone_by: int
) -> None:
    """Under a new fence, to which the draft has moved."""
    answer = asks_back(as_fry, document, gone_by, "Fry's")
    assert answer["Location"] == f"/documents/{document.pk}/edit/?pen={gone_by + 2}"
    assert queries.unsaved(document.pk, fry.pk).get().fence == gone_by + 2


def test_of_two_who_ask_back_one_writes(
    as_fry: Client, as_leela: Client, document: Document, fry: Person, leela: Person, gone_by: int
) -> None:
    """The other reads, and both texts are kept."""
    assert "?pen=" in asks_back(as_leela, document, gone_by + 1, "Leela's")["Location"]
    assert asks_back(as_fry, document, gone_by, "Fry's")["Location"].endswith("/edit/")
    assert lease(document)[0] == leela.pk
    assert b"Restore your text" in as_fry.get(f"/documents/{document.pk}/edit/").content
    kept = {draft.person_id: draft.text for draft in Draft.objects.all()}
    assert kept == {fry.pk: "Fry's", leela.pk: "Leela's"}


def test_a_text_that_cannot_be_kept_stays_in_the_page(
    as_fry: Client, document: Document, gone_by: int
) -> None:
    """Nothing is taken for it."""
    assert asks_back(as_fry, document, gone_by, "x" * 200_001).status_code == 422
    assert lease(document)[0] is None


# A save whose answer was lost.


def test_a_page_goes_on_from_its_own_save(as_fry: Client, document: Document, fence: int) -> None:
    """It does not know that it has saved, and saves again: no conflict with itself."""
    assert save(as_fry, document, fence, "One", page=PAGE).status_code == 200
    answer = save(as_fry, document, fence, "One, two", page=PAGE, sequence="6")
    assert answer.status_code == 200
    assert b'name="version" form="editor" value="3"' in answer.content
    assert lease(document)[1] == fence
    assert document.text == "One, two"


def test_a_draft_tells_the_page_what_it_missed(
    as_fry: Client, document: Document, fry: Person, fence: int
) -> None:
    """And begins there itself, wherever it is gone on with later."""
    save(as_fry, document, fence, "One", page=PAGE)
    draft = {"text": "One, two", "fence": str(fence), "version": "1"}
    answer = as_fry.post(
        f"/documents/{document.pk}/draft/", {**draft, "sequence": "6", "page": PAGE}
    )
    assert b'name="version" form="editor" value="2"' in answer.content
    assert queries.unsaved(document.pk, fry.pk).get().base_version == 2


def test_a_form_that_is_sent_twice(as_fry: Client, document: Document, fence: int) -> None:
    """Without JavaScript: the browser asks whether to send it again."""
    for _ in range(2):
        answer = save(as_fry, document, fence, "One", page=PAGE, sequence="")
        assert answer.status_code == 200
    assert queries.revisions(document.pk).count() == 3


@pytest.mark.parametrize("page", [OTHER_PAGE, ""])
def test_another_page_of_the_same_stay_has_not_seen_it(
    as_fry: Client, document: Document, fence: int, page: str
) -> None:
    """A tab that was duplicated would overwrite what it does not show."""
    save(as_fry, document, fence, "One", page=PAGE)
    assert save(as_fry, document, fence, "Two", page=page, sequence="6").status_code == 409


def test_what_was_merged_has_to_be_seen(
    as_fry: Client, document: Document, leela: Person, fry: Person, fence: int
) -> None:
    """The page does not have the other's words, so it does not go on from there."""
    Document.objects.filter(pk=document.pk).update(holder=leela)
    new = document.text + "\nLeela's"
    documents.save(document.pk, leela.pk, new, fence=fence, version=1)
    Document.objects.filter(pk=document.pk).update(holder=fry)
    mine = document.text.replace("# One", "# 1")
    assert "HX-Redirect" in save(as_fry, document, fence, mine, page=PAGE)
    assert Draft.objects.get().saved_by == ""
    save(as_fry, document, fence, mine.replace("# 1", "# First"), page=PAGE, sequence="6")
    document.refresh_from_db()
    assert "Leela's" in document.text
