"""A late save: refused, and nothing of it lost."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from e2e.people import Person, PersonMaker
from e2e.stack import Stack

Written = Callable[..., int]


def expires(stack: Stack, document: int) -> None:
    """The time of a pen runs out whose page is open."""
    stack.is_kept(document)
    stack.pen_is_freed(document)


def comes_first(stack: Stack, leela: Person, fry: Person, document: int) -> None:
    """Fry's pen runs out, and Leela writes and saves."""
    fry.sees_saved("Draft saved")  # a draft on its way takes up a free pen again
    expires(stack, document)
    leela.edits(document)
    leela.types("Leela's text.")
    leela.saves()
    leela.finishes()


@pytest.mark.complaints
def test_a_late_save_shows_both_texts(
    stack: Stack, leela: Person, fry: Person, document: int
) -> None:
    """Fry comes late: 409, both texts on one page, and the result is his choice."""
    fry.edits(document)
    fry.types("Fry's text, typed for hours.")
    comes_first(stack, leela, fry, document)
    with fry.page.expect_response(f"**/documents/{document}/edit/") as answer:
        fry.button("Save").click()
    assert answer.value.status == 409
    expect(fry.page.get_by_role("heading", name="Two texts")).to_be_visible()
    expect(fry.text_field).to_have_value("Fry's text, typed for hours.")
    expect(fry.page.get_by_label("Saved text")).to_have_value("Leela's text.")
    fry.types("Leela's text. Fry's text, typed for hours.")
    fry.button("Save my side").click()
    expect(fry.page).to_have_url(f"{fry.url}/documents/{document}/edit/?pen=3")
    leela.sees_text("Leela's text. Fry's text, typed for hours.")


def test_a_late_save_without_javascript(stack: Stack, person: PersonMaker, document: int) -> None:
    """The same page answers a plain form, with status 409."""
    fry = person("fry", java_script_enabled=False)
    leela = person("leela")
    fry.page.goto(f"{fry.url}/documents/{document}/edit/")
    fry.types("Fry's text.")
    stack.pen_is_freed(document)
    leela.edits(document)
    leela.types("Leela's text.")
    leela.saves()
    leela.finishes()
    with fry.page.expect_response(f"**/documents/{document}/edit/") as answer:
        fry.button("Save").click()
    assert answer.value.status == 409
    expect(fry.text_field).to_have_value("Fry's text.")
    expect(fry.page.get_by_label("Saved text")).to_have_value("Leela's text.")
    fry.complaints.clear()  # the browser's own note on the status


@pytest.mark.complaints
def test_the_holder_is_told_that_the_pen_is_gone(
    stack: Stack, leela: Person, fry: Person, document: int
) -> None:
    """Fry's editor says at once that Leela has the pen; his text stays."""
    fry.edits(document)
    fry.types("Fry's text.")
    fry.sees_saved("Draft saved")
    expires(stack, document)
    leela.edits(document)
    fry.sees_pen("theirs", "Leela has the pen now")
    expect(fry.text_field).to_have_value("Fry's text.")


@pytest.mark.complaints
def test_a_late_text_waits_for_its_writer(
    stack: Stack, leela: Person, person: PersonMaker, document: int
) -> None:
    """Fry walks away from the two texts: his is offered to him later, compared, and
    taken up again. Leela never sees it."""
    fry = person("fry", java_script_enabled=False)
    fry.page.goto(f"{fry.url}/documents/{document}/edit/")
    fry.types("Bad news.")
    stack.pen_is_freed(document)
    leela.edits(document)
    leela.types("Good news, everyone.")
    leela.saves()
    leela.finishes()
    fry.button("Save").click()
    expect(fry.page.get_by_role("heading", name="Two texts")).to_be_visible()
    leela.reloads()
    expect(leela.test_id("unsaved-text")).to_have_count(0)
    fry.page.goto(f"{fry.url}/documents/{document}/")
    fry.page.get_by_role("link", name=re.compile("Restore your text from")).click()
    expect(fry.test_id("diff").locator("ins").first).to_have_text("Bad")
    fry.button("Continue with this text").click()
    expect(fry.text_field).to_have_value("Bad news.")


@pytest.mark.complaints
def test_what_is_typed_beside_the_saved_text_is_kept(
    stack: Stack, leela: Person, fry: Person, document: int
) -> None:
    """Fry brings the two together and closes the tab before he has sent it."""
    fry.edits(document)
    fry.types("Fry's text.")
    comes_first(stack, leela, fry, document)
    fry.button("Save").click()
    expect(fry.page.get_by_role("heading", name="Two texts")).to_be_visible()
    fry.types("Fry's text, and Leela's.")
    expect(fry.test_id("kept-state")).to_contain_text("Draft saved")
    fry.opens(document)
    fry.page.get_by_role("link", name=re.compile("Restore your text from")).click()
    fry.button("Continue with this text").click()
    expect(fry.text_field).to_have_value("Fry's text, and Leela's.")
    leela.sees_text("Leela's text.")
