"""The contract for end-to-end suites, as the README promises it to others."""

from __future__ import annotations

from typing import Literal

import pytest
from playwright.sync_api import expect

from e2e.people import Person

#: By page: what must be there, once; {} is the document.
SELECTORS = {
    "/": (
        "html[data-live=live]",
        "[data-testid=active-users][data-count='2']",
        "[data-testid=document-row][data-document='{}']",
        "[data-testid=lock-badge][data-document='{}'][data-state=reading]",
    ),
    "/documents/{}/": (
        "[data-testid=lock-badge][data-document='{}'][data-state=reading]",
        "[data-testid=presence] [data-user=fry][data-mode=reading]",
        "[data-testid=pen][data-state=free]",
    ),
    "/documents/{}/edit/": (
        "[data-testid=lock-badge][data-document='{}'][data-state=editing]",
        "[data-testid=pen][data-state=mine]",
        "[data-testid=save-state][data-state=saved]",
        "[data-testid=document-title]",
    ),
    "/documents/{}/rename/": ("[data-testid=heading-lease][data-state=mine]",),
}
Role = Literal["button", "link", "textbox"]
#: By page: roles and accessible names.
NAMES: dict[str, tuple[tuple[Role, str], ...]] = {
    "/": (("button", "New document"), ("button", "Notify me")),
    "/documents/{}/": (("link", "Edit"), ("link", "History")),
    "/documents/{}/edit/": (
        ("button", "Save"),
        ("button", "Done"),
        ("textbox", "Title"),
        ("button", "Cover image"),
        ("textbox", "Text"),
    ),
    "/documents/{}/rename/": (("textbox", "Title"), ("button", "Save"), ("button", "Cancel")),
}


@pytest.fixture
def with_fry(leela: Person, fry: Person, document: int) -> Person:
    """Leela, while Fry reads the document."""
    fry.opens(document)
    return leela


@pytest.mark.parametrize("path", SELECTORS)
def test_selectors_and_names(with_fry: Person, document: int, path: str) -> None:
    """Each selector, button, link and field of the table is on its page."""
    with_fry.goes_to(path.format(document))
    for selector in SELECTORS[path]:
        expect(with_fry.page.locator(selector.format(document)), selector).to_have_count(1)
    for role, name in NAMES[path]:
        expect(with_fry.page.get_by_role(role, name=name, exact=True), name).to_be_visible()


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
