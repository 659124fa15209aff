"""Every version can be looked at and brought back."""

from __future__ import annotations

from playwright.sync_api import expect

from e2e.people import Person


def test_an_old_version_is_brought_back(leela: Person, fry: Person, document: int) -> None:
    """Leela sees what Fry's save changed and restores the text before it; Fry,
    who reads on, has it at once."""
    fry.edits(document)
    fry.types("Bad news.")
    fry.saves()
    fry.finishes()
    leela.opens(document)
    leela.link("History").click()
    leela.page.get_by_role("link", name="version 2").click()
    diff = leela.test_id("diff")
    expect(diff.locator("del")).to_have_text("Good")
    expect(diff.locator("ins")).to_have_text("Bad")
    leela.page.go_back()
    leela.page.get_by_role("link", name="version 1").click()
    leela.button("Restore this version").click()
    leela.sees_text("Good news.")
    fry.sees_text("Good news.")
