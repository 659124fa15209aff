"""Bad input to everything that edits: a clear answer, nothing lost, never a 500.

The test client raises what a view raises, so an unhandled error fails a test by
itself. What single forms answer is told in ``test_views``, ``test_drafts`` and
``test_merging``; here is what must hold for all of them.
"""

from __future__ import annotations

import html
import re
from urllib.parse import quote_plus

import pytest
from django.http import HttpResponse
from django.test import Client, override_settings
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from collab import queries
from collab.differences import difference
from collab.limits import ACTS
from collab.models import Document, Draft, Person
from collab.operations import documents, drafts, editing
from collab.operations.documents import Content
from collab.text import normalise
from e2e.lengths import length

#: Numbers that are none, are too large, or look like some.
ODD = ["", "x", "-1", "0", "1.5", "9" * 30, str(2**63), "1e5", "NaN", "²", "٣", " 1 ", "\x00"]
PLACES = ("edit/", "pen/", "draft/", "drafts/{draft}/", "history/1/", "history/99/")
KNOWN = (
    *("title", "text", "fence", "version", "sequence", "done", "decided", "rescued", "kept"),
    *("seen", "choice-1", "free-1", "kept_cover", "remove_cover", "act", "reason", "_method"),
)
VALUES = st.one_of(
    st.sampled_from([*ODD, "1", "2", "\ud800", "a\r\nb\rc", "yours", "free", "seize", "delete"]),
    st.text(max_size=40),
)
TEXTS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=200)


def post(client: Client, address: str, fields: dict[str, str], **headers: str) -> HttpResponse:
    """A form as bytes, so that even lone surrogates can be sent."""
    body = "&".join(
        f"{quote_plus(name)}={quote_plus(value.encode('utf-8', 'surrogatepass'))}"
        for name, value in fields.items()
    )
    kind = "application/x-www-form-urlencoded"
    return client.post(address, body, content_type=kind, headers=headers)  # type: ignore[return-value]


def shown(response: HttpResponse) -> str:
    return html.unescape(response.content.decode())


class Stage:
    """Fry edits version 2 of a document, and has an older unsaved text as well."""

    def __init__(self) -> None:
        self.fry = Person.objects.create_user("fry")
        leela = Person.objects.create_user("leela")
        self.pk = documents.create(leela.pk, Content("T", "one\ntwo\nthree")).pk
        earlier = editing.take(self.pk, self.fry.pk)
        assert earlier
        kept, _ = drafts.keep(
            *(self.pk, self.fry.pk),
            text="ONE\ntwo\nthree",
            fence=earlier,
            version=1,
            sequence=1,
        )
        self.draft = kept.pk
        new = "one\ntwo\n3"
        documents.save(self.pk, self.fry.pk, new, fence=earlier, version=1, sequence=0)
        self.fence = self.taken()
        self.client = Client(headers={"host": "127.0.0.1"})
        self.client.force_login(self.fry)

    def taken(self) -> int:
        """Fry begins a further stay at the editor."""
        fence = editing.take(self.pk, self.fry.pk) or editing.move(self.pk, self.fry.pk)
        assert fence
        return fence

    def text_of(self, version: int) -> str:
        kept = queries.revision(self.pk, version)
        assert kept
        return queries.text_of(kept)

    def address(self, place: str) -> str:
        return f"/documents/{self.pk}/{place.format(draft=self.draft)}"

    @property
    def document(self) -> Document:
        found: Document = Document.objects.get(pk=self.pk)
        return found

    def form(self, **changed: str) -> dict[str, str]:
        stay = {"fence": str(self.fence), "version": "2", "sequence": "5"}
        return {"text": "kept words", **stay, **changed}

    def everything(self, response: HttpResponse) -> str:
        """All places where a text can be after a request."""
        kept = Draft.objects.filter(document=self.pk).values_list("text", flat=True)
        return "\n".join([self.document.text, *kept, shown(response)])


@pytest.fixture
def stage(db: None) -> Stage:
    return Stage()


def test_a_form_that_fits_is_saved(stage: Stage) -> None:
    """What the others break is otherwise in order."""
    assert post(stage.client, stage.address("edit/"), stage.form()).status_code == 302
    assert stage.document.text == "kept words"


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("name", ["fence", "version", "sequence", "seen", "rescued", "decided"])
@pytest.mark.parametrize("htmx", [{}, {"hx-request": "true"}], ids=["plain", "htmx"])
def test_an_odd_number_loses_no_text(
    stage: Stage, name: str, odd: str, htmx: dict[str, str]
) -> None:
    """Saved, kept as a draft, or back on the page (which htmx leaves as it was)."""
    answer = post(stage.client, stage.address("edit/"), stage.form(**{name: odd}), **htmx)
    assert answer.status_code < 500
    is_left_alone = htmx and answer.status_code == 422
    assert is_left_alone or "kept words" in stage.everything(answer)
    if answer.status_code in (400, 422):
        assert re.search(r'role="alert"|errorlist|data-state="unsaved"', answer.content.decode())


@pytest.mark.parametrize("act", ["keep", "hand_over", "withdraw", "ask", "seize", "nonsense", ""])
@pytest.mark.parametrize("odd", ODD)
def test_an_odd_fence_does_not_move_somebodys_pen(stage: Stage, act: str, odd: str) -> None:
    """Whatever the button: no error, and Leela keeps what is hers."""
    leela = Person.objects.get(username="leela")
    Document.objects.filter(pk=stage.pk).update(holder=leela)
    Document.objects.ask(stage.pk, stage.fry.pk)
    fields = stage.form(fence=odd, act=act, reason=odd)
    assert post(stage.client, stage.address("pen/"), fields).status_code < 500
    assert stage.document.holder == leela


@pytest.mark.parametrize(
    "stray", [{"version": "3"}, {"version": "0"}, {"fence": "7"}, {"fence": "0"}]
)
def test_a_stay_of_another_document(stage: Stage, stray: dict[str, str]) -> None:
    """Versions and fences that this one has not, or not yet: nothing is saved, and
    the text is back on the page or a draft."""
    before = stage.document.version
    for place in ("edit/", "draft/"):
        answer = post(stage.client, stage.address(place), stage.form(**stray))
        assert answer.status_code in (200, 409, 422)
        assert "kept words" in stage.everything(answer) or "copy it" in shown(answer)
    assert stage.document.version == before


@pytest.fixture
def other(stage: Stage) -> Draft:
    """Fry's unsaved text in another document, which has versions that this one has not."""
    pk = documents.create(stage.fry.pk, Content("Other", "1")).pk
    fence = editing.take(pk, stage.fry.pk)
    assert fence
    for version in range(1, 9):
        documents.save(pk, stage.fry.pk, f"{version}", fence=fence, version=version)
    later = editing.move(pk, stage.fry.pk)
    assert later
    stay = {"fence": later, "version": 9, "sequence": 1}
    return drafts.keep(pk, stage.fry.pk, text="other words", is_late=False, **stay)[0]


@pytest.mark.parametrize("place", ["edit/", "draft/"])
@pytest.mark.parametrize("taken", [["version"], ["version", "fence"], ["version", "seen"]], ids=str)
def test_the_base_of_another_document(
    stage: Stage, other: Draft, place: str, taken: list[str]
) -> None:
    """A real one, of the same person: it is no base here. Nothing is saved in either, and
    no text of the other comes over."""
    present = Document.objects.get(pk=other.document_id)
    assert stage.document.version < present.version
    of_other = {"version": present.version, "fence": present.fence, "seen": present.version}
    before = stage.document.version
    form = stage.form(**{name: str(of_other[name]) for name in taken})
    answer = post(stage.client, stage.address(place), form)
    assert answer.status_code in (200, 409, 422)
    assert "kept words" in stage.everything(answer) or "copy it" in shown(answer)
    assert stage.document.version == before
    assert Document.objects.get(pk=present.pk).version == present.version
    assert "other words" not in stage.everything(answer)


def test_the_unsaved_text_of_another_document(stage: Stage, other: Draft) -> None:
    """It is not found here, and no save here settles it."""
    address = f"/documents/{stage.pk}/drafts/{other.pk}/"
    assert stage.client.get(address).status_code == 404
    for method in ({}, {"_method": "delete"}):
        assert post(stage.client, address, method).status_code == 404
    other.refresh_from_db()
    assert (other.text, other.is_settled) == ("other words", False)


@pytest.mark.parametrize(
    "invented",
    [
        {"choice-1": "yours", "choice-2": "yours", "free-9": "x"},
        {"choice-0": "free", "free-0": "x"},
        {"choice-1": "free"},
        {"choice-1": "", "free-1": ""},
        {"choice-1": "theirs\x00", "free-1": "\ud800"},
    ],
)
@pytest.mark.parametrize("seen", ["2", "1", "3", "x"])
def test_missing_and_invented_passages(stage: Stage, invented: dict[str, str], seen: str) -> None:
    """The text of the one who chose is saved, asked about again, or a draft."""
    form = stage.form(version="1", text="one\ntwo\nIII", seen=seen, **invented)
    answer = post(stage.client, stage.address("edit/"), form)
    assert answer.status_code in (302, 409, 422)
    if answer.status_code != 302:
        assert "III" in stage.everything(answer)
        assert stage.document.text == "one\ntwo\n3"


@pytest.mark.parametrize("place", ["edit/", "draft/", "pen/"])
@pytest.mark.parametrize(
    ("text", "says"), [("ä" * 100_001, "holds up to 200 KB"), ("kept\x00words", "Null characters")]
)
def test_a_text_that_cannot_be_kept_is_told(stage: Stage, place: str, text: str, says: str) -> None:
    """A sentence, nothing stored, and who sends a whole page gets the text back."""
    before = stage.document.text
    form = stage.form(text=text, act="hand_over")
    answer = post(stage.client, stage.address(place), form)
    assert answer.status_code == 422
    assert says in shown(answer)
    assert place != "edit/" or text in shown(answer)
    assert stage.document.text == before
    assert not Draft.objects.filter(sequence=5).exists()


def test_the_longest_text_fits(stage: Stage) -> None:
    """200,000 bytes, counted as they are stored."""
    text = "ä" * 100_000
    assert post(stage.client, stage.address("edit/"), stage.form(text=text)).status_code == 302
    assert stage.document.text == text


def test_a_lone_surrogate_becomes_a_sign_that_something_was_there(stage: Stage) -> None:
    """PostgreSQL could not store it."""
    form = stage.form(text="a\ud800b")
    assert post(stage.client, stage.address("draft/"), form).status_code == 200
    assert post(stage.client, stage.address("edit/"), form).status_code == 302
    assert re.fullmatch("a\ufffd+b", stage.document.text)


@pytest.mark.parametrize("ends", ["\r\n", "\r", "\n"])
def test_line_ends_are_nobodys_change(stage: Stage, ends: str) -> None:
    """A browser sends CRLF; saved, drafted, compared and counted it is no change."""
    same = stage.document.text.replace("\n", ends)
    form = stage.form(text=same)
    post(stage.client, stage.address("draft/"), form)
    assert not queries.unsaved(stage.pk, stage.fry.pk).filter(fence=stage.fence).exists()
    post(stage.client, stage.address("edit/"), {**form, "done": "1"})
    assert stage.document.version == 2, "nothing was changed, so nothing is published"
    stage.fence = stage.taken()
    post(stage.client, stage.address("edit/"), stage.form(text=same))
    last = queries.revisions(stage.pk)[0]
    assert (last.version, last.words_added, last.words_removed) == (3, 0, 0)
    pieces = difference(stage.text_of(2), stage.text_of(3))
    assert {piece.kind for piece in pieces} == {"same"}


def test_mixed_line_ends_are_normalised_once(stage: Stage) -> None:
    """On entry, wherever that is; what comes out goes in again unchanged."""
    mixed = "a\r\nb\rc\n\r\n\n\rd"
    plain = "a\nb\nc\n\n\n\nd"
    post(stage.client, stage.address("draft/"), stage.form(text=mixed))
    assert queries.unsaved(stage.pk, stage.fry.pk).get(fence=stage.fence).text == plain
    post(stage.client, stage.address("edit/"), stage.form(text=mixed, sequence="6"))
    assert stage.document.text == plain == normalise(plain)


#: Whoever sends thousands of forms is told to wait, which is told elsewhere.
UNLIMITED = {name: 0 for name, _ in ACTS.values()}


@override_settings(LIMITS=UNLIMITED)
class Fuzz(TestCase):
    """Forms that nobody would send, to all places that take them."""

    @settings(max_examples=length(60, full=1000), deadline=None)
    @given(
        st.sampled_from(PLACES),
        st.dictionaries(st.sampled_from(KNOWN), VALUES, max_size=8),
        st.booleans(),
    )
    @example(place="edit/", fields={"text": "a\x00b", "fence": ""}, by_htmx=False)
    def test_no_form_is_an_error_or_loses_its_text(
        self, place: str, fields: dict[str, str], by_htmx: bool
    ) -> None:
        stage = Stage()
        headers = {"hx-request": "true"} if by_htmx else {}
        form = stage.form(**fields)
        answer = post(stage.client, stage.address(place), form, **headers)
        assert answer.status_code < 500
        if place == "edit/" and answer.status_code != 422:
            there = normalise(stage.everything(answer))
            for line in normalise(form["text"]).split("\n"):
                assert line in there

    @settings(max_examples=length(25, full=500), deadline=None)
    @given(st.dictionaries(st.sampled_from(KNOWN), VALUES, max_size=4))
    def test_no_new_document_is_an_error(self, fields: dict[str, str]) -> None:
        stage = Stage()
        answer = post(stage.client, "/documents/new/", fields)
        assert answer.status_code in (302, 422)
        if answer.status_code == 422:
            assert normalise(fields.get("text", "")) in normalise(shown(answer))

    @settings(max_examples=length(25, full=500), deadline=None)
    @given(TEXTS)
    @example("\n\n  leading and trailing  \n\n")
    @example("</textarea><script>")
    @example("\u2028\u2029\x85\x0b\x0c\x1c")
    def test_what_goes_in_comes_out(self, text: str) -> None:
        """As draft, as saved text, as an old version, and in the editor's field."""
        stage = Stage()
        expected = normalise(text)
        post(stage.client, stage.address("draft/"), stage.form(text=text))
        kept = Draft.objects.get(person=stage.fry, fence=stage.fence)
        assert kept.text == expected
        editor = stage.client.get(stage.address(f"edit/?pen={stage.fence}"))
        found = re.search(
            r'<textarea name="text"[^>]*id="id_text"[^>]*>\n(.*?)</textarea>',
            editor.content.decode(),
            re.DOTALL,
        )
        assert found
        assert html.unescape(found[1]) == expected
        post(stage.client, stage.address("edit/"), stage.form(text=text, sequence="6"))
        assert stage.document.text == expected
        assert stage.text_of(3) == expected
