"""Every page and form works with JavaScript off."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from e2e.people import Person, PersonMaker


@pytest.fixture
def leela(person: PersonMaker) -> Person:
    """Leela with JavaScript off, at the sign-in page."""
    one = person("leela", anonymous=True, java_script_enabled=False)
    one.page.goto(f"{one.url}/")
    one.page.get_by_label("Username").fill("leela")
    one.page.get_by_label("Password").fill("planet-express")
    one.button("Sign in").click()
    return one


def test_from_signing_in_to_signing_out(leela: Person, fry: Person) -> None:
    """Create, edit, save, done, search and sign out, by plain forms and links."""
    page = leela.page
    expect(page.get_by_role("heading", name="Documents", exact=True)).to_be_visible()
    leela.button("New document").click()
    leela.title_field.fill("Plainly written")
    leela.text_field.fill("By a **plain** form.")
    leela.button("Save").click()
    expect(page).to_have_url(re.compile(r"/documents/(\d+)/plainly-written/$"))
    document = int(page.url.split("/")[-3])
    leela.sees_text("By a plain form.")
    fry.opens(document)

    leela.link("Edit").click()
    leela.sees_pen("mine")
    leela.types("Changed by a plain form.")
    leela.button("Save").click()
    expect(leela.save_state).to_have_attribute("data-state", "saved")
    expect(leela.text_field).to_have_value("Changed by a plain form.")
    fry.sees_text("Changed by a plain form.")  # the others see it live
    leela.types("Changed once more.")
    leela.button("Done").click()
    expect(page).to_have_url(re.compile(rf"/documents/{document}/(plainly-written/)?$"))
    leela.sees_text("Changed once more.")
    fry.sees_pen("free")

    leela.link("History").click()
    expect(page.get_by_role("heading", name="History", exact=True)).to_be_visible()
    page.get_by_role("searchbox").fill("plainly once")
    page.get_by_role("searchbox").press("Enter")
    expect(leela.test_id("document-row")).to_have_count(1)
    expect(leela.row(document)).to_contain_text("Plainly written")

    page.get_by_role("button", name=re.compile("Your account")).press("Enter")
    leela.button("Sign out").press("Enter")
    expect(page).to_have_url(re.compile("/login/$"))
    page.goto(f"{leela.url}/documents/{document}/")
    expect(page).to_have_url(re.compile("/login/"))


def test_a_refused_form_keeps_what_was_typed(leela: Person) -> None:
    """Too long a text: a sentence beside the field, and the text is still there."""
    text = "word " * 40_001
    leela.page.goto(f"{leela.url}/documents/new/")
    leela.title_field.fill("Long")
    leela.text_field.fill(text)
    leela.button("Save").click()
    expect(leela.page.get_by_text("a document holds up to 200 KB")).to_be_visible()
    expect(leela.title_field).to_have_value("Long")
    expect(leela.text_field).to_have_value(text)
    leela.complaints.clear()  # the browser's own note on the status 422


def test_a_reader_sees_who_has_the_pen(leela: Person, fry: Person, document: int) -> None:
    """A document in use opens for reading, with the holder's name."""
    fry.edits(document)
    leela.page.goto(f"{leela.url}/documents/{document}/edit/")
    leela.sees_badge(document, "editing", "Fry is editing")
    leela.sees_pen("theirs", "Fry")
    expect(leela.text_field).to_have_count(0)


def test_the_history_is_compared_named_and_restored(leela: Person, document: int) -> None:
    """Two saves, the list's form, both views, a name, the filter, and back again."""
    page, history = leela.page, f"/documents/{document}/history/"
    page.goto(f"{leela.url}/documents/{document}/edit/")
    leela.types("Bad news.")
    leela.button("Save").click()
    expect(leela.save_state).to_have_attribute("data-state", "saved")
    leela.button("Done").click()
    leela.link("History").click()
    page.get_by_label("Version 2 as the older one").check()
    page.get_by_label("Version 1 as the newer one").check()
    leela.button("Compare").click()
    expect(page).to_have_url(re.compile(f"{history}1/2/$"))
    expect(leela.test_id("diff")).to_contain_text("GoodBad news.")
    leela.link("Side by side").click()
    expect(page.get_by_role("row").last.get_by_role("cell")).to_have_text(
        ["Good news.", "Bad news."]
    )
    leela.link("Version 1").click()
    page.get_by_label("Name of this version").fill("The good one")
    leela.button("Save the name").click()
    leela.link("History").click()
    leela.link("Named").click()
    expect(leela.test_id("revision")).to_have_count(1)
    page.get_by_role("link", name="version 1").click()
    leela.button("Restore this version").click()
    leela.sees_text("Good news.")
