"""One person in several tabs."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

from e2e.people import LEAVE, Person

Written = Callable[..., int]


def test_three_tabs_are_one_person(leela: Person, fry: Person, written: Written) -> None:
    """A list, a document and an editor of Fry's: one person, seen where he is."""
    read, edited = written("Read"), written("Edited")
    leela.opens_dashboard()
    fry.opens_dashboard()
    reading = fry.second_tab(f"/documents/{read}/")
    editing = fry.second_tab(f"/documents/{edited}/edit/")
    leela.sees_active(2)
    leela.sees_badge(read, "reading", "Fry is reading")
    leela.sees_badge(edited, "editing", "Fry is editing")
    for tab in (fry, reading, editing):
        tab.sees_active(2)
    editing.leaves()
    leela.sees_badge(edited, "free", within=LEAVE)
    leela.sees_badge(read, "reading", "Fry is reading")
    leela.sees_active(2)


def test_a_reload_keeps_the_pen(leela: Person, fry: Person, document: int) -> None:
    """An editor that is loaded again goes on under the pen it has."""
    leela.opens_dashboard()
    fry.edits(document)
    fry.sees_pen("mine")
    fry.reloads()
    fry.sees_pen("mine", "You are editing")
    leela.sees_badge(document, "editing", "Fry is editing")
    fry.types("Still here.")
    fry.saves()


def test_the_second_tab_can_take_the_pen_over(fry: Person, document: int) -> None:
    """It says "You are editing this in another tab", and moves editing on a click."""
    fry.edits(document)
    other = fry.second_tab(f"/documents/{document}/edit/")
    other.sees_pen("mine", "You are editing this in another tab")
    expect(other.text_field).to_have_count(0)
    other.button("Move editing here").click()
    expect(other.text_field).to_be_visible()
    other.sees_pen("mine", "You are editing")
    fry.sees_pen("theirs", "You are editing this in another tab")
    other.types("Written in the other tab.")
    other.saves()
    other.finishes()
    other.sees_text("Written in the other tab.")


def test_an_editor_in_use_opens_for_reading(leela: Person, fry: Person, document: int) -> None:
    """The second who wants to write reads, with the holder's name; later it is free."""
    fry.edits(document)
    leela.edits(document)
    expect(leela.text_field).to_have_count(0)
    leela.sees_text("Good news.")
    leela.sees_pen("theirs", "Fry")
    fry.finishes()
    leela.sees_pen("free")
    leela.link("Edit").click()
    expect(leela.text_field).to_be_visible()
