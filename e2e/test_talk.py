"""The talk's first two features, word by word, on both set-ups: who is here, and
who has which document open in which state."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import expect

from e2e.conftest import both_stacks
from e2e.observers import COUNTS, html
from e2e.people import LEAVE, Person
from e2e.stack import Stack

pytestmark = both_stacks
Written = Callable[..., int]
LONG = "\n\n".join(f"Paragraph {number} of a long letter." for number in range(80))


def test_a_second_person_makes_it_two(leela: Person, fry: Person) -> None:
    """The first sees "1 active"; Fry comes; at once it says "2 active"."""
    leela.opens_dashboard()
    leela.sees_active(1)
    fry.opens_dashboard()
    fry.sees_active(2)
    leela.sees_active(2)


def test_people_count_and_not_tabs(leela: Person, fry: Person, bender: Person) -> None:
    """A second tab changes nothing, nor does closing one of two; closing the last does."""
    leela.context.add_init_script(COUNTS)
    leela.opens_dashboard()
    fry.opens_dashboard()
    leela.sees_active(2)
    other = fry.second_tab()
    bender.opens_dashboard()
    leela.sees_active(3)
    other.leaves()
    # When Bender's leaving shows, that of the tab before would have shown too.
    bender.leaves()
    leela.sees_active(2, within=LEAVE)
    fry.leaves()
    leela.sees_active(1, within=LEAVE)
    expect(html(leela)).to_have_attribute("data-test-counts", re.compile("^(0 )?1 2 3 2 1$"))


def test_a_reload_never_flickers(leela: Person, fry: Person, bender: Person) -> None:
    """While Fry reloads, and for longer than a leave takes, he counts as here."""
    leela.context.add_init_script(COUNTS)
    leela.opens_dashboard()
    fry.opens_dashboard()
    bender.opens_dashboard()
    leela.sees_active(3)
    fry.reloads()
    fry.sees_active(3)
    bender.leaves()
    leela.sees_active(2, within=LEAVE)
    expect(html(leela)).to_have_attribute("data-test-counts", re.compile("^(0 )?1 2 3 2$"))


def test_a_badge_goes_from_green_to_yellow_to_red_and_back(
    stack: Stack, leela: Person, fry: Person, document: int
) -> None:
    """Free, "Fry is reading", "Fry is editing", and free again when Fry leaves."""
    leela.opens_dashboard()
    leela.sees_badge(document, "free", "Free")
    fry.opens(document)
    leela.sees_badge(document, "reading", "Fry is reading")
    fry.sees_badge(document, "reading", "You are reading")
    fry.link("Edit").click()
    leela.sees_badge(document, "editing", "Fry is editing")
    fry.sees_badge(document, "editing", "You are editing")
    stack.is_kept(document)
    fry.finishes()
    leela.sees_badge(document, "reading", "Fry is reading")
    fry.leaves()
    leela.sees_badge(document, "free", "Free", within=LEAVE)


def test_an_open_document_shows_who_edits(leela: Person, fry: Person, document: int) -> None:
    """On the document's own page: badge, people and pen follow what Fry does."""
    leela.opens(document)
    leela.sees_badge(document, "reading", "You are reading")
    leela.sees_pen("free")
    fry.edits(document)
    leela.sees_badge(document, "editing", "Fry is editing")
    leela.sees_present("fry", "editing")
    leela.sees_present("leela", "reading")
    leela.sees_pen("theirs", "Fry")
    fry.leaves()
    leela.sees_pen("free", within=LEAVE)
    leela.sees_badge(document, "reading", "You are reading")


def test_a_save_appears_in_place(leela: Person, fry: Person, written: Written) -> None:
    """Fry's new text shows in Leela's open page: no reload, and the scroll is kept."""
    document = written("A long letter", LONG)
    leela.opens(document)
    leela.page.evaluate("() => scrollTo({ top: 600, behavior: 'instant' })")
    place = "() => document.querySelectorAll('article p')[9].getBoundingClientRect().top"
    before = leela.page.evaluate(place)
    leela.page.evaluate("() => { document.body.dataset.same = 'page' }")
    fry.edits(document)
    fry.types(f"{LONG}\n\nAnd **one** more.")
    fry.saves()
    leela.sees_text("And one more.")
    expect(leela.page.locator("body")).to_have_attribute("data-same", "page")
    assert leela.page.evaluate(place) == before


def test_what_is_read_stays_where_it_is(leela: Person, fry: Person, written: Written) -> None:
    """Fry writes much into the beginning of what Leela reads the end of: in her window
    nothing moves. (The browser holds on to what it shows; the page must let it.)"""
    document = written("A long letter", LONG)
    leela.opens(document)
    paragraph = leela.test_id("document-text").get_by_text("Paragraph 70 of a long letter.")
    paragraph.evaluate("one => one.scrollIntoView({ block: 'center', behavior: 'instant' })")
    before = paragraph.bounding_box()
    fry.edits(document)
    fry.types(LONG.replace("Paragraph 3 of", "A word more. " * 200 + "\n\nParagraph 3 of"))
    fry.saves()
    leela.sees_text("A word more.")
    expect(paragraph).to_be_in_viewport()
    assert paragraph.bounding_box() == before


def test_the_list_follows_a_save(leela: Person, fry: Person, document: int) -> None:
    """Title, excerpt and last change in the dashboard's row are Fry's at once."""
    leela.opens_dashboard()
    fry.edits(document)
    fry.types("We deliver **bread**.")
    fry.saves()
    fry.renames("Delivery to the moon")
    row = leela.row(document)
    expect(row).to_contain_text("Delivery to the moon")
    expect(row).to_contain_text("We deliver bread.")
    expect(row).to_contain_text("Fry")


def test_the_counter_leads_to_who_does_what(leela: Person, fry: Person, written: Written) -> None:
    """A click on the counter lists the people with what they read and edit."""
    document = written("Where is everybody")
    leela.opens_dashboard()
    leela.test_id("active-users").click()
    leela.is_live()
    leela.sees_present("leela", "here")
    fry.opens(document)
    leela.sees_present("fry", "reading")
    fry.link("Edit").click()
    leela.sees_present("fry", "editing")
    listed = leela.test_id("presence").get_by_role("link", name="Where is everybody")
    expect(listed).to_be_visible()
