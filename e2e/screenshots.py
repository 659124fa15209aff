"""``python -m e2e.screenshots``: take the README's pictures anew, on a busy day."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

from e2e.chromium import launch_options
from e2e.people import Person, listen, sign_in
from e2e.stack import Stack, sqlite_stack

PICTURES = Path(__file__).parent / "pictures"


def person(browser: Browser, stack: Stack, username: str) -> Person:
    """Somebody in front of a screen of 1280 by 800 pixels."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 800},
        color_scheme="light",
        reduced_motion="reduce",
        locale="en-US",
    )
    sign_in(context.request, stack.urls[0], username)
    one = Person(username, stack.urls[0], context, context.new_page())
    listen(one)
    return one


def take(browser: Browser, stack: Stack) -> None:
    """The dashboard and a document while the whole cast is at work."""
    cast = ("leela", "fry", "bender", "zoidberg")
    leela, fry, bender, zoidberg = (person(browser, stack, name) for name in cast)
    newest = stack.sql("SELECT id FROM collab_document ORDER BY changed_at DESC, id DESC")
    first, second = int(newest[1][0]), int(newest[2][0])
    leela.opens_dashboard()
    bender.opens(second)
    zoidberg.opens(second)
    leela.sees_badge(second, "reading", "Bender, Zoidberg are reading")
    fry.edits(first)
    leela.sees_active(4)
    leela.sees_badge(first, "editing", "Fry is editing")
    leela.sees_toast(first, "editing")
    for toast in (leela.toast(second, "opened").first, leela.toast(second, "opened").first):
        toast.get_by_role("button", name="Dismiss").click()
    expect(leela.toasts).to_have_count(1)
    leela.page.screenshot(path=PICTURES / "dashboard.png")
    bender.opens(first)
    leela.opens(first)
    leela.sees_badge(first, "editing", "Fry is editing")
    leela.sees_present("bender", "reading")
    leela.page.screenshot(path=PICTURES / "document.png")


def main() -> None:
    """Start everything, take the pictures, stop everything."""
    PICTURES.mkdir(exist_ok=True)
    with sqlite_stack() as stack, sync_playwright() as playwright:
        browser = playwright.chromium.launch(**launch_options(playwright))
        take(browser, stack)
        browser.close()


if __name__ == "__main__":
    main()
