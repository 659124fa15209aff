"""Every version can be looked at, compared, named and brought back."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect

from e2e.people import Person

TEXT = "Good news.\n\nThe first.\n\nThe second.\n\nThe third.\n\nThe fourth.\n\nThe last."


@pytest.fixture
def delivery(fry: Person, written: Callable[..., int]) -> int:
    """A document in three versions: Bender's, and two that Fry saved."""
    document = written("Delivery", TEXT)
    fry.edits(document)
    fry.types(TEXT.replace("Good", "Bad"))
    fry.saves()
    fry.types(TEXT.replace("Good", "Bad").replace("last", "very last"))
    fry.saves()
    fry.finishes()
    return document


def versions(person: Person) -> Locator:
    return person.test_id("revision")


def version(person: Person, number: int) -> Locator:
    return person.page.locator(f'[data-testid=revision][data-version="{number}"]')


def chooses(person: Person, older: int, newer: int) -> None:
    """Mark two versions in the list, and compare them."""
    person.page.get_by_label(f"Version {older} as the older one").check()
    person.page.get_by_label(f"Version {newer} as the newer one").check()
    person.button("Compare").click()


def sees_view(person: Person, name: str) -> None:
    """Which of the two views the page says it is."""
    views = person.page.get_by_role("navigation", name="View")
    expect(views.locator("[aria-current=page]")).to_have_text(name)


def test_each_save_is_one_version(leela: Person, fry: Person, delivery: int) -> None:
    """Who, when and how many words; what is merely typed is a draft and no version."""
    fry.edits(delivery)
    fry.types("Only typed.")
    fry.sees_saved("Draft saved")
    leela.opens(delivery)
    leela.link("History").click()
    expect(versions(leela)).to_have_count(3)
    expect(version(leela, 3)).to_contain_text(re.compile(r"Fry saved.*\+1 −0 words"))
    expect(version(leela, 2)).to_contain_text(re.compile(r"Fry saved.*\+1 −1 words"))
    expect(version(leela, 1)).to_contain_text("Bender created")
    for one in versions(leela).all():
        expect(one.get_by_role("time")).to_be_visible()


def test_another_title_is_a_version(leela: Person, fry: Person, delivery: int) -> None:
    """With the same text, and both titles in what differs."""
    leela.opens_dashboard()
    fry.edits(delivery)
    fry.renames("Second delivery")
    leela.sees_toast(delivery, "renamed", "Fry changed the title to Second delivery")
    leela.goes_to(f"/documents/{delivery}/history/3/4/")
    expect(leela.page.get_by_text("Title Delivery Second delivery")).to_be_visible()
    expect(leela.page.get_by_text("The text is the same.")).to_be_visible()


def test_any_two_versions_are_compared(leela: Person, delivery: int) -> None:
    """Inline, and side by side with what did not change folded away."""
    leela.goes_to(f"/documents/{delivery}/history/")
    chooses(leela, 1, 3)
    expect(leela.page).to_have_url(re.compile(rf"/documents/{delivery}/history/1/3/$"))
    sees_view(leela, "Inline")
    expect(leela.test_id("words")).to_have_text("+2 −1 words")
    diff = leela.test_id("diff")
    expect(diff.locator("del")).to_have_text(["Good"])
    expect(diff.locator("ins")).to_have_text(["Bad", "very"])

    leela.link("Side by side").click()
    sees_view(leela, "Side by side")
    table = leela.page.get_by_role("table")
    expect(table.get_by_role("columnheader")).to_have_text(["Version 1", "Version 3"])
    changed = table.get_by_role("row").filter(has=leela.page.locator("ins"))
    expect(changed.first.get_by_role("cell")).to_have_text(["Good news.", "Bad news."])
    expect(changed.last.get_by_role("cell")).to_have_text(["The last.", "The very last."])
    leela.link("Inline").click()
    expect(diff).to_be_visible()


def test_unchanged_lines_are_folded_until_asked_for(leela: Person, delivery: int) -> None:
    """A count in their place opens them, by keyboard too."""
    leela.goes_to(f"/documents/{delivery}/history/1/2/?view=sides")
    fold = leela.page.get_by_text("5 unchanged lines")
    hidden = leela.page.get_by_text("The fourth.")
    expect(fold).to_be_visible()
    expect(hidden).to_be_hidden()
    fold.press("Enter")
    expect(hidden).to_be_visible()


def test_a_version_is_compared_with_the_present_one_and_with_any(
    leela: Person, delivery: int
) -> None:
    """From its own page, however far apart the two are in the list."""
    leela.goes_to(f"/documents/{delivery}/history/1/")
    leela.link("Compare with the present version").click()
    expect(leela.page).to_have_url(re.compile("/history/1/3/$"))
    leela.goes_to(f"/documents/{delivery}/history/3/")
    leela.page.get_by_label("Compare with version").fill("2")
    leela.button("Compare").click()
    expect(leela.page).to_have_url(re.compile("/history/2/3/$"))
    expect(leela.test_id("diff").locator("ins")).to_have_text("very")


def test_a_version_shows_what_it_changed_in_either_view(leela: Person, delivery: int) -> None:
    """Its own change, compared with the version before."""
    leela.goes_to(f"/documents/{delivery}/history/2/")
    expect(leela.test_id("diff").locator("ins")).to_have_text("Bad")
    leela.link("Side by side").click()
    row = leela.page.get_by_role("row").filter(has=leela.page.locator("ins"))
    expect(row.get_by_role("cell")).to_have_text(["Good news.", "Bad news."])
    expect(leela.test_id("revision-text")).to_contain_text("Bad news.")


def test_a_named_version_is_found_again(leela: Person, fry: Person, delivery: int) -> None:
    """Leela names one; Fry sees the name, and the filter shows him no other."""
    leela.goes_to(f"/documents/{delivery}/history/2/")
    leela.page.get_by_label("Name of this version").fill("As sent")
    leela.button("Save the name").click()
    expect(leela.page.get_by_text("The version is named.")).to_be_visible()
    fry.goes_to(f"/documents/{delivery}/history/")
    expect(version(fry, 2)).to_contain_text("As sent")
    expect(versions(fry)).to_have_count(3)
    fry.link("Named").click()
    expect(versions(fry)).to_have_count(1)
    expect(version(fry, 2)).to_contain_text("As sent")
    leela.page.get_by_label("Name of this version").fill("")
    leela.button("Save the name").click()
    fry.reloads()
    expect(versions(fry)).to_have_count(0)


@pytest.mark.complaints
def test_a_name_that_is_too_long_stays_in_its_field(leela: Person, delivery: int) -> None:
    """With a sentence that says what is wrong."""
    leela.goes_to(f"/documents/{delivery}/history/2/")
    field = leela.page.get_by_label("Name of this version")
    field.evaluate("field => field.removeAttribute('maxlength')")
    field.fill("n" * 101)
    leela.button("Save the name").click()
    expect(leela.page.get_by_text("at most 100 characters")).to_be_visible()
    expect(field).to_have_value("n" * 101)


def test_an_old_version_is_brought_back(leela: Person, fry: Person, delivery: int) -> None:
    """Leela restores the first text: a new version, which Fry, who reads on, has at once."""
    leela.goes_to(f"/documents/{delivery}/history/1/")
    leela.button("Restore this version").click()
    leela.sees_text("Good news.")
    fry.sees_text("Good news.")
    leela.link("History").click()
    expect(versions(leela)).to_have_count(4)
    expect(version(leela, 4)).to_contain_text("Leela saved")
    chooses(leela, 1, 4)
    expect(leela.page.get_by_text("The text is the same.")).to_be_visible()


def test_a_new_version_is_announced(leela: Person, fry: Person, delivery: int) -> None:
    """In an open history: how many there are, and a link that shows them."""
    leela.goes_to(f"/documents/{delivery}/history/")
    fry.edits(delivery)
    for count, text in ((1, "News."), (2, "More news.")):
        fry.types(text)
        fry.saves()
        announced = leela.page.get_by_role("status").get_by_role("link")
        expect(announced).to_contain_text(f"{count} new version")
    expect(versions(leela)).to_have_count(3)
    announced.click()
    expect(versions(leela)).to_have_count(5)
    expect(announced).to_have_count(0)
