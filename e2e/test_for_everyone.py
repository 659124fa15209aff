"""For everyone: assistive technology, small screens, keyboards, languages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from e2e.pages import administrator_paths, public_paths, visited
from e2e.people import Person, PersonMaker
from e2e.stack import Stack, eventually

Written = Callable[..., int]
#: WCAG 2.2 AA, and what axe calls best practice.
RULES = {
    "runOnly": [
        *("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"),
        "best-practice",
    ]
}


def violations(page: Page, where: str) -> list[str]:
    """What axe finds, one line each."""
    found = Axe().run(page, options=RULES).response["violations"]
    return [
        f"{where}: {one['id']}: {one['help']}: {node['target']} {node['failureSummary']}"
        for one in found
        for node in one["nodes"]
    ]


@pytest.mark.complaints
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(
    scheme: Literal["light", "dark"], person: PersonMaker, fry: Person, written: Written
) -> None:
    """No violation of WCAG 2.2 AA on any page, in either scheme."""
    options = {"color_scheme": scheme, "bypass_csp": True, "reduced_motion": "reduce"}
    leela, anyone = person("leela", **options), person("bender", anonymous=True, **options)
    found: list[str] = []
    for path in public_paths():
        anyone.page.goto(f"{anyone.url}{path}")
        found += violations(anyone.page, path)
    hermes = person("hermes", **options)
    for path in administrator_paths():
        hermes.page.goto(f"{hermes.url}{path}")
        found += violations(hermes.page, path)
    hermes.leaves()
    for where in visited(leela, fry, written):
        found += violations(leela.page, where)
    assert found == []


class Policy:
    """What browsers have refused for the Content Security Policy since this began: as
    their pages were told, and as they have reported it to the server.

    Args:
        stack: where the reports go.
    """

    def __init__(self, stack: Stack) -> None:
        self.violations: list[str] = []
        self._log = stack.services[0].log
        self._before = self._log.stat().st_size

    def watch(self, person: Person) -> None:
        """On all pages that the person loads from now on."""
        person.context.expose_function("violated", self._note)
        person.context.add_init_script(
            "document.addEventListener('securitypolicyviolation',"
            " one => violated(`${one.violatedDirective} ${one.blockedURI}`))"
        )

    def _note(self, what: str) -> None:
        self.violations.append(what)

    @property
    def reports(self) -> list[str]:
        written = self._log.read_bytes()[self._before :].decode(errors="replace")
        return re.findall(r".* csp: .*|.* POST /csp-report/.*", written)


def test_a_violation_of_the_policy_is_seen(leela: Person, stack: Stack) -> None:
    """By the page, in the console, and at the server: what follows could fail."""
    policy = Policy(stack)
    policy.watch(leela)
    leela.opens_dashboard()
    leela.page.evaluate("() => { new Image().src = 'https://evil.example/x.png' }")
    eventually(lambda: policy.violations and len(policy.reports) > 1, "it has been told")
    assert policy.violations == ["img-src https://evil.example/x.png"]
    assert "evil.example" in policy.reports[0]
    assert leela.complaints
    leela.complaints.clear()


@pytest.mark.complaints
def test_no_page_scrolls_sideways_or_violates_the_policy(
    person: PersonMaker, fry: Person, written: Written, stack: Stack
) -> None:
    """At 360 px every page fits; only tables and code scroll, in their own boxes. And the
    Content Security Policy has nothing to refuse on any of them."""
    policy = Policy(stack)
    phone = {"viewport": {"width": 360, "height": 740}, "has_touch": True}
    leela, anyone = person("leela", **phone), person("bender", anonymous=True, **phone)
    wide: list[str] = []
    for one in (leela, anyone, fry):
        policy.watch(one)

    def measure(page: Page, where: str) -> None:
        width = page.evaluate("() => document.documentElement.scrollWidth")
        if width > 360:
            wide.append(f"{where}: {width} px")

    for path in public_paths():
        anyone.page.goto(f"{anyone.url}{path}")
        measure(anyone.page, path)
    hermes = person("hermes", **phone)
    policy.watch(hermes)
    for path in administrator_paths():
        hermes.page.goto(f"{hermes.url}{path}")
        measure(hermes.page, path)
    hermes.leaves()
    for where in visited(leela, fry, written):
        measure(leela.page, where)
    assert wide == []
    assert policy.violations + policy.reports == []


def test_a_menu_stays_in_the_window(person: PersonMaker, written: Written) -> None:
    """However low its button is and however small the window, each entry can be seen
    and chosen where it is; opening it scrolls nothing."""
    for height in (720, 400):
        leela = person("leela", viewport={"width": 390, "height": height})
        document = written("A title that goes on " * 8, "One\n\n" * 40, by="leela")
        leela.opens(document)
        more = leela.button("More")
        more.evaluate("button => scrollTo(0, button.getBoundingClientRect().top - innerHeight / 2)")
        leela.page.evaluate("() => scrollBy(0, -innerHeight / 3)")
        more.click()
        menu = leela.page.locator("#document-menu")
        expect(menu).to_have_css("opacity", "1")
        box = menu.bounding_box()
        assert box is not None
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= height
        leela.button("Move to trash").click()
        expect(leela.button("Undo")).to_be_visible()
        leela.leaves()


@pytest.fixture
def long_names(stack: Stack) -> Iterator[None]:
    """Everybody has a long name."""
    names = stack.sql("SELECT display_name, id FROM collab_person")
    stack.sql("UPDATE collab_person SET display_name = username || %s", " of the Planet Express")
    yield
    for name, person in names:
        stack.sql("UPDATE collab_person SET display_name = %s WHERE id = %s", name, person)


@pytest.mark.usefixtures("long_names")
@pytest.mark.parametrize("width", [1280, 390])
def test_who_comes_and_goes_moves_no_button(
    leela: Person, fry: Person, bender: Person, document: int, width: int
) -> None:
    """However long their names are: nobody clicks on what has just moved away."""
    leela.page.set_viewport_size({"width": width, "height": 720})
    leela.opens(document)
    leela.sees_badge(document, "reading", "You are reading")
    places = [leela.link("History"), leela.link("Edit"), leela.button("More")]
    places.append(leela.test_id("document-text"))
    before = [place.bounding_box() for place in places]
    fry.opens(document)
    bender.opens(document)
    leela.sees_badge(document, "reading", "bender of the Planet Express")
    assert [place.bounding_box() for place in places] == before


def test_the_skip_link_comes_first(leela: Person) -> None:
    """One Tab and Enter lead past the header into the content."""
    leela.opens_dashboard()
    leela.page.keyboard.press("Tab")
    expect(leela.link("Skip to content")).to_be_focused()
    leela.page.keyboard.press("Enter")
    expect(leela.page.locator("main")).to_be_focused()


def test_a_toast_is_dismissed_by_keyboard(leela: Person, fry: Person, document: int) -> None:
    """Its button has a name, takes the focus, and takes the toast away."""
    leela.opens_dashboard()
    fry.opens(document)
    leela.sees_toast(document, "opened")
    close = leela.toast(document, "opened").get_by_role("button", name="Dismiss")
    close.focus()
    leela.page.keyboard.press("Enter")
    expect(leela.toasts).to_have_count(0)


def test_toasts_wait_for_the_pointer(leela: Person, fry: Person, document: int) -> None:
    """Under the pointer a toast's clock stands still."""
    leela.opens_dashboard()
    fry.opens(document)
    toast = leela.toast(document, "opened")
    toast.hover()
    expect(toast).to_have_css("animation-play-state", re.compile("paused$"))


def test_a_document_is_written_by_keyboard_alone(leela: Person) -> None:
    """From the list to a saved document without a pointer."""
    leela.opens_dashboard()
    leela.button("New document").press("Enter")
    leela.title_field.press_sequentially("Typed")
    leela.text_field.press_sequentially("Every letter.")
    leela.button("Save").press("Enter")
    leela.sees_text("Every letter.")


def test_italian(stack: Stack, zoidberg: Person, fry: Person, document: int) -> None:
    """Who chose Italian reads Italian, in pages and in what arrives live; others do not."""
    stack.sql("UPDATE collab_person SET language='it' WHERE username='zoidberg'")
    try:
        zoidberg.opens_dashboard()
        expect(zoidberg.page.locator("html")).to_have_attribute("lang", "it")
        expect(zoidberg.page.get_by_role("heading", level=1)).to_have_text("Documenti")
        fry.opens(document)
        zoidberg.sees_badge(document, "reading", "Fry sta leggendo")
        fry.sees_badge(document, "reading", "You are reading")
        expect(zoidberg.test_id("active-users")).to_contain_text("2 attiv")
    finally:
        stack.sql("UPDATE collab_person SET language='en' WHERE username='zoidberg'")


def test_an_honest_day_leaves_no_complaint(leela: Person, fry: Person, written: Written) -> None:
    """Nothing in the console (errors, policy violations) through the ordinary pages."""
    document = written("An ordinary day", "![](https://example.org/x.png) Text.")
    for path in ("/", "/active/", "/profile/", f"/documents/{document}/history/"):
        leela.goes_to(path)
    leela.opens(document)
    fry.edits(document)
    fry.page.get_by_role("button", name="Bold").click()
    fry.types("Some **bold** words.")
    expect(fry.page.locator("#preview strong")).to_have_text("bold")
    fry.saves()
    leela.sees_text("Some bold words.")
    fry.finishes()
    leela.page.get_by_role("searchbox").fill("ordinary")
    leela.page.get_by_role("searchbox").press("Enter")
    expect(leela.row(document)).to_be_visible()
    leela.page.get_by_role("searchbox").fill("no such word")
    expect(leela.row(document)).to_have_count(0)
    assert leela.complaints + fry.complaints == []
