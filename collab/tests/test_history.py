"""The history's pages: any two versions compared, named, filtered, in few queries."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from collab import permissions, queries
from collab.forms import RevisionNameForm
from collab.models import Document, Person, Revision
from collab.operations import documents, editing, revisions
from collab.operations.documents import Content

pytestmark = pytest.mark.django_db


@pytest.fixture
def history(document: Document, fry: Person) -> str:
    """Its address. Fry has saved three versions after Leela's."""
    for number, cover in ((2, ""), (3, "a.webp"), (4, "b.webp")):
        new = Content(f"Plan {number}", f"# One\n\nText {number}.\n\nEnd.\n", cover)
        assert documents.restore(document.pk, fry.pk, new) == number
    return f"/documents/{document.pk}/history/"


def page_of(client: Client, url: str, status: int = 200) -> str:
    answer = client.get(url)
    assert answer.status_code == status
    return answer.content.decode()


def listed(page: str) -> list[int]:
    """The versions in a history."""
    return [int(version) for version in re.findall(r'data-version="(\d+)"', page)]


# Two versions.


def test_two_versions_are_chosen_in_the_list(as_leela: Client, history: str) -> None:
    """A plain form; the newest two are chosen already; the order does not matter."""
    page = page_of(as_leela, history)
    assert re.findall(r'name="(\w+)" value="(\d)" checked', page) == [("new", "4"), ("old", "3")]
    for query in ("old=2&new=4", "old=4&new=2"):
        assert as_leela.get(f"{history}compare/?{query}")["Location"] == f"{history}2/4/"
    assert as_leela.get(f"{history}4/2/?view=sides")["Location"] == f"{history}2/4/?view=sides"


def test_what_differs_between_two_versions(as_leela: Client, history: str) -> None:
    """The text by word, the title, the cover, and the sum of words."""
    page = page_of(as_leela, f"{history}2/4/")
    assert "Text <del>2</del><ins>4</ins>." in page
    assert "<del>Plan 2</del> <ins>Plan 4</ins>" in page
    assert "A cover image was added." in page
    assert "<ins>+1</ins> <del>−1</del> words" in page
    assert "The cover image was replaced." in page_of(as_leela, f"{history}3/4/")


def test_a_version_compared_with_itself_is_the_same(as_leela: Client, history: str) -> None:
    """And it says so, instead of showing the whole text."""
    page = page_of(as_leela, f"{history}3/3/")
    assert "The text is the same." in page
    assert not re.search("<(ins|del)>(?![+−]0)", page)


@pytest.mark.parametrize("page", ["2/4/", "4/"])
def test_a_comparison_stands_in_one_column_or_in_two(
    as_leela: Client, history: str, page: str
) -> None:
    """By a link that says which is chosen; also where a version shows its change."""
    inline, sides = (page_of(as_leela, f"{history}{page}{view}") for view in ("", "?view=sides"))
    chosen = re.compile(r'<a href="[^"]*" aria-current="page">(.*?)</a>')
    assert (chosen.findall(inline), chosen.findall(sides)) == (["Inline"], ["Side by side"])
    assert 'data-testid="diff"' in inline
    assert 'data-testid="sides"' not in inline
    changed = re.search(r'<tr class="changed">(.*?)</tr>', sides, flags=re.DOTALL)
    assert changed
    old, new = re.findall(r"<td>(.*?)</td>", changed[1], flags=re.DOTALL)
    assert re.fullmatch(r"Text <del>\d</del>\.\s*", old)
    assert re.fullmatch(r"Text <ins>4</ins>\.\s*", new)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("", "Choose two versions"),
        ("old=1", "Choose two versions"),
        ("old=x&new=2", "Choose two versions"),
        ("old=0&new=2", "Choose two versions"),
        ("old=1&new=9999999999999", "Choose two versions"),
        ("old=1&new=%00", "Choose two versions"),
        ("old=1&new=77", "There is no version 77."),
    ],
)
def test_a_choice_that_is_none_is_answered_in_the_list(
    as_leela: Client, history: str, query: str, sentence: str
) -> None:
    """With what to do, and no error of the server's."""
    page = as_leela.get(f"{history}compare/?{query}", follow=True)
    assert page.redirect_chain[-1][0] == history
    assert sentence in page.content.decode()


@pytest.mark.parametrize("path", ["1/77/", "77/1/", "0/1/", f"1/{10**30}/"])
def test_an_unknown_version_is_not_found(as_leela: Client, history: str, path: str) -> None:
    """Also in an address that somebody made up."""
    url = f"{history}{path}"
    assert as_leela.get(url, follow=True).status_code == 404


def test_markup_in_a_text_stays_text(as_leela: Client, history: str, document: Document) -> None:
    """In both views, also in names and titles."""
    evil = "<script>alert(1)</script>"
    Revision.objects.filter(document=document, version=2).update(title=evil, name=evil)
    for path in ("2/4/", "2/4/?view=sides", "2/", ""):
        assert evil not in page_of(as_leela, f"{history}{path}")


# Names.


def test_a_version_is_named(as_leela: Client, history: str) -> None:
    """The list shows the name; the filter shows what has one; empty takes it away."""
    answer = as_leela.post(f"{history}2/", {"name": "  As   sent "}, follow=True)
    assert "The version is named." in answer.content.decode()
    assert '<strong class="version-name">As sent</strong>' in page_of(as_leela, history)
    assert listed(page_of(as_leela, history)) == [4, 3, 2, 1]
    assert listed(page_of(as_leela, f"{history}?show=named")) == [2]
    as_leela.post(f"{history}2/", {"name": ""})
    page = page_of(as_leela, f"{history}?show=named")
    assert listed(page) == []
    assert "No version has a name yet." in page


def test_naming_changes_nothing_else(
    as_fry: Client, leela: Person, history: str, document: Document
) -> None:
    """No version is made, the text is not restored, and a writer does not mind."""
    assert editing.take(document.pk, leela.pk)
    as_fry.post(f"{history}2/", {"name": "Two"})
    document.refresh_from_db()
    assert (document.version, document.title, document.holder) == (4, "Plan 4", leela)
    named = queries.revisions(document.pk, named=True)
    assert [(one.version, one.name) for one in named] == [(2, "Two")]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (quote("long " * 21), "at most 100 characters"),
        ("with%00null", "Null characters are not allowed"),
        ("lone%ED%A0%80surrogate", "a character that cannot be stored"),
    ],
)
def test_a_bad_name_is_refused_in_the_form(
    as_leela: Client, history: str, document: Document, name: str, sentence: str
) -> None:
    """With a sentence beside the field, which keeps what was typed."""
    revisions.rename(document.pk, 2, "Before")
    form = "application/x-www-form-urlencoded"
    answer = as_leela.post(f"{history}2/", f"name={name}", content_type=form)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert sentence in page
    kept = re.search(r'<input type="text" name="name" value="([^"]+)"', page)
    assert kept
    assert kept[1][:4] in {"long", "with", "lone"}
    assert queries.revisions(document.pk, named=True).get().name == "Before"


def test_a_name_of_the_greatest_length_is_taken() -> None:
    """Counted without the blanks around it; a surrogate is refused, not an error."""
    assert RevisionNameForm({"name": f" {'n' * 100} "}).is_valid()
    assert "name" in RevisionNameForm({"name": "\ud800"}).errors


# Length.


def test_the_history_costs_the_same_however_long(as_leela: Client, document: Document) -> None:
    """Ten versions or a thousand: the same queries, on every page and with the filter."""

    def queries_of(path: str) -> int:
        url = f"/documents/{document.pk}/history/{path}"
        with CaptureQueriesContext(connection) as seen:
            page_of(as_leela, url)
        return len(seen)

    kept = queries.revision(document.pk, 1)
    assert kept

    def lengthen(start: int, end: int) -> None:
        Revision.objects.bulk_create(
            Revision(
                document=document,
                version=version,
                author=kept.author,
                title="T",
                name="n",
                packed=kept.packed,
            )
            for version in range(start, end)
        )
        Document.objects.filter(pk=document.pk).update(version=end - 1)

    lengthen(2, 11)
    queries_of("")  # what is cached from now on
    few = queries_of("")
    comparing = queries_of("3/9/")
    lengthen(11, 1_001)
    for path in ("", "?page=20", "?show=named", "?show=named&page=7"):
        assert queries_of(path) == few, path
    assert queries_of("3/999/") == comparing
    assert listed(page_of(as_leela, f"/documents/{document.pk}/history/?page=20"))[-1] == 1


# Who may.


def test_who_may_only_read_changes_nothing(
    as_fry: Client, history: str, document: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every page opens; naming and restoring do not."""
    monkeypatch.setattr(permissions, "editable", lambda viewer: Document.objects.none())
    for path in ("", "2/", "2/4/", "compare/?old=2&new=4"):
        assert as_fry.get(f"{history}{path}").status_code in (200, 302)
    for form in ({"name": "Two"}, {}):
        assert as_fry.post(f"{history}2/", form).status_code == 404
    document.refresh_from_db()
    assert document.version == 4
    assert not queries.revisions(document.pk, named=True).exists()


def test_who_may_not_read_sees_nothing(
    as_fry: Client, history: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even that there is a history."""
    for right in ("readable", "editable"):
        monkeypatch.setattr(permissions, right, lambda viewer: Document.objects.none())
    for path in ("", "2/", "2/4/", "compare/?old=2&new=4", "compare/"):
        assert as_fry.get(f"{history}{path}").status_code == 404
    assert as_fry.post(f"{history}2/", {"name": "Two"}).status_code == 404
