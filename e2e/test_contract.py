"""The contract for end-to-end suites, as the README promises it to others."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from e2e.people import Person

LIST, READ, EDIT = "/", "/documents/{}/", "/documents/{}/edit/"
#: Where to look, and what must be there; {} is the document.
SELECTORS = (
    (LIST, "html[data-live=live]"),
    (LIST, "[data-testid=active-users][data-count='2']"),
    (LIST, "[data-testid=document-row][data-document='{}']"),
    (LIST, "[data-testid=lock-badge][data-document='{}'][data-state=reading]"),
    (READ, "[data-testid=lock-badge][data-document='{}'][data-state=reading]"),
    (EDIT, "[data-testid=lock-badge][data-document='{}'][data-state=editing]"),
    (READ, "[data-testid=presence] [data-user=fry][data-mode=reading]"),
    (READ, "[data-testid=pen][data-state=free]"),
    (EDIT, "[data-testid=pen][data-state=mine]"),
    (EDIT, "[data-testid=save-state][data-state=saved]"),
)
#: Roles and accessible names.
NAMES = (
    (LIST, "button", "New document"),
    (LIST, "button", "Notify me"),
    (READ, "link", "Edit"),
    (READ, "link", "History"),
    (EDIT, "button", "Save"),
    (EDIT, "button", "Done"),
    (EDIT, "textbox", "Title"),
    (EDIT, "textbox", "Text"),
)


@pytest.fixture
def with_fry(leela: Person, fry: Person, document: int) -> Person:
    """Leela, while Fry reads the document."""
    fry.opens(document)
    return leela


def test_selectors(with_fry: Person, document: int) -> None:
    """Each selector of the table is on its page."""
    for path, selector in SELECTORS:
        with_fry.goes_to(path.format(document))
        expect(with_fry.page.locator(selector.format(document)), selector).to_have_count(1)


def test_accessible_names(with_fry: Person, document: int) -> None:
    """Each button, link and field has the name that is promised."""
    for path, role, name in NAMES:
        with_fry.goes_to(path.format(document))
        found = with_fry.page.get_by_role(role, name=name, exact=True)  # type: ignore[arg-type]
        expect(found, name).to_be_visible()


def test_toast_and_notification(leela: Person, fry: Person, document: int) -> None:
    """A toast names document and verb; its notification carries title, body, tag and URL."""
    leela.opens_dashboard()
    fry.opens(document)
    toast = leela.page.locator(f"[data-testid=toast][data-document='{document}'][data-verb=opened]")
    expect(toast).to_have_count(1)
    notification = toast.locator("[data-testid=notification]")
    for attribute in ("data-title", "data-body", "data-tag", "data-url"):
        assert notification.get_attribute(attribute), attribute
    assert str(document) in str(notification.get_attribute("data-url"))


def test_sign_in_and_health(fry: Person) -> None:
    """The fields of /login/, and the answer of /healthz."""
    fry.context.clear_cookies()
    fry.page.goto(f"{fry.url}/login/")
    expect(fry.page.get_by_label("Username")).to_be_visible()
    expect(fry.page.get_by_label("Password")).to_be_visible()
    assert fry.context.request.get(f"{fry.url}/healthz").json() == {"status": "ok"}
