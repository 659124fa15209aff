"""Every version is kept, in little space, and can be had again."""

from __future__ import annotations

import pytest
from django.test import Client

from collab import queries
from collab.models import Document, Person, Revision
from collab.operations import documents, editing

pytestmark = pytest.mark.django_db
WORDS = [f"word{number * 7919 % 10_007}" for number in range(6_000)]


def save(document: Document, person: Person, text: str) -> None:
    document.refresh_from_db()
    fence = editing.take(document.pk, person.pk)
    assert fence
    documents.save(document.pk, person.pk, text, fence=fence, version=document.version)
    editing.release(document.pk, person.pk, fence)


def test_every_version_can_be_read_again(document: Document, fry: Person) -> None:
    """Whatever was saved is there, character for character, across keys."""
    texts = [f"Text {number}\n" + " ".join(WORDS[number:]) for number in range(230)]
    for text in texts:
        save(document, fry, text)
    kept = [queries.text_of(one) for one in queries.revisions(document.pk)]
    assert kept[:-1] == [*reversed(texts)]
    assert Revision.objects.filter(document=document, key_version=None).count() <= 5


def test_a_small_change_is_stored_small(document: Document, fry: Person) -> None:
    """Hundred saves of a long text cost little more than one."""
    for number in range(100):
        save(document, fry, " ".join([*WORDS[:number], "changed", *WORDS[number:]]))
    sizes = [len(bytes(one.packed)) for one in Revision.objects.filter(document=document)]
    assert sum(sizes) < 3 * max(sizes)


def test_a_version_shows_what_it_changed(document: Document, leela: Person, as_fry: Client) -> None:
    """Words that came and went are marked; markup in a text stays text."""
    save(document, leela, "# One\n\nSecond <b>words</b>.\n")
    page = as_fry.get(f"/documents/{document.pk}/history/2/").content.decode()
    assert "<del>First " in page
    assert "<ins>Second &lt;b&gt;</ins>" in page
    assert "<b>words</b>" not in page


def test_restoring_is_a_new_version(document: Document, leela: Person, as_fry: Client) -> None:
    """The old text is the present one; what was between stays in the history."""
    save(document, leela, "Something else.")
    answer = as_fry.post(f"/documents/{document.pk}/history/1/")
    assert answer.status_code == 302
    document.refresh_from_db()
    assert (document.version, document.text) == (3, "# One\n\nFirst words.\n")
    assert document.changed_by.username == "fry"
    assert document.holder is None
    second = queries.revision(document.pk, 2)
    assert second
    assert queries.text_of(second) == "Something else."


def test_nothing_is_restored_under_a_writer(
    document: Document, leela: Person, as_fry: Client
) -> None:
    """While somebody has the pen, nobody replaces the text below it."""
    save(document, leela, "Something else.")
    assert editing.take(document.pk, leela.pk)
    answer = as_fry.post(f"/documents/{document.pk}/history/1/", follow=True)
    assert "Somebody is editing this document" in answer.content.decode()
    document.refresh_from_db()
    assert document.text == "Something else."


@pytest.mark.parametrize("version", [0, 7, 10**30])
def test_an_unknown_version_is_not_found(document: Document, as_fry: Client, version: int) -> None:
    """And no error of the server's."""
    assert as_fry.get(f"/documents/{document.pk}/history/{version}/").status_code == 404
