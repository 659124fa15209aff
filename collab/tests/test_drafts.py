"""Drafts: what is typed stays, whatever happens to the pen."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase
from pytest_django import Settings

from collab import queries
from collab.errors import UnknownStay
from collab.models import Document, Draft, Person
from collab.operations import documents, drafts, editing
from collab.operations.documents import Content

pytestmark = pytest.mark.django_db


def keep(
    document: Document, person: Person, text: str, sequence: int, fence: int = 1, version: int = 1
) -> bool:
    """Keep a text; returns whether the pen is there."""
    _, has_pen = drafts.keep(
        document.pk, person.pk, text=text, sequence=sequence, fence=fence, version=version
    )
    return has_pen


def texts(document: Document, person: Person) -> list[str]:
    return [draft.text for draft in queries.unsaved(document.pk, person.pk)]


@pytest.fixture
def fence(document: Document, fry: Person) -> int:
    """Fry is editing."""
    fence = editing.take(document.pk, fry.pk)
    assert fence == 1
    return fence


def test_the_newest_text_is_kept(document: Document, fry: Person, fence: int) -> None:
    """One row a stay; what arrives late or twice changes nothing."""
    assert keep(document, fry, "One", 1)
    assert keep(document, fry, "One two three", 3)
    assert keep(document, fry, "One two", 2)
    assert texts(document, fry) == ["One two three"]


def test_text_without_the_pen_is_kept_too(document: Document, fry: Person, leela: Person) -> None:
    """It says so, and Leela's stay is another row."""
    editing.take(document.pk, fry.pk)
    Document.objects.clear_expired()
    editing.release(document.pk, fry.pk, 1)
    editing.take(document.pk, leela.pk)
    assert not keep(document, fry, "Late, not lost", 1)
    assert keep(document, leela, "Mine", 1, fence=2)
    assert (texts(document, fry), texts(document, leela)) == (["Late, not lost"], ["Mine"])


def test_a_save_settles_what_it_saved(document: Document, fry: Person, fence: int) -> None:
    """Not what was typed after it; and an overtaken request brings nothing back."""
    keep(document, fry, "One", 1)
    new = "One two"
    documents.save(document.pk, fry.pk, new, fence=fence, version=1, sequence=2)
    assert texts(document, fry) == []
    keep(document, fry, "One", 1)
    assert texts(document, fry) == []
    keep(document, fry, "One two three", 3, version=1)
    assert texts(document, fry) == ["One two three"]


def test_a_save_that_was_overtaken_leaves_the_newer_draft(
    document: Document, fry: Person, fence: int
) -> None:
    """The keystroke after the click on Save is still a draft."""
    keep(document, fry, "One two", 2)
    new = "One"
    documents.save(document.pk, fry.pk, new, fence=fence, version=1, sequence=1)
    assert texts(document, fry) == ["One two"]


def test_the_saved_text_is_no_draft(document: Document, fry: Person, fence: int) -> None:
    """Typed and taken back: there is nothing to restore."""
    keep(document, fry, "Something else", 1)
    keep(document, fry, document.text, 2)
    assert texts(document, fry) == []


@pytest.mark.parametrize("known", [{"fence": 2}, {"version": 2}])
def test_an_impossible_stay_is_refused(
    document: Document, fry: Person, fence: int, known: dict[str, int]
) -> None:
    """A fence or a version that this document never had."""
    with pytest.raises(UnknownStay):
        keep(document, fry, "One", 1, **known)
    assert not Draft.objects.exists()


def test_moving_the_pen_brings_the_draft(document: Document, fry: Person, fence: int) -> None:
    """The other tab goes on with the text."""
    keep(document, fry, "One", 1)
    moved = editing.move(document.pk, fry.pk)
    assert Draft.objects.get().fence == moved == 2


def test_two_unsaved_texts_change_places(document: Document, fry: Person, fence: int) -> None:
    """Going on with one keeps the other."""
    keep(document, fry, "Earlier", 1)
    editing.release(document.pk, fry.pk, fence)
    editing.take(document.pk, fry.pk)
    keep(document, fry, "Later", 2, fence=2)
    drafts.resume(Draft.objects.get(fence=1), fry.pk, 2)
    assert Draft.objects.get(fence=2).text == "Earlier"
    assert Draft.objects.get(fence=1).text == "Later"


class Orders(TestCase):
    """Whatever order requests arrive in, the last keystroke wins."""

    @given(st.permutations(range(1, 7)))
    def test_any_order(self, order: list[int]) -> None:
        writer = Person.objects.create_user("writer")
        document = documents.create(writer.pk, Content("T", ""))
        editing.take(document.pk, writer.pk)
        for sequence in order:
            keep(document, writer, f"text {sequence}", sequence)
        assert texts(document, writer) == ["text 6"]


# Over HTTP.


def form(document: Document, text: str, **changed: str) -> dict[str, str]:
    values = {"text": text, "fence": "1", "version": "1"}
    return {**values, "sequence": "5", **changed}


def test_autosave_answers_with_the_state(
    as_fry: Client, document: Document, fry: Person, fence: int
) -> None:
    """With what it has kept, and without publishing it."""
    answer = as_fry.post(f"/documents/{document.pk}/draft/", form(document, "A\r\nB"))
    assert answer.status_code == 200
    assert b"Draft saved" in answer.content
    assert b'data-sequence="5"' in answer.content
    assert texts(document, fry) == ["A\nB"]
    document.refresh_from_db()
    assert document.version == 1


def test_an_autosave_reads_the_text_once(as_fry: Client, document: Document, fence: int) -> None:
    """It comes with every pause in the typing, and shows nothing of the document."""
    with CaptureQueriesContext(connection) as asked:
        as_fry.post(f"/documents/{document.pk}/draft/", form(document, "One"))
    readings = [query["sql"] for query in asked if '"collab_document"."text"' in query["sql"]]
    assert len(readings) == 1


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"text": "ä" * 110_000}, "200 KB"),
        ({"fence": "not a number"}, "whole number"),
        ({"fence": "99"}, "does not fit"),
        ({"version": "99"}, "does not fit"),
        ({"sequence": "-1"}, "greater than or equal"),
        ({"sequence": ""}, "required"),
        ({"text": "a\x00b"}, "Null characters"),
    ],
)
def test_a_bad_draft_is_told(
    as_fry: Client,
    document: Document,
    fence: int,
    changed: dict[str, str],
    says: str,
) -> None:
    """422, with a sentence, and no row."""
    answer = as_fry.post(f"/documents/{document.pk}/draft/", {**form(document, "A"), **changed})
    assert answer.status_code == 422
    assert says in answer.content.decode()
    assert not Draft.objects.exists()


def test_a_late_draft_is_kept_and_says_so(
    as_fry: Client, document: Document, leela: Person, fry: Person, fence: int
) -> None:
    """409: the pen is Leela's."""
    editing.release(document.pk, fry.pk, fence)
    editing.take(document.pk, leela.pk)
    answer = as_fry.post(f"/documents/{document.pk}/draft/", form(document, "Late"))
    assert answer.status_code == 409
    assert b"as your unsaved text" in answer.content
    assert texts(document, fry) == ["Late"]


def test_a_late_save_is_rescued_until_the_conflict_is_over(
    as_fry: Client, document: Document, leela: Person, fry: Person, fence: int
) -> None:
    """Closing the page with both texts loses nothing; deciding settles it."""
    editing.release(document.pk, fry.pk, fence)
    other = editing.take(document.pk, leela.pk)
    assert other
    new = "Leela's"
    documents.save(document.pk, leela.pk, new, fence=other, version=1)
    editing.release(document.pk, leela.pk, other)
    address = f"/documents/{document.pk}/edit/"
    assert as_fry.post(address, form(document, "Fry's")).status_code == 409
    assert texts(document, fry) == ["Fry's"]
    rescued = str(Draft.objects.get(is_settled=False).pk)
    decided = form(document, "Both", fence="2", version="2", decided="1", rescued=rescued)
    assert as_fry.post(address, decided).status_code == 302
    assert texts(document, fry) == []


def test_an_unsaved_text_is_its_writers_alone(
    as_fry: Client, as_leela: Client, document: Document, fry: Person, fence: int
) -> None:
    """Compared, gone on with or discarded by Fry; Leela finds nothing there."""
    keep(document, fry, "# One\n\nLast words.\n", 1)
    page = f"/documents/{document.pk}/drafts/{Draft.objects.get().pk}/"
    assert as_leela.get(page).status_code == 404
    assert as_leela.post(page, {"_method": "delete"}).status_code == 404
    assert b"<ins>Last</ins>" in as_fry.get(page).content
    assert b"Restore your text" in as_fry.get(f"/documents/{document.pk}/").content
    assert b"Restore your text" not in as_leela.get(f"/documents/{document.pk}/").content
    answer = as_fry.post(page)
    assert answer["Location"] == f"/documents/{document.pk}/edit/?pen=2"
    assert b"Last words." in as_fry.get(answer["Location"]).content
    page = f"/documents/{document.pk}/drafts/{Draft.objects.get().pk}/"
    assert as_fry.post(page, {"_method": "delete"}).status_code == 302
    assert texts(document, fry) == []


def test_an_unsaved_text_waits_for_the_pen(
    as_fry: Client, document: Document, leela: Person, fry: Person, fence: int
) -> None:
    """While Leela writes, it cannot go on, and stays."""
    keep(document, fry, "Mine", 1)
    editing.release(document.pk, fry.pk, fence)
    editing.take(document.pk, leela.pk)
    page = f"/documents/{document.pk}/drafts/{Draft.objects.get().pk}/"
    assert as_fry.post(page)["Location"] == page
    assert b"Somebody else has the pen" in as_fry.get(page).content
    assert texts(document, fry) == ["Mine"]


def test_a_part_of_a_page_is_not_replaced_by_the_form_for_signing_in(
    stranger: Client, document: Document
) -> None:
    """An autosave after signing out leaves the editor as it is."""
    answer = stranger.post(
        f"/documents/{document.pk}/draft/", form(document, "A"), headers={"HX-Request": "true"}
    )
    assert (answer.status_code, answer["HX-Reswap"], answer.content) == (401, "none", b"")


def test_an_autosave_after_the_save_does_not_take_it_back(client: Client, fry: Person) -> None:
    """The save overtook the autosave of the same text: the answer still says saved."""
    pk = documents.create(fry.pk, Content("T", "one")).pk
    fence = editing.take(pk, fry.pk)
    assert fence
    documents.save(pk, fry.pk, "two", fence=fence, version=1, sequence=5)
    client.force_login(fry)
    fields = {"fence": fence, "version": 1, "sequence": 5, "text": "two"}
    answer = client.post(reverse("autosave", args=[pk]), fields)
    assert "Saved" in answer.content.decode()
    assert "Draft saved" not in answer.content.decode()


# What a browser had kept.


def hand_in(client: Client, document: Document, typed: str, **changed: str) -> HttpResponse:
    fields = {**form(document, typed), "kept": "1", **changed}
    return client.post(f"/documents/{document.pk}/draft/", fields)  # type: ignore[return-value]


def test_a_text_that_a_browser_has_kept_is_as_old_as_its_typing(
    as_fry: Client, document: Document, fry: Person, fence: int
) -> None:
    """Not as young as the visit at which it is handed in; and nobody types in future."""
    typed = datetime(2026, 1, 2, 14, 2, tzinfo=UTC)
    hand_in(as_fry, document, "Kept", sequence=f"{typed.timestamp() * 1000:.0f}")
    assert queries.unsaved(document.pk, fry.pk).get().saved_at == typed
    hand_in(as_fry, document, "Kept by a clock that is wrong", sequence=str(2**53))
    assert queries.unsaved(document.pk, fry.pk).get().saved_at <= timezone.now()


@pytest.mark.parametrize(
    ("changed", "says"), [({"text": "x" * 200_001}, "200 KB"), ({"fence": "99"}, "does not fit")]
)
def test_a_kept_text_that_is_refused_is_shown(
    as_fry: Client, document: Document, fence: int, changed: dict[str, str], says: str
) -> None:
    """With the reason, the text itself, and a way to be rid of it."""
    answer = hand_in(as_fry, document, "Kept", **changed)
    assert answer.status_code == 422
    shown = answer.content.decode()
    assert says in shown
    assert f"{changed.get('text', 'Kept')}</textarea>" in shown
    assert 'form="kept" name="discard"' in shown
    discarded = hand_in(as_fry, document, "Kept", discard="1", **changed)
    assert discarded.status_code == 200
    assert says not in discarded.content.decode()
    assert not Draft.objects.exists()


def test_a_kept_text_that_comes_too_often_waits(
    as_fry: Client, document: Document, fence: int, settings: Settings
) -> None:
    """In the browser, which is told for how long, and so is the person."""
    settings.LIMITS = {"autosaves_per_minute": 1}
    hand_in(as_fry, document, "One")
    answer = hand_in(as_fry, document, "Two", sequence="6")
    assert answer.status_code == 429
    assert answer["Retry-After"]
    assert "sends it again by itself" in answer.content.decode()
