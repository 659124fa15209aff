"""Merging: nobody's words are dropped without somebody choosing so."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from collab import queries
from collab.merging import Passage, joined, merge, without_gaps
from collab.models import Document, Person
from collab.operations import documents, editing, headings
from collab.operations.documents import Content

BASE = "one\ntwo\nthree\nfour\nfive"
TEXTS = st.lists(st.sampled_from(["a", "b", "", "c d", "\u2028x"]), max_size=8).map("\n".join)


def test_changes_in_different_places_come_together() -> None:
    """Both are in the result."""
    passages = merge(BASE, BASE.replace("one", "ONE"), BASE.replace("five", "FIVE"))
    assert joined(passages) == "ONE\ntwo\nthree\nfour\nFIVE"


def test_changes_in_one_place_are_asked_about() -> None:
    """Each with both sides; the rest is merged."""
    passages = merge(BASE, BASE.replace("two", "2"), BASE.replace("two", "II") + "\nsix")
    (overlap,) = [passage for passage in passages if passage.overlaps]
    assert (overlap.your_text, overlap.their_text) == ("2", "II")
    assert joined(passages, ["2 or II"]) == "one\n2 or II\nthree\nfour\nfive\nsix"
    with pytest.raises(ValueError, match="one text"):
        joined(passages)


@given(TEXTS, TEXTS)
def test_one_side_alone_wins(base: str, new: str) -> None:
    """Whoever changed nothing has nothing to say; and the same change is one."""
    assert joined(merge(base, new, base)) == new
    assert joined(merge(base, base, new)) == new
    assert joined(merge(base, new, new)) == new


@given(TEXTS, TEXTS, TEXTS)
def test_no_new_line_is_lost(base: str, yours: str, theirs: str) -> None:
    """What somebody added is in the result or in a passage to choose."""
    passages = merge(base, yours, theirs)
    seen = [line for passage in passages for line in passage.lines]
    seen += [line for passage in passages for line in (*passage.yours, *passage.theirs)]
    for text in (yours, theirs):
        assert set(text.split("\n")) - set(base.split("\n")) <= set(seen)


# Over HTTP.


@pytest.fixture
def moved(db: None, leela: Person, fry: Person) -> Document:
    """Leela saved version 2 meanwhile; Fry has the pen and an editor of version 1."""
    document = documents.create(leela.pk, Content("Plan", BASE))
    fence = editing.take(document.pk, leela.pk)
    assert fence
    content = BASE.replace("five", "FIVE")
    documents.save(document.pk, leela.pk, content, fence=fence, version=1)
    editing.release(document.pk, leela.pk, fence)
    editing.take(document.pk, fry.pk)
    document.refresh_from_db()
    return document


def save(client: Client, document: Document, text: str, **fields: str) -> str:
    """Fry's save from version 1; gives the page that follows."""
    form = {"text": text, "fence": str(document.fence), "version": "1"}
    if "seen" not in fields:  # choices have none: they are the last word
        form["sequence"] = "7"
    form |= fields
    answer = client.post(f"/documents/{document.pk}/edit/", form, follow=True)
    return answer.content.decode()


def text_of(document: Document) -> str:
    document.refresh_from_db()
    return document.text


def side(passages: Sequence[Passage], name: str) -> list[str]:
    """The whole text as one of the two has it."""
    lines = [getattr(p, name) if p.overlaps else p.lines for p in passages]
    return [line for part in lines for line in part]


@given(TEXTS, TEXTS, TEXTS, st.integers(0, 5))
def test_overlaps_that_become_one_keep_every_line(
    base: str, yours: str, theirs: str, gap: int
) -> None:
    """What lay between them is part of both sides."""
    passages = merge(base, yours, theirs)
    fewer = without_gaps(passages, gap)
    for name in ("yours", "theirs"):
        assert side(fewer, name) == side(passages, name)
    gaps = [
        len(middle.lines)
        for first, middle, last in zip(fewer, fewer[1:], fewer[2:], strict=False)
        if first.overlaps and last.overlaps
    ]
    assert all(found > gap for found in gaps)


@pytest.mark.parametrize(("paragraphs", "choices"), [(100, 100), (101, 1), (5_000, 1)])
def test_nobody_has_to_choose_a_thousand_times(paragraphs: int, choices: int) -> None:
    """Both have written everything anew: then it is one choice."""
    texts = ("\n\n".join(f"{who} {n}" for n in range(paragraphs)) for who in ("a", "b", "c"))
    passages = merge(*texts)
    assert sum(passage.overlaps for passage in passages) == choices
    assert len(side(passages, "yours")) == paragraphs * 2 - 1


def test_changes_far_apart_stay_choices_of_their_own() -> None:
    """Only as much becomes one as must."""
    lines = [str(number) for number in range(1_000)]
    near = {n: f"{{who}} {n}" for n in range(0, 400, 2)}
    far = {n: f"{{who}} {n}" for n in (600, 700, 800)}
    changed = [(near | far).get(n, line) for n, line in enumerate(lines)]
    yours, theirs = ("\n".join(changed).replace("{who}", who) for who in ("b", "c"))
    passages = merge("\n".join(lines), yours, theirs)
    assert [len(p.yours) for p in passages if p.overlaps] == [399, 1, 1, 1]


def test_a_save_is_merged_and_says_so(moved: Document, as_fry: Client) -> None:
    """With whose save."""
    page = save(as_fry, moved, BASE.replace("one", "ONE"))
    assert "Merged with Leela’s save of" in page
    assert text_of(moved) == "ONE\ntwo\nthree\nfour\nFIVE"
    assert moved.version == 3


def test_a_save_by_htmx_is_merged_and_shown(moved: Document, as_fry: Client) -> None:
    """The editor must show the result, so it is loaded again."""
    form = {"text": BASE.replace("one", "ONE"), "fence": str(moved.fence)}
    answer = as_fry.post(
        f"/documents/{moved.pk}/edit/", {**form, "version": "1"}, headers={"HX-Request": "true"}
    )
    assert answer["HX-Redirect"] == f"/documents/{moved.pk}/edit/?pen={moved.fence}"
    assert "Merged with" in as_fry.get(answer["HX-Redirect"]).content.decode()


def test_a_merge_names_those_whose_text_it_was(
    moved: Document, as_fry: Client, leela: Person, fry: Person
) -> None:
    """Leela saved, Amy saved, and Bender gave it another title: Bender wrote none of it."""
    amy, bender = (Person.objects.create_user(name) for name in ("amy", "bender"))
    Document.objects.filter(pk=moved.pk).update(holder=amy.pk)
    more = text_of(moved) + "\nsix"
    documents.save(moved.pk, amy.pk, more, fence=moved.fence, version=2)
    Document.objects.filter(pk=moved.pk).update(holder=fry.pk)
    headings.retitle(moved.pk, bender.pk, title="Bender's", version=1)
    page = save(as_fry, moved, BASE.replace("five", "5"))
    assert f"{amy.name}’s, " in page
    page = save(as_fry, moved, BASE.replace("one", "1"))
    assert f"Merged with {amy.name}’s save of" in page
    assert "and what 1 other saved before." in page


def test_overlaps_are_chosen_passage_by_passage(
    moved: Document, as_fry: Client, fry: Person
) -> None:
    """Yours, theirs, or a text of one's own; meanwhile the text is a draft."""
    yours = BASE.replace("five", "5").replace("one", "ONE")
    page = save(as_fry, moved, yours)
    assert "Passage 1 of 1" in page
    assert queries.unsaved(moved.pk, fry.pk).get().text == yours
    assert text_of(moved).endswith("FIVE")
    chosen = {"seen": "2", "choice-1": "free", "free-1": "5 (FIVE)"}
    save(as_fry, moved, yours, **chosen)
    assert text_of(moved) == "ONE\ntwo\nthree\nfour\n5 (FIVE)"
    assert not queries.unsaved(moved.pk, fry.pk).exists()


def kept_while_choosing(client: Client, document: Document, **fields: str) -> str:
    """What a page with two texts sends while somebody types there."""
    form = {"fence": str(document.fence), "version": "1", **fields}
    answer = client.post(f"/documents/{document.pk}/draft/", form, headers={"HX-Request": "true"})
    return f"{answer.status_code} {answer.content.decode()}"


def test_what_is_typed_while_choosing_is_a_draft(
    moved: Document, as_fry: Client, fry: Person
) -> None:
    """Nobody has sent it yet: one's own side with it, whatever is ticked. It ends with
    the save of the result."""
    yours = BASE.replace("five", "5").replace("one", "ONE")
    save(as_fry, moved, yours)
    typing = {"seen": "2", "choice-1": "theirs", "text": yours}
    answer = kept_while_choosing(as_fry, moved, **typing, **{"free-1": "5\r\nFIVE"})
    assert answer.startswith("200")
    assert "Draft saved" in answer
    assert queries.unsaved(moved.pk, fry.pk).get().text == yours
    kept_while_choosing(as_fry, moved, **typing, **{"free-1": "both of it"})
    assert queries.unsaved(moved.pk, fry.pk).get().text == "ONE\ntwo\nthree\nfour\nboth of it"
    save(as_fry, moved, yours, **{"seen": "2", "choice-1": "theirs"})
    assert text_of(moved).endswith("FIVE")
    late = kept_while_choosing(as_fry, moved, **typing, **{"free-1": "on its way meanwhile"})
    assert late.startswith("204")
    assert not queries.unsaved(moved.pk, fry.pk).exists()


def test_what_is_typed_beside_a_saved_text_is_a_draft(
    moved: Document, as_fry: Client, leela: Person, fry: Person
) -> None:
    """The one that was rescued when the save came too late."""
    stale = str(moved.fence)
    assert editing.seize(moved.pk, leela.pk, "It is late.")
    page = save(as_fry, moved, "Fry's", fence=stale)
    (rescued,) = re.findall(r'name="rescued" value="(\d+)"', page)
    typing = {"decided": "1", "rescued": rescued, "version": "2"}
    assert kept_while_choosing(as_fry, moved, **typing, text="Fry's, and hers").startswith("200")
    draft = queries.unsaved(moved.pk, fry.pk).get()
    assert (draft.text, draft.fence, draft.base_version) == ("Fry's, and hers", int(stale), 1)
    for wrong in ("", "x", "0", str(2**63)):
        answer = kept_while_choosing(as_fry, moved, **{**typing, "rescued": wrong}, text="Lost?")
        assert answer.startswith("404")
    answer = kept_while_choosing(as_fry, moved, **typing, text="x" * 300_000)
    assert answer.startswith("422")
    assert "200 KB" in answer


@pytest.mark.parametrize(("choice", "result"), [("yours", "5"), ("theirs", "FIVE")])
def test_one_side_of_a_passage(moved: Document, as_fry: Client, choice: str, result: str) -> None:
    """Either is one click."""
    save(as_fry, moved, BASE.replace("five", "5"), **{"seen": "2", "choice-1": choice})
    assert text_of(moved).endswith(f"\n{result}")


@pytest.mark.parametrize(
    "fields", [{"seen": "2"}, {"seen": "2", "choice-1": "mine"}, {"seen": "2", "choice-2": "yours"}]
)
def test_a_missing_choice_is_asked_again(
    moved: Document, as_fry: Client, fields: dict[str, str]
) -> None:
    """422, with everything still there, and nothing saved."""
    form = {"text": BASE.replace("five", "5"), "fence": str(moved.fence)}
    answer = as_fry.post(f"/documents/{moved.pk}/edit/", {**form, "version": "1", **fields})
    assert answer.status_code == 422
    assert "Choose for every passage" in answer.content.decode()
    assert text_of(moved).endswith("FIVE")


@pytest.mark.parametrize("seen", ["99", "1", "nonsense", "0"])
def test_an_impossible_version_asks_anew(moved: Document, as_fry: Client, seen: str) -> None:
    """The page is built from what the document holds now."""
    form = {"text": BASE.replace("five", "5"), "fence": str(moved.fence)}
    fields = {"version": "1", "seen": seen, "choice-1": "yours"}
    answer = as_fry.post(f"/documents/{moved.pk}/edit/", {**form, **fields})
    assert answer.status_code in (409, 422)
    assert text_of(moved).endswith("FIVE")


def test_a_third_save_opens_it_again(
    moved: Document, as_fry: Client, leela: Person, fry: Person
) -> None:
    """Chosen against version 2, but version 3 says something else there."""
    Document.objects.filter(pk=moved.pk).update(holder=leela.pk)
    content = BASE.replace("five", "VI")
    documents.save(moved.pk, leela.pk, content, fence=moved.fence, version=2)
    Document.objects.filter(pk=moved.pk).update(holder=fry.pk)
    page = save(as_fry, moved, BASE.replace("five", "5"), **{"seen": "2", "choice-1": "yours"})
    assert "Passage 1 of 1" in page
    assert "VI" in page
    assert text_of(moved).endswith("VI")


def test_a_third_save_forgets_no_choice(
    moved: Document, as_fry: Client, leela: Person, fry: Person
) -> None:
    """The page that opens again has what the choices made, and so has the draft."""
    page = save(as_fry, moved, BASE.replace("five", "5"))
    assert 'name="sequence"' not in page, "what comes of it is newer than what was typed"
    Document.objects.filter(pk=moved.pk).update(holder=leela.pk)
    content = BASE.replace("five", "VI")
    documents.save(moved.pk, leela.pk, content, fence=moved.fence, version=2)
    Document.objects.filter(pk=moved.pk).update(holder=fry.pk)
    chosen = {"seen": "2", "choice-1": "free", "free-1": "5, or FIVE"}
    page = save(as_fry, moved, BASE.replace("five", "5"), **chosen)
    result = BASE.replace("five", "5, or FIVE")
    assert f'name="text" value="{result}"' in page
    draft = queries.unsaved(moved.pk, fry.pk).get()
    assert (draft.text, draft.base_version) == (result, 2)


def test_a_forgotten_passage_keeps_the_other_choices(moved: Document, as_fry: Client) -> None:
    """And what was written of one's own."""
    text = BASE.replace("five", "5")
    page = save(as_fry, moved, text, **{"seen": "2", "free-1": "My own words"})
    assert "My own words</textarea>" in page
    page = save(as_fry, moved, text, **{"seen": "2", "choice-1": "free", "free-1": "x" * 200_001})
    assert "holds up to 200 KB" in page
    assert 'value="free" checked' in page
    assert "x" * 200_001 in page
    assert text_of(moved).endswith("FIVE")


def test_two_texts_that_are_too_long_together(moved: Document, as_fry: Client) -> None:
    """Each fits, the merge does not: both are shown, nothing is cut."""
    added = "one\n" + "x" * 199_000
    Document.objects.filter(pk=moved.pk).update(text=BASE + "\n" + "y" * 100_000)
    page = save(as_fry, moved, BASE.replace("one", added))
    assert "Two texts" in page
    assert "x" * 199_000 in page
    assert "y" * 100_000 in page
