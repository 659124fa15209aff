"""Never in conflict with oneself: tabs, the way back, sleep, an answer that is lost."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Playwright, expect

from e2e.cable import Cable
from e2e.chromium import launch_options
from e2e.conftest import in_a_hurry
from e2e.hurried import LEASE_SECONDS
from e2e.observers import html
from e2e.people import LEAVE, Person, PersonMaker, listen, sign_in
from e2e.stack import Stack

pytestmark = pytest.mark.complaints  # a broken line is noted in the console
#: A page may take this long to come back (milliseconds).
BACK = 15_000
#: Until a hurried pen has run out, and somebody has looked (milliseconds).
RUNS_OUT = 1_000 * LEASE_SECONDS + 5_000
#: What Playwright switches off, and people have.
CACHE_OFF = "--disable-back-forward-cache"


#: Why the browser has not kept the page that is come back to, in its own words:
#: html[data-test-loaded]; or "kept".
NOT_KEPT = re.compile("no-store")
KEPT_OR_NOT = """
const note = (how) => { document.documentElement.dataset.testLoaded = how; };
addEventListener("pageshow", ({ persisted }) => {
  if (persisted) { note("kept"); return; }
  const [entry] = performance.getEntriesByType("navigation");
  if (entry.type !== "back_forward") return;
  note((entry.notRestoredReasons?.reasons ?? []).map(({ reason }) => reason).sort().join(" "));
});
"""


def no_conflict(person: Person) -> None:
    """The editor, and no page with two texts."""
    expect(person.page.get_by_role("heading", name=re.compile("^Two"))).to_have_count(0)


@pytest.fixture
def returning(playwright: Playwright, stack: Stack) -> Iterator[Person]:
    """Fry, in a browser that may keep pages for the way back."""
    options = launch_options(playwright)
    browser = playwright.chromium.launch(**options, ignore_default_args=[CACHE_OFF])
    context = browser.new_context()
    sign_in(context.request, stack.urls[0], "fry")
    fry = Person("fry", stack.urls[0], context, context.new_page())
    listen(fry)
    yield fry
    browser.close()


def test_there_and_back(returning: Person, document: int) -> None:
    """Fry types, goes to another page and comes back by the browser's button.

    Pass: the browser has not kept the page, whose text must not be stored, but loads it
    anew; his words are in the editor, it is live, has the pen, and saves.
    """
    fry = returning
    fry.context.add_init_script(KEPT_OR_NOT)
    fry.edits(document)
    fry.types("Before the trip.")
    fry.sees_saved("Draft saved")
    shown = "Before the trip."
    for words in ("After the trip.", "After the second."):
        fry.link("Collab").click()
        fry.is_live()
        fry.page.go_back()
        fry.is_live()
        expect(html(fry)).to_have_attribute("data-test-loaded", NOT_KEPT)
        fry.sees_pen("mine", "You are editing")
        expect(fry.text_field).to_have_value(shown)
        fry.types(words)
        fry.saves()
        no_conflict(fry)
        shown = words
    fry.finishes()
    fry.sees_text("After the second.")
    expect(fry.test_id("unsaved-text")).to_have_count(0)


def test_back_after_a_long_time(returning: Person, leela: Person, document: int) -> None:
    """As before, but the pen was given back meanwhile, as it is for a page that is gone.

    Pass: Fry is offered the words he left behind, goes on with them, and saves.
    """
    fry = returning
    leela.opens(document)
    fry.edits(document)
    fry.types("Left behind.")
    fry.sees_saved("Draft saved")
    fry.link("Collab").click()
    leela.sees_pen("free", within=LEAVE)
    fry.page.go_back()
    fry.is_live()
    fry.sees_pen("mine", "You are editing")
    fry.page.get_by_role("link", name=re.compile("Restore your text from")).click()
    fry.button("Continue with this text").click()
    expect(fry.text_field).to_have_value("Left behind.")
    fry.saves()
    no_conflict(fry)
    leela.sees_text("Left behind.")


def test_editing_moves_between_two_tabs_and_back(fry: Person, document: int) -> None:
    """What is typed goes along each time; the tab without the pen takes no typing.

    Pass: each tab saves in turn, and there is never a page with two texts.
    """
    fry.edits(document)
    fry.types("One.")
    fry.sees_saved("Draft saved")
    other = fry.second_tab(f"/documents/{document}/edit/")
    other.button("Move editing here").click()
    expect(other.text_field).to_have_value("One.")
    expect(fry.text_field).not_to_be_editable()
    other.types("One. Two.")
    other.saves()
    fry.button("Move editing here").click()
    expect(fry.text_field).to_have_value("One. Two.")
    expect(other.text_field).not_to_be_editable()
    fry.types("One. Two. Three.")
    fry.saves()
    for tab in (fry, other):
        no_conflict(tab)
    fry.finishes()
    fry.sees_text("One. Two. Three.")
    expect(fry.test_id("unsaved-text")).to_have_count(0)


def asleep(stack: Stack, cable: Cable, person: PersonMaker, document: int) -> tuple[Person, Person]:
    """Leela reads, and Fry's lid is closed for a minute in the middle of his sentence:
    no network, and no timer runs meanwhile. Gives both."""
    leela, fry = person("leela"), person("fry", url=stack.cable_url)
    fry.page.clock.install()
    fry.edits(document)
    fry.types("In the middle")
    fry.sees_saved("Draft saved")
    leela.opens(document)
    cable.pull()
    fry.is_connected("offline")
    fry.page.clock.fast_forward(60_000)
    return leela, fry


@in_a_hurry
def test_sleep(stack: Stack, cable: Cable, person: PersonMaker, document: int) -> None:
    """Fry's laptop sleeps for a minute in the middle of a sentence, and for longer than
    his pen lasts; nobody writes.

    Pass: the pen was free meanwhile; when Fry is back it is his again without a
    click, his words are drafts, and he saves without a page with two texts.
    """
    leela, fry = asleep(stack, cable, person, document)
    expect(fry.text_field).not_to_be_editable()
    leela.sees_pen("theirs", "Fry has had the pen since")
    leela.sees_pen("free", within=RUNS_OUT)
    cable.plug()
    fry.is_connected("live", within=BACK)
    fry.sees_pen("mine", "You are editing")
    leela.sees_badge(document, "editing", "Fry is editing")
    expect(fry.text_field).to_be_editable()
    fry.types("In the middle of a sentence.")
    fry.sees_saved("Draft saved")
    fry.saves()
    no_conflict(fry)
    leela.sees_text("In the middle of a sentence.")


def test_sleep_while_somebody_only_looked(
    stack: Stack, cable: Cable, person: PersonMaker, document: int
) -> None:
    """Leela had the pen meanwhile and gave it back without a save.

    Pass: he asks for the pen back with a click, goes on with his words, and his save is
    no conflict; nothing remains unsaved.
    """
    leela, fry = asleep(stack, cable, person, document)
    stack.pen_runs_out(document)
    leela.sees_pen("free")
    leela.edits(document)
    leela.finishes()
    cable.plug()
    fry.is_connected("live", within=BACK)
    fry.sees_pen("free", "Nobody has the pen")
    expect(fry.text_field).not_to_be_editable()
    fry.button("Go on writing").click()
    fry.sees_pen("mine", "You are editing")
    expect(fry.text_field).to_have_value("In the middle")
    fry.types("In the middle of a sentence.")
    fry.saves()
    no_conflict(fry)
    leela.sees_text("In the middle of a sentence.")
    fry.types("In the middle of a sentence. And on.")
    fry.saves()
    fry.finishes()
    expect(fry.test_id("unsaved-text")).to_have_count(0)


def test_a_save_whose_answer_is_lost(
    stack: Stack, cable: Cable, person: PersonMaker, document: int
) -> None:
    """The server has saved, but the line breaks before it can say so; Fry writes on in
    the same line, and saves again.

    Pass: the second save is the next version, not a conflict with the first.
    """
    leela, fry = person("leela"), person("fry", url=stack.cable_url)
    leela.opens(document)
    fry.edits(document)
    fry.types("One")
    fry.sees_saved("Draft saved")
    cable.swallow()
    fry.button("Save").click()
    leela.sees_text("One")
    cable.pull()
    expect(fry.save_state).to_have_attribute("data-state", re.compile("offline|unsaved"))
    cable.plug()
    fry.is_connected("live", within=BACK)
    fry.types("One, two")
    fry.sees_saved("Draft saved")
    fry.saves()
    no_conflict(fry)
    leela.sees_text("One, two")
    assert stack.sql("SELECT version FROM collab_document WHERE id = %s", document) == [(3,)]
