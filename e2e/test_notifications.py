"""The talk's third feature on both set-ups: toasts and browser notifications."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Playwright, expect

from e2e.chromium import launch_options
from e2e.conftest import both_stacks
from e2e.observers import HIDDEN, NOTIFICATIONS, html
from e2e.people import Person

pytestmark = both_stacks
Written = Callable[..., int]


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """The whole browser: the headless shell denies every notification."""
    one = playwright.chromium.launch(**launch_options(playwright, full=True))
    yield one
    one.close()


def allows(person: Person) -> None:
    """Notifications are allowed, and written down."""
    person.context.grant_permissions(["notifications"])
    person.context.add_init_script(NOTIFICATIONS)


def test_toasts_tell_of_opening_editing_and_saving(
    leela: Person, fry: Person, document: int
) -> None:
    """Leela hears what Fry does, in his name; Fry hears nothing of himself."""
    leela.opens_dashboard()
    fry.opens(document)
    leela.sees_toast(document, "opened", "Fry opened Delivery")
    fry.link("Edit").click()
    leela.sees_toast(document, "editing", "Fry is editing Delivery")
    fry.types("Good news, everyone.")
    fry.saves()
    leela.sees_toast(document, "saved", "Fry saved Delivery")
    # Events come in order: when Leela's shows, Fry's own would have shown before.
    leela.opens(document)
    fry.sees_toast(document, "opened", "Leela opened")
    expect(fry.toasts).to_have_count(1)


def test_the_author_hears_of_a_reader(leela: Person, fry: Person, written: Written) -> None:
    """Fry gets a toast and a notification when Leela opens what Fry wrote."""
    document = written("Fry's diary", by="fry")
    allows(fry)
    fry.opens_dashboard()
    leela.opens(document)
    fry.sees_toast(document, "opened", "Leela opened your document")
    expect(html(fry)).to_have_attribute(
        "data-test-notified", f"document-{document} Leela opened your document Fry's diary"
    )


def test_nobody_is_asked_before_a_click(leela: Person, document: int) -> None:
    """The permission is asked for by the button "Notify me" and never at page load."""
    leela.context.add_init_script(NOTIFICATIONS)
    leela.opens_dashboard()
    leela.opens(document)
    expect(html(leela)).to_have_attribute("data-notify", "default")
    expect(html(leela)).not_to_have_attribute("data-test-asked", "yes")
    leela.context.grant_permissions(["notifications"])  # what Leela will answer
    leela.button("Notify me").click()
    expect(html(leela)).to_have_attribute("data-test-asked", "yes")
    expect(html(leela)).to_have_attribute("data-notify", "granted")


def test_a_page_elsewhere_notifies(leela: Person, fry: Person, document: int) -> None:
    """Opening, editing and saving notify a person whose tabs show something else;
    the tag is the document's, so that a later one replaces the earlier."""
    allows(leela)
    leela.opens_dashboard()
    fry.opens(document)
    tag = f"document-{document}"
    opened = f"{tag} Fry opened Delivery"
    expect(html(leela)).to_have_attribute("data-test-notified", opened)
    fry.link("Edit").click()
    editing = f"{opened}|{tag} Fry is editing Delivery"
    expect(html(leela)).to_have_attribute("data-test-notified", editing)
    fry.types("Why not?")
    fry.saves()
    saved = f"{editing}|{tag} Fry saved Delivery"
    expect(html(leela)).to_have_attribute("data-test-notified", saved)


def test_a_click_opens_the_document(leela: Person, fry: Person, document: int) -> None:
    """In the tab that has notified, whatever it showed."""
    allows(leela)
    leela.opens_dashboard()
    fry.opens(document)
    opened = f"document-{document} Fry opened Delivery"
    expect(html(leela)).to_have_attribute("data-test-notified", opened)
    leela.page.locator("html").dispatch_event("test-click")
    expect(leela.page).to_have_url(re.compile(rf"/documents/{document}/"))
    leela.is_live()
    leela.sees_text("Good news.")


def test_a_visible_tab_of_the_document_is_enough(
    leela: Person, fry: Person, written: Written
) -> None:
    """No notification in any tab while one of them shows the document."""
    shown, elsewhere = written("Shown"), written("Elsewhere")
    allows(leela)
    leela.opens_dashboard()
    reading = leela.second_tab(f"/documents/{shown}/")
    fry.opens(shown)
    reading.sees_toast(shown, "opened")
    fry.opens(elsewhere)
    only = f"document-{elsewhere} Fry opened Elsewhere"
    expect(html(leela)).to_have_attribute("data-test-notified", only)
    expect(html(reading)).to_have_attribute("data-test-notified", only)


def test_a_hidden_tab_does_not_count_as_showing(leela: Person, fry: Person, document: int) -> None:
    """A tab in the background still hears, and notifies of the document it shows."""
    allows(leela)
    leela.context.add_init_script(HIDDEN)
    leela.opens(document)
    fry.opens(document)
    leela.sees_toast(document, "opened", "Fry opened")
    expect(html(leela)).to_have_attribute(
        "data-test-notified", f"document-{document} Fry opened Delivery"
    )


def test_denied_is_respected_and_explained(leela: Person, fry: Person, document: int) -> None:
    """Toasts only, and a sentence that says how to undo it."""
    leela.context.add_init_script(NOTIFICATIONS)
    leela.opens_dashboard()
    leela.button("Notify me").click()  # this browser's answer is no
    expect(html(leela)).to_have_attribute("data-notify", "denied")
    expect(leela.page.locator("[data-notify-when=denied]")).to_be_visible()
    expect(leela.page.locator("[data-notify-when=denied]")).to_contain_text("To undo that")
    fry.opens(document)
    leela.sees_toast(document, "opened")
    fry.link("Edit").click()
    leela.sees_toast(document, "editing")
    expect(html(leela)).not_to_have_attribute("data-test-notified", "")
    assert html(leela).get_attribute("data-test-notified") is None
