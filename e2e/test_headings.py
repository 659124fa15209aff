"""One person renames while another writes."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from e2e.people import LEAVE, Person, PersonMaker
from e2e.stack import Stack


def renaming(person: Person, document: int) -> None:
    """Open the page of title and cover, and so take their lease if it is free."""
    person.goes_to(f"/documents/{document}/rename/")


def expires(stack: Stack, document: int) -> None:
    """The lease has run out and been freed, as it is when its holder is not heard of."""
    stack.sql("UPDATE collab_heading SET holder_id=NULL WHERE document_id=%s", document)


def test_one_renames_while_another_writes(leela: Person, fry: Person, document: int) -> None:
    """Fry's editor shows the new title at once; his save is no merge, and both hold."""
    fry.edits(document)
    fry.types("Good news, written by Fry.")
    leela.opens(document)
    leela.button("More").press("Enter")
    leela.link("Title and cover").press("Enter")
    leela.sees_heading("mine")
    expect(fry.test_id("renaming")).to_have_text("Leela is changing title and cover")
    leela.title_field.fill("Delivery to the moon")
    leela.button("Save").click()
    expect(fry.title_field).to_have_value("Delivery to the moon")
    leela.sees_badge(document, "editing", "Fry is editing")
    fry.sees_toast(document, "renamed", "Leela changed the title to Delivery to the moon")
    fry.saves()
    fry.finishes()
    expect(fry.page.get_by_text("Merged with")).to_have_count(0)
    leela.sees_text("Good news, written by Fry.")
    expect(leela.test_id("document-head")).to_have_attribute("data-version", "3")
    expect(leela.page.get_by_role("heading", level=1)).to_have_text("Delivery to the moon")


@pytest.mark.parametrize("javascript", [True, False], ids=["htmx", "plain"])
def test_from_the_editor_and_back(
    person: PersonMaker, leela: Person, document: int, javascript: bool
) -> None:
    """The pen stays Fry's all the time, and his half sentence is there when he is back."""
    fry = person("fry", java_script_enabled=javascript)
    leela.opens(document)
    fry.page.goto(f"{fry.url}/documents/{document}/edit/")
    fry.types("Half a sentence")
    fry.button("Cover image").click()
    expect(fry.page).to_have_url(re.compile(r"/rename/\?heading=\d+&pen=\d+$"))
    leela.sees_badge(document, "editing", "Fry is editing")
    fry.title_field.fill("Delivery to the moon")
    fry.button("Save").click()
    expect(fry.text_field).to_have_value("Half a sentence")
    expect(fry.title_field).to_have_value("Delivery to the moon")
    leela.sees_badge(document, "editing", "Fry is editing")
    fry.types("Half a sentence, and the rest.")
    fry.button("Save" if javascript else "Done").click()
    leela.sees_text("and the rest.")
    expect(leela.page.get_by_role("heading", level=1)).to_have_text("Delivery to the moon")


def test_who_comes_second_waits(leela: Person, fry: Person, document: int) -> None:
    """Leela reads who has it since when, and can begin as soon as Fry has finished."""
    renaming(fry, document)
    renaming(leela, document)
    leela.sees_heading("theirs", "Fry has been changing title and cover since")
    expect(leela.title_field).to_have_count(0)
    fry.button("Cancel").click()
    leela.sees_heading("free")
    leela.button("Change title and cover").click()
    leela.sees_heading("mine")
    leela.title_field.fill("Leela's delivery")
    leela.button("Save").click()
    expect(fry.page.get_by_role("heading", level=1)).to_have_text("Leela's delivery")


def test_a_tab_that_is_closed_frees_it(leela: Person, fry: Person, document: int) -> None:
    """After the grace, like the pen."""
    renaming(fry, document)
    renaming(leela, document)
    leela.sees_heading("theirs")
    fry.leaves()
    leela.sees_heading("free", within=LEAVE)


def test_a_second_tab_moves_it(fry: Person, document: int) -> None:
    """And the first one says so, with what was typed."""
    renaming(fry, document)
    fry.title_field.fill("Typed in the first tab")
    other = fry.second_tab(f"/documents/{document}/rename/")
    other.sees_heading("theirs", "You are changing title and cover in another tab")
    other.button("Move it here").click()
    other.sees_heading("mine")
    fry.sees_heading("theirs")
    expect(fry.title_field).to_have_value("Typed in the first tab")


@pytest.mark.complaints
def test_a_late_title_is_not_lost(stack: Stack, leela: Person, fry: Person, document: int) -> None:
    """Leela changed it meanwhile: Fry sees both, and saving again makes his the one."""
    renaming(fry, document)
    fry.title_field.fill("Fry's delivery")
    expires(stack, document)
    renaming(leela, document)
    fry.sees_heading("theirs", "Leela has been changing title and cover since")
    leela.title_field.fill("Leela's delivery")
    leela.button("Save").click()
    leela.is_live()
    with fry.page.expect_response(f"**/documents/{document}/rename/") as answer:
        fry.button("Save").click()
    assert answer.value.status == 409
    expect(fry.test_id("present-title")).to_have_text("Its title is now: Leela's delivery")
    expect(fry.title_field).to_have_value("Fry's delivery")
    fry.button("Save").click()
    expect(leela.page.get_by_role("heading", level=1)).to_have_text("Fry's delivery")


def test_the_title_in_the_editor(leela: Person, fry: Person, document: int) -> None:
    """It is Fry's while he types there, and saved when he goes on to the text."""
    leela.edits(document)
    fry.opens_dashboard()
    other = fry.second_tab(f"/documents/{document}/")
    leela.title_field.fill("Delivery to the moon")
    expect(other.test_id("renaming")).to_have_text("Leela is changing title and cover")
    leela.text_field.focus()
    expect(other.page.get_by_role("heading", level=1)).to_have_text("Delivery to the moon")
    expect(other.test_id("renaming")).to_have_count(0)
    expect(fry.row(document)).to_contain_text("Delivery to the moon")
    leela.types("And the text goes on.")
    leela.saves()
    fry.sees_toast(document, "saved")


def test_while_somebody_else_has_the_title(leela: Person, fry: Person, document: int) -> None:
    """The field in the editor cannot be typed in, and says who has it."""
    leela.edits(document)
    renaming(fry, document)
    expect(leela.title_field).not_to_be_editable()
    expect(leela.test_id("renaming")).to_have_text("Fry is changing title and cover")
    fry.button("Cancel").click()
    expect(leela.title_field).to_be_editable()


@pytest.mark.complaints
def test_a_title_that_was_overtaken_stays_in_its_field(
    stack: Stack, leela: Person, fry: Person, document: int
) -> None:
    """Leela thought for long, and Fry changed it: she reads so, and hers can still be it."""
    leela.edits(document)
    leela.title_field.fill("Leela's delivery")
    fry.opens(document)
    expect(fry.test_id("renaming")).to_be_visible()
    expires(stack, document)
    renaming(fry, document)
    fry.title_field.fill("Fry's delivery")
    fry.button("Save").click()
    expect(fry.page.get_by_role("heading", level=1)).to_have_text("Fry's delivery")
    expect(leela.test_id("renaming")).to_have_count(0)
    leela.text_field.focus()
    told = leela.test_id("title-state")
    expect(told).to_have_attribute("data-state", "unsaved")
    expect(told).to_contain_text("Its title is now: Fry's delivery")
    expect(leela.title_field).to_have_value("Leela's delivery")
    leela.title_field.focus()
    leela.text_field.focus()
    expect(fry.page.get_by_role("heading", level=1)).to_have_text("Leela's delivery")


def test_a_title_without_javascript(person: PersonMaker, document: int) -> None:
    """It is saved with the text, by the same button or by Enter."""
    fry = person("fry", java_script_enabled=False)
    fry.page.goto(f"{fry.url}/documents/{document}/edit/")
    fry.types("Plain words.")
    fry.title_field.fill("Plain delivery")
    fry.title_field.press("Enter")
    expect(fry.title_field).to_have_value("Plain delivery")
    expect(fry.text_field).to_have_value("Plain words.")
    fry.title_field.fill("Plainer delivery")
    fry.finishes()
    expect(fry.page.get_by_role("heading", level=1)).to_have_text("Plainer delivery")
