"""Asking for the pen, keeping it, handing it over."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from e2e.pages import Written
from e2e.people import Person
from e2e.stack import Stack

pytestmark = pytest.mark.complaints  # a late autosave is answered with 409
WAITED = "UPDATE collab_document SET asked_at='2000-01-01 00:00:00+00:00' WHERE id=%s"


def asks(person: Person, document: int) -> None:
    person.opens(document)
    person.button("Ask for the pen").click()
    person.sees_pen("asked", "for the pen")


def test_the_holder_hands_over(leela: Person, fry: Person, document: int) -> None:
    """Fry's text is stored, stays on his screen, and Leela may go on with it."""
    fry.edits(document)
    fry.types("Fry's half sentence")
    asks(leela, document)
    asking = fry.test_id("asking")
    expect(asking).to_contain_text("Leela asks for the pen")
    fry.button("Hand over").click()
    expect(fry.save_state).to_contain_text("as your unsaved text")
    fry.sees_pen("theirs", "Leela has the pen now")
    expect(fry.text_field).not_to_be_editable()
    expect(fry.text_field).to_have_value("Fry's half sentence")
    leela.sees_pen("mine", "The pen is yours")
    leela.button("Start editing").click()
    expect(leela.text_field).to_have_value("Good news.")
    leela.page.get_by_role("link", name=re.compile("Fry’s unsaved text from")).click()
    expect(leela.test_id("diff")).to_contain_text("half sentence")
    leela.button("Continue with this text").click()
    expect(leela.text_field).to_have_value("Fry's half sentence")
    leela.saves()


def test_the_holder_keeps_the_pen(leela: Person, fry: Person, document: int) -> None:
    """Keep answers the question on both pages, and Fry writes on."""
    fry.edits(document)
    asks(leela, document)
    fry.button("Keep").click()
    expect(fry.test_id("asking")).to_have_count(0)
    leela.sees_pen("theirs", "Fry has had the pen since")
    fry.types("Fry writes on.")
    fry.saves()


def test_no_answer_hands_over(stack: Stack, leela: Person, fry: Person, document: int) -> None:
    """After the time, Fry's page stores what is in it, and the pen moves."""
    fry.edits(document)
    asks(leela, document)
    fry.types("The last keystroke")
    stack.sql(WAITED, document)
    leela.sees_pen("mine", "The pen is yours", within=10_000)
    fry.sees_pen("theirs", "Leela has the pen now")
    expect(fry.text_field).to_have_value("The last keystroke")
    leela.button("Start editing").click()
    leela.page.get_by_role("link", name=re.compile("Fry’s unsaved text from")).click()
    expect(leela.test_id("diff").locator("ins").last).to_contain_text("last keystroke")


def test_the_author_takes_the_pen(leela: Person, fry: Person, written: Written) -> None:
    """Leela wrote it and cannot wait: Fry reads why, and keeps his text."""
    document = written(by="leela")
    fry.edits(document)
    fry.types("Fry's text.")
    leela.opens(document)
    leela.page.get_by_text("Take the pen at once").click()
    leela.page.get_by_label(re.compile("^Why")).fill("The client waits")
    leela.button("Take the pen").click()
    leela.sees_pen("mine", "You are editing")
    fry.sees_pen("theirs", "The client waits")
    expect(fry.text_field).not_to_be_editable()
    fry.opens(document)
    expect(fry.page.get_by_role("link", name=re.compile("Restore your text"))).to_be_visible()
