"""Asking for the pen, keeping it, handing it over."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from e2e.cable import Cable
from e2e.observers import PEN_TIMES, html
from e2e.pages import Written
from e2e.people import LEAVE, Person, PersonMaker
from e2e.stack import Stack
from e2e.test_autosave import DRAFT

pytestmark = pytest.mark.complaints  # a late autosave is answered with 409
ASKED_AT = "UPDATE collab_document SET asked_at = %s WHERE id = %s"
#: What is promised: who is asked has so long to answer, then the page to store its text;
#: and who has lost the pen types no more after this (all in seconds).
ANSWER, FLUSH, READ_ONLY = 30.0, 2.0, 1.0
#: How late a process may look, and a busy machine be (seconds).
LATE = 1.5


def asks(person: Person, document: int) -> None:
    person.opens(document)
    person.button("Ask for the pen").click()
    person.sees_pen("asked", "for the pen")


def waits(stack: Stack, document: int, seconds: float) -> datetime:
    """As if the question were so old; gives its time."""
    asked_at = datetime.now(UTC) - timedelta(seconds=seconds)
    stack.sql(ASKED_AT, asked_at.isoformat(" "), document)
    return asked_at


def sends_no_drafts(person: Person) -> None:
    """What is typed reaches the server only with the pen."""
    person.page.route(DRAFT, lambda route: route.abort())


def takes_at_once(person: Person, document: int, reason: str) -> None:
    """By force, as the author may."""
    person.opens(document)
    person.page.get_by_text("Take the pen at once").click()
    person.page.get_by_label(re.compile("^Why")).fill(reason)
    person.button("Take the pen").click()
    person.sees_pen("mine", "The pen is yours")


def test_the_holder_hands_over(leela: Person, fry: Person, document: int) -> None:
    """Fry's text is stored, stays on his screen, and Leela may go on with it."""
    fry.edits(document)
    sends_no_drafts(fry)
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


@pytest.mark.parametrize("how", ["handed over", "taken"])
def test_typing_ends_within_a_second(
    stack: Stack, leela: Person, fry: Person, written: Written, how: str
) -> None:
    """From when the pen has moved until Fry's page takes no more typing, by the clocks of
    the database and of the page."""
    document = written(by="leela")
    fry.context.add_init_script(PEN_TIMES)
    fry.edits(document)
    fry.types("Half a")
    if how == "taken":
        takes_at_once(leela, document, "The client waits")
    else:
        asks(leela, document)
        fry.button("Hand over").click()
        leela.sees_pen("mine", "The pen is yours")
    expect(html(fry)).to_have_attribute("data-test-stopped", re.compile("."))
    stopped = int(html(fry).get_attribute("data-test-stopped") or 0) / 1000
    assert 0 < stopped - stack.time_of(document, "held_at").timestamp() < READ_ONLY
    expect(fry.text_field).to_have_value("Half a")


def test_no_answer_hands_over(stack: Stack, leela: Person, fry: Person, document: int) -> None:
    """After the time, Fry's page stores what is in it, and the pen moves."""
    fry.edits(document)
    asks(leela, document)
    sends_no_drafts(fry)
    fry.types("The last keystroke")
    waits(stack, document, ANSWER + 1)
    leela.sees_pen("mine", "The pen is yours", within=10_000)
    fry.sees_pen("theirs", "Leela has the pen now")
    expect(fry.text_field).to_have_value("The last keystroke")
    leela.button("Start editing").click()
    leela.page.get_by_role("link", name=re.compile("Fry’s unsaved text from")).click()
    expect(leela.test_id("diff").locator("ins").last).to_contain_text("last keystroke")


@pytest.mark.parametrize("line", ["open", "hangs"])
def test_an_answer_is_waited_for_30_seconds(
    stack: Stack, cable: Cable, person: PersonMaker, leela: Person, document: int, line: str
) -> None:
    """And no less; then the pen moves as soon as Fry's page has stored its text, or when
    that has had its two seconds."""
    fry = person("fry", url=stack.cable_url)
    fry.edits(document)
    asks(leela, document)
    if line == "hangs":
        cable.freeze()
    asked_at = waits(stack, document, ANSWER - 1.5)
    leela.sees_pen("asked")
    leela.sees_pen("mine", "The pen is yours", within=10_000)
    waited = (stack.time_of(document, "held_at") - asked_at).total_seconds()
    least = ANSWER + (FLUSH if line == "hangs" else 0)
    assert least <= waited <= ANSWER + FLUSH + LATE


def test_the_author_takes_the_pen(leela: Person, fry: Person, written: Written) -> None:
    """Leela wrote it and cannot wait: Fry reads why, and keeps his text."""
    document = written(by="leela")
    fry.edits(document)
    fry.types("Fry's text.")
    takes_at_once(leela, document, "The client waits")
    fry.sees_pen("theirs", "The client waits")
    leela.button("Start editing").click()
    leela.sees_pen("mine", "You are editing")
    fry.sees_pen("theirs", "The client waits")
    expect(fry.text_field).not_to_be_editable()
    fry.opens(document)
    expect(fry.page.get_by_role("link", name=re.compile("Restore your text"))).to_be_visible()


def test_a_pen_that_is_taken_brings_what_was_not_sent_yet(
    leela: Person, fry: Person, written: Written
) -> None:
    """None of Fry's drafts has reached the server; his page hands over what is in it."""
    document = written(by="leela")
    fry.edits(document)
    fry.page.route(re.compile(r"/draft/$"), lambda route: route.abort())
    fry.types("Never sent by itself.")
    expect(fry.save_state).to_have_attribute("data-state", "unsaved")
    takes_at_once(leela, document, "The client waits")
    fry.sees_pen("theirs", "The reason: The client waits")
    leela.button("Start editing").click()
    leela.page.get_by_role("link", name=re.compile("Fry’s unsaved text from")).click()
    expect(leela.test_id("diff")).to_contain_text("Never sent by itself")


def test_who_asked_and_left_gets_no_pen(leela: Person, fry: Person, document: int) -> None:
    """Leela closes her page; the question goes from Fry's, and he keeps the pen."""
    fry.edits(document)
    asks(leela, document)
    expect(fry.test_id("asking")).to_be_visible()
    leela.leaves()
    expect(fry.test_id("asking")).to_have_count(0, timeout=LEAVE)
    fry.sees_pen("mine")
