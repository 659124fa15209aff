"""What somebody types stays text for everybody else: in a real browser, on pages that
were open when it came and on pages that are loaded with it.

Whatever a browser complains of fails a test of this folder anyway (see the fixture
``person``), a violation of the Content Security Policy among it; so does it in every
other journey of the end-to-end tests.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
from django import forms as django_forms
from playwright.sync_api import Dialog, Page, Request, expect

from collab import forms
from collab.live.regions import all_regions
from e2e.attacks.payloads import END, TEXT, short
from e2e.pages import paths
from e2e.people import Person, PersonMaker, post
from e2e.stack import Stack

#: Elements of a page that no honest one has, and names that only an attack has. (The
#: anchors of headings begin with "s-", whatever the heading says.)
AUDIT = """() => {
  const wrong = [], ids = new Set();
  const banned = 'iframe,object,embed,base,meta[http-equiv],style,math,template,frame,portal,'
    + 'marquee,audio,video,script:not([src]),hx-partial';
  for (const element of document.querySelectorAll('*')) {
    const is_banned = element.matches(banned);
    let odd = is_banned || element.localName.includes('owned');
    for (const {name, value} of element.attributes) {
      odd ||= name.startsWith('on') || name.includes('owned') || name.includes('hx-on');
      odd ||= ['id', 'name', 'class'].includes(name) && /(^|\\s)(?!s-)\\S*owned/.test(value);
      odd ||= ['href', 'src', 'action', 'formaction', 'data', 'xlink:href'].includes(name)
        && /^\\s*((javascript|data|vbscript):|(https?:)?[/\\\\]{2}evil)/i.test(value);
    }
    if (element.id && ids.has(element.id)) odd = true;
    ids.add(element.id);
    if (element.closest('.prose, [data-testid=document-text]') && !element.closest('svg'))
      odd ||= [...element.attributes].some(({name}) => name.startsWith('hx-') || name === 'style');
    if (odd) wrong.push(element.outerHTML.slice(0, 200));
  }
  if (window.owned || window.pen instanceof HTMLAnchorElement) wrong.push('window');
  return wrong;
}"""
#: How many elements of a page speak to htmx, or send something.
SPEAKING = "[hx-get], [hx-post], [hx-trigger], [hx-ws\\:connect], [data-hx-get], [data-hx-post]"
REGIONS = "() => [...document.querySelectorAll('live-region')].map(one => one.id.split('-')[0])"

#: Where each field of a form is filled with payloads below; a new one needs a place here.
FILLED = {
    "text": "the editor, a draft, a new document",
    "title": "the editor, a new document",
    "name": "a version",
    "display_name": "the profile",
    "cover": "a new document, by its file's name",
    "kept_cover": "the page of the title",
    "page": "the editor",
}
#: Fields that take nothing but a number, a choice or an address; fuzzing tries others.
#: A user name has letters, digits and ``@.+-_`` only (Django's validator).
CLOSED = {"username", "email", "password1", "password2"}


def test_every_field_has_its_payloads() -> None:
    """A new field of a form that takes a text is filled, too."""
    texts = {
        name
        for form in vars(forms).values()
        if isinstance(form, type) and issubclass(form, django_forms.BaseForm)
        for name, field in getattr(form, "base_fields", {}).items()
        if isinstance(field, django_forms.CharField | django_forms.FileField)
    }
    assert texts == FILLED.keys() | CLOSED


class Guard:
    """Sees what a page does that no page here does."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        self.origin = origin
        self.seen: list[str] = []
        page.on("dialog", self._ran)
        page.on("request", self._asked)

    def _ran(self, dialog: Dialog) -> None:
        self.seen.append(dialog.message)
        dialog.dismiss()

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((self.origin, "blob:")):
            self.seen.append(request.url)

    def finds_nothing(self, where: str) -> None:
        """Nothing ran, nothing was loaded, and every element is one of ours."""
        assert self.seen + self.page.evaluate(AUDIT) == [], where


@pytest.fixture
def attacker(person: PersonMaker, stack: Stack) -> Iterator[Person]:
    """Bender, with a name that is an attack; he has his own again afterwards."""
    bender = person("bender")
    yield bender
    rename(bender, "Bender")


def rename(person: Person, name: str) -> None:
    """By the form of the profile."""
    email = f"{person.username}@planetexpress.example"
    about = {"colour": "teal", "language": "en", "theme": "system", "email": email}
    place = f"{person.url}/profile/"
    post(person.context.request, place, {"display_name": name, **about})


def retitle(person: Person, document: int, title: str) -> None:
    """By the page of title and cover."""
    place, request = f"{person.url}/documents/{document}/rename/", person.context.request
    page = request.get(place)
    hidden = dict(re.findall(r'name="(version|fence|\w+token)" value="(\w+)"', page.text()))
    request.post(place, form={**hidden, "title": title}, fail_on_status_code=True)


def test_what_is_typed_stays_text(
    leela: Person, attacker: Person, person: PersonMaker, written: Callable[..., int]
) -> None:
    """In every field, by every region and on every page that shows it."""
    bender, hermes = attacker, person("hermes")
    document = written("Honest", "An honest text.")
    places = ["/", "/active/", *(f"/documents/{document}/{part}" for part in OPEN)]
    tabs = {place: leela.context.new_page() for place in places}
    guards = {place: Guard(tab, leela.url) for place, tab in tabs.items()}
    for place, tab in tabs.items():
        tab.goto(f"{leela.url}{place}")
        expect(tab.locator("html")).to_have_attribute("data-live", "live")
    before = {place: tab.locator(SPEAKING).count() for place, tab in tabs.items()}
    # By push: each field through its page, seen on the pages that are open.
    regions: set[str] = set()
    for title in short(200):
        retitle(bender, document, title)
        shown = tabs[f"/documents/{document}/"].get_by_role("heading").first
        expect(shown).to_have_text(title.replace("\x0b", " "))
    bender.edits(document)
    for name in short(60)[:6]:
        rename(bender, name)
        expect(tabs["/active/"].get_by_text(name).first).to_be_visible()
    bender.types(TEXT)
    expect(tabs[f"/documents/{document}/watch/"].locator("main")).to_contain_text(END)
    bender.saves()
    expect(tabs[f"/documents/{document}/"].get_by_test_id("document-text")).to_contain_text(END)
    for place, tab in tabs.items():
        guards[place].finds_nothing(f"{place}, as it was open")
        assert tab.locator(SPEAKING).count() == before[place], place
        regions |= set(tab.evaluate(REGIONS))
        tab.close()
    # By loading: everything that is there now, and what only a page shows.
    names_a_version(bender, document)
    writes_with_a_file(bender)
    regions |= visits(leela, every_page(document))
    bender.edits(document)
    bender.finishes()
    leela.edits(document)
    guard = Guard(leela.page, leela.url)
    takes_the_pen(bender, document)
    leela.sees_pen("theirs")
    guard.finds_nothing("an editor whose pen is taken, with a reason")
    bender.finishes()
    regions |= visits(leela, [f"/documents/{document}/{own}/" for own in ("edit", "rename")])
    regions |= visits(hermes, ["/people/", "/status/", "/profile/", "/active/", "/"])
    assert regions == {region.name for region in all_regions()}
    bender.opens(document)
    bender.throws_away()
    regions |= visits(hermes, ["/trash/", f"/documents/{document}/"])


#: The pages of a document that stay open while it changes.
OPEN = ("", "watch/", "history/")


def every_page(document: int) -> list[str]:
    """All there are, and searches for what nobody would search for."""
    searches = [f"/?q={quote(one)}" for one in short(200)[:4]]
    versions = [f"/documents/{document}/history/{place}" for place in ("2/", "1/2/?view=sides")]
    kept = [place for place in paths(document) if not place.endswith(("/edit/", "/rename/"))]
    return [*[place for place in kept if "/share/" not in place], *versions, *searches]


def visits(person: Person, places: list[str]) -> set[str]:
    """Load each page, and find nothing; gives the names of the regions there."""
    page = person.context.new_page()
    guard, found = Guard(page, person.url), set()
    person.complaints[:] = [one for one in person.complaints if "404" not in one]
    for place in places:
        page.goto(f"{person.url}{place}")
        guard.finds_nothing(place)
        found |= set(page.evaluate(REGIONS))
    page.close()
    return found


def names_a_version(person: Person, document: int) -> None:
    place = f"{person.url}/documents/{document}/history/2/"
    post(person.context.request, place, {"name": short(100)[0]})


def takes_the_pen(person: Person, document: int) -> None:
    """As its author may, with a reason."""
    place, pen = (f"{person.url}/documents/{document}/{part}" for part in ("", "pen/"))
    post(person.context.request, place, {"act": "seize", "reason": short(200)[0]}, to=pen)
    person.edits(document)


def writes_with_a_file(person: Person) -> None:
    """A new document with a picture whose name and first bytes are an attack: refused,
    and what was typed is shown again."""
    person.page.goto(f"{person.url}/documents/new/")
    guard = Guard(person.page, person.url)
    person.page.locator("#id_title").fill(short(200)[1])
    person.page.locator("#id_text").fill(TEXT)
    file = {"name": "<img src=x onerror=alert(1)>.png", "mimeType": "image/png"}
    content = b"<script>alert(1)</script>"
    person.page.locator("#id_cover").set_input_files({**file, "buffer": content})  # type: ignore[arg-type]
    # The browser complains of the refusal, and of nothing else.
    with person.page.expect_console_message(lambda message: "422" in message.text):
        person.button("Save").click()
    expect(person.page.get_by_text("This file is not a picture")).to_be_visible()
    person.complaints[:] = [one for one in person.complaints if "422" not in one]
    guard.finds_nothing("a refused form")
