"""What is typed is kept, and the page says honestly where."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from e2e.people import Person
from e2e.stack import Stack
from e2e.test_conflict import expires

KEPT = "() => Object.keys(localStorage).length"


def test_typing_is_a_draft_and_no_save(leela: Person, fry: Person, document: int) -> None:
    """It says when it was kept; others see the saved text; a reload goes on."""
    leela.opens(document)
    fry.edits(document)
    fry.types("Half a thou")
    fry.sees_saved("Draft saved")
    assert fry.page.evaluate(KEPT) == 0
    leela.sees_text("Good news.")
    fry.reloads()
    expect(fry.text_field).to_have_value("Half a thou")
    fry.sees_saved("Draft saved")
    fry.saves()
    leela.sees_text("Half a thou")


@pytest.mark.complaints
def test_without_the_server_the_browser_keeps_it(fry: Person, document: int) -> None:
    """Not saved – retrying, until the server answers again."""
    fry.edits(document)
    address = re.compile(r"/draft/$")
    fry.page.route(address, lambda route: route.abort())
    fry.types("Typed into the dark.")
    expect(fry.save_state).to_have_attribute("data-state", "unsaved")
    expect(fry.save_state).to_contain_text("Not saved – retrying")
    assert fry.page.evaluate(KEPT) == 1
    fry.page.unroute(address)
    fry.sees_saved("Draft saved")
    assert fry.page.evaluate(KEPT) == 0


@pytest.mark.complaints
def test_a_page_closed_in_the_dark_loses_nothing(fry: Person, document: int) -> None:
    """The browser kept the text, and the next visit offers it, with the difference."""
    fry.edits(document)
    fry.page.route(re.compile(r"/draft/$"), lambda route: route.abort())
    fry.types("Bad news.")
    expect(fry.save_state).to_have_attribute("data-state", "unsaved")
    other = fry.second_tab(f"/documents/{document}/")
    other.page.get_by_role("link", name=re.compile("Restore your text from")).click()
    expect(other.test_id("diff").locator("ins")).to_have_text("Bad")
    assert other.page.evaluate(KEPT) == 0
    other.button("Continue with this text").click()
    other.sees_pen("mine")
    expect(other.text_field).to_have_value("Bad news.")
    other.saves()
    other.finishes()
    other.sees_text("Bad news.")
    expect(other.test_id("unsaved-text")).to_have_count(0)


@pytest.mark.complaints
def test_who_lost_the_pen_keeps_the_text(
    stack: Stack, leela: Person, fry: Person, document: int
) -> None:
    """Leela has the pen: Fry's editor takes no more typing, and shows his text,
    which waits for him on the document's page as well."""
    fry.edits(document)
    fry.types("Fry's words.")
    fry.sees_saved("Draft saved")
    expires(stack, document)
    leela.edits(document)
    fry.sees_pen("theirs", "Leela has the pen now")
    expect(fry.text_field).not_to_be_editable()
    expect(fry.text_field).to_have_value("Fry's words.")
    fry.opens(document)
    fry.page.get_by_role("link", name=re.compile("Restore your text from")).click()
    fry.button("Continue with this text").click()
    expect(fry.page.get_by_text("Somebody else has the pen.")).to_be_visible()
    leela.finishes()
    fry.button("Continue with this text").click()
    expect(fry.text_field).to_have_value("Fry's words.")


def test_another_tab_goes_on_with_the_draft(fry: Person, document: int) -> None:
    """Never in conflict with oneself."""
    fry.edits(document)
    fry.types("Begun here.")
    fry.sees_saved("Draft saved")
    other = fry.second_tab(f"/documents/{document}/edit/")
    other.button("Move editing here").click()
    expect(other.text_field).to_have_value("Begun here.")
    expect(fry.text_field).not_to_be_editable()
