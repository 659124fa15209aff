"""Two people changed one document: their changes come together."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, expect

from e2e.pages import Written
from e2e.people import Person, PersonMaker
from e2e.stack import Stack
from e2e.test_conflict import expires

pytestmark = pytest.mark.complaints  # a refused save is a 409, which the browser notes
BASE = "Good news.\n\nThe crew meets.\n\nWe leave at nine."


def while_fry_is_away(stack: Stack, leela: Person, fry: Person, document: int, text: str) -> None:
    """Fry's draft stays behind, Leela saves, and Fry goes on from his draft."""
    fry.edits(document)
    fry.types(text)
    fry.sees_saved("Draft saved")
    fry.opens_dashboard()
    stack.pen_is_freed(document)
    leela.edits(document)
    leela.types(BASE.replace("nine", "ten"))
    leela.saves()
    leela.finishes()
    fry.opens(document)
    fry.page.get_by_role("link", name=re.compile("Restore your text")).click()
    fry.button("Continue with this text").click()
    fry.is_live()


def test_changes_in_different_places(
    stack: Stack, leela: Person, fry: Person, written: Written
) -> None:
    """Merged at the save, which says so, and shown to both."""
    document = written(text=BASE)
    while_fry_is_away(stack, leela, fry, document, BASE.replace("Good", "Bad"))
    leela.opens(document)
    fry.button("Save").click()
    expect(fry.page.get_by_text("Merged with Leela’s save of")).to_be_visible()
    expect(fry.text_field).to_have_value(re.compile("Bad news.*at ten", re.DOTALL))
    leela.sees_text("Bad news.")
    leela.sees_text("We leave at ten.")


@pytest.mark.parametrize("javascript", [True, False], ids=["htmx", "plain"])
def test_changes_in_one_place(
    stack: Stack, leela: Person, fry: Person, written: Written, javascript: bool
) -> None:
    """Fry chooses what is to stand there; with or without htmx it is one form."""
    document = written(text=BASE)
    while_fry_is_away(stack, leela, fry, document, BASE.replace("nine", "eleven"))
    fry.button("Save" if javascript else "Done").click()
    expect(fry.test_id("passage")).to_have_count(1)
    fry.page.get_by_label("A text of your own", exact=True).check()
    free = fry.page.get_by_role("textbox", name="A text of your own for passage 1")
    expect(free).to_have_value("We leave at eleven.\nWe leave at ten.")
    free.fill("We leave when we leave.")
    fry.button("Save this result").click()
    expect(fry.text_field).to_have_value(re.compile("when we leave"))
    leela.opens(document)
    leela.sees_text("We leave when we leave.")


def test_what_is_typed_while_choosing_is_kept(
    stack: Stack, leela: Person, fry: Person, written: Written
) -> None:
    """Fry writes a text of his own, and his browser ends before he has sent it: it is in
    his draft, and he chooses anew."""
    document = written(text=BASE)
    while_fry_is_away(stack, leela, fry, document, BASE.replace("nine", "eleven"))
    fry.button("Save").click()
    free = fry.page.get_by_role("textbox", name="A text of your own for passage 1")
    free.fill("We leave when we leave.")
    expect(fry.test_id("kept-state")).to_contain_text("Draft saved")
    fry.leaves()
    again = fry.second_tab(f"/documents/{document}/")
    again.page.get_by_role("link", name=re.compile("Restore your text")).click()
    again.button("Continue with this text").click()
    expect(again.text_field).to_have_value(re.compile("We leave when we leave"))
    again.button("Save").click()
    free = again.page.get_by_role("textbox", name="A text of your own for passage 1")
    expect(free).to_have_value("We leave when we leave.\nWe leave at ten.")
    again.page.get_by_label("Yours", exact=True).check()
    again.button("Save this result").click()
    expect(again.text_field).to_have_value(re.compile("when we leave"))
    again.finishes()
    expect(again.test_id("unsaved-text")).to_have_count(0)


THREE = "\n\n".join(
    ["Good news.", "First.", "Second.", "Third.", "We leave at nine.", "Fourth.", "All of us."]
)


def chooses(person: Person, number: int, side: str | re.Pattern[str]) -> Locator:
    """A side of a passage; gives the passage."""
    passage = person.page.get_by_role("group", name=f"Passage {number} of 3")
    passage.get_by_role("radio", name=side).check()
    return passage


@pytest.mark.parametrize("javascript", [True, False], ids=["htmx", "plain"])
def test_each_passage_is_chosen_by_itself(
    stack: Stack, leela: Person, person: PersonMaker, written: Written, javascript: bool
) -> None:
    """Yours, theirs and a text of one's own, in one go, in a browser with and without
    JavaScript; what only one has changed, or nobody, is not asked about."""
    document = written(text=THREE)
    fry = person("fry", java_script_enabled=javascript)
    fry.page.goto(f"{fry.url}/documents/{document}/edit/")
    if javascript:
        stack.is_kept(document)
    fry.types(THREE.replace("Good", "Bad").replace("nine", "eight").replace("All", "Half"))
    stack.pen_is_freed(document)
    leela.edits(document)
    hers = THREE.replace("Good", "No").replace("nine", "ten").replace("All", "None")
    leela.types(hers.replace("Second", "And a second"))
    leela.saves()
    leela.finishes()
    fry.button("Save").click()
    expect(fry.page.get_by_role("heading", name="Two texts")).to_be_visible()
    fry.page.goto(f"{fry.url}/documents/{document}/")
    fry.page.get_by_role("link", name=re.compile("Restore your text")).click()
    fry.button("Continue with this text").click()
    fry.button("Save").click()
    expect(fry.page.get_by_role("heading", name="Two changes")).to_be_visible()
    expect(fry.test_id("passage")).to_have_count(3)
    first = chooses(fry, 1, "Yours")
    for text in ("Bad news.", "No news."):
        expect(first.get_by_text(text, exact=True)).to_be_visible()
    chooses(fry, 2, re.compile("^Leela’s, "))
    own = chooses(fry, 3, "A text of your own")
    own.get_by_role("textbox").fill("Some of us.\n\nOr more.")
    fry.button("Save this result").click()
    expect(fry.page.get_by_role("heading", name="Two changes")).to_have_count(0)
    result = THREE.replace("Good", "Bad").replace("nine", "ten").replace("Second", "And a second")
    result = result.replace("All of us.", "Some of us.\n\nOr more.")
    expect(fry.text_field).to_have_value(result)
    leela.opens(document)
    expect(leela.test_id("document-text").locator("p")).to_have_text(result.split("\n\n"))


def saved_again_meanwhile(stack: Stack, leela: Person, fry: Person, written: Written) -> int:
    """Leela saves, and saves again while Fry decides between their texts; gives the
    document."""
    document = written(text=BASE)
    fry.edits(document)
    fry.types(BASE.replace("nine", "eleven"))
    fry.sees_saved("Draft saved")
    expires(stack, document)
    leela.edits(document)
    leela.types(BASE.replace("nine", "ten"))
    leela.saves()
    fry.button("Save").click()
    expect(fry.page.get_by_label("Saved text")).to_have_value(re.compile("at ten"))
    leela.types(BASE.replace("nine", "noon"))
    leela.saves()
    leela.finishes()
    fry.button("Save my side").click()
    return document


def test_a_third_save_reopens_the_choices(
    stack: Stack, leela: Person, fry: Person, person: PersonMaker, written: Written
) -> None:
    """However often others save while Fry decides, he decides again, from what there is
    then; what he had chosen is on his side. In the end nothing of it is left unsaved."""
    document = saved_again_meanwhile(stack, leela, fry, written)
    passage = fry.test_id("passage")
    expect(passage).to_have_count(1)
    for side in ("Yours", re.compile("^Leela’s, "), "A text of your own"):
        expect(passage.get_by_role("radio", name=side)).to_be_visible()
    expect(passage).to_contain_text("We leave at noon.")
    passage.get_by_role("radio", name="A text of your own").check()
    passage.get_by_role("textbox").fill("We leave at noon or eleven.")

    bender = person("bender")
    bender.opens(document)
    bender.page.get_by_text("Take the pen at once").click()
    bender.page.get_by_label(re.compile("^Why")).fill("We leave at midnight")
    bender.button("Take the pen").click()
    bender.button("Start editing").click()
    bender.types(BASE.replace("nine", "midnight"))
    bender.saves()
    bender.finishes()
    fry.button("Save this result").click()
    expect(fry.page.get_by_label("Saved text")).to_have_value(re.compile("at midnight"))
    expect(fry.text_field).to_have_value(re.compile("at noon or eleven"))
    fry.button("Save my side").click()
    fry.sees_pen("mine")
    fry.finishes()
    fry.sees_text("We leave at noon or eleven.")
    expect(fry.test_id("unsaved-text")).to_have_count(0)


def test_a_choice_of_what_is_there_now_is_saved(
    stack: Stack, leela: Person, fry: Person, written: Written
) -> None:
    """The choices that a third save has opened lead to a save, and nothing is left."""
    saved_again_meanwhile(stack, leela, fry, written)
    fry.page.get_by_label("Yours", exact=True).check()
    fry.button("Save this result").click()
    fry.sees_pen("mine")
    fry.finishes()
    fry.sees_text("We leave at eleven.")
    expect(fry.test_id("unsaved-text")).to_have_count(0)
