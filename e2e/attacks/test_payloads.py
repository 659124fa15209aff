"""What somebody types stays text for everybody else: in a real browser, on pages that
were open when it came and on pages that are loaded with it.

Whatever a browser complains of fails a test of this folder anyway (see the fixture
``person``), a violation of the Content Security Policy among it; so does it in every
other journey of the end-to-end tests.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from django import forms as django_forms
from playwright.sync_api import Dialog, Page, Request, expect

from collab import forms
from collab.live.regions import all_regions
from e2e.attacks.payloads import END, SCRIPTS, TEXT, short
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
#: By region: does it show what an attacker has typed, on this page?
REGIONS = f"""() => Object.fromEntries([...document.querySelectorAll('live-region')].map(
  one => [one.id.split('-')[0], one.outerHTML.includes('{END}')]))"""
#: Regions that show numbers and states, and nothing that anybody has typed.
WORDLESS = {"new_documents", "new_versions", "renewal", "server_status"}
#: Fields that take letters and digits, or are never shown. A user name has letters, digits
#: and ``@.+-_`` only (Django's validator), an address what Django's validator lets pass.
CLOSED = {"username", "email", "password1", "password2"} | {
    *("old_password", "new_password1", "new_password2")
}
#: What only other forms are made of.
PARTS = {"TextForm", "HeadingForm", "LeasedForm"}
#: Fields for texts in the templates.
MARKUP = re.compile(r"""<(?:textarea|input(?![^>]*type="(?!text|search)))\b[^>]*? name="([\w-]+)""")
TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
#: Fields of a template, and of no form, by the name of their template.
PEN, SEARCH, OVERLAP = "take_pen.html", "header.html", "overlap.html"

Field = tuple[str, str]


def fields_for_texts() -> set[Field]:
    """Every field that takes a text or a file, by its form or its template."""
    found = {
        (form.__name__, name)
        for form in vars(forms).values()
        if isinstance(form, type) and form.__module__ == forms.__name__
        for name, field in getattr(form, "base_fields", {}).items()
        if isinstance(field, django_forms.CharField | django_forms.FileField)
    }
    known = {name for _, name in found}
    for path in TEMPLATES.rglob("*.html"):
        found |= {(path.name, name) for name in MARKUP.findall(path.read_text())} - {
            (path.name, name) for name in known
        }
    return {(form, name) for form, name in found if form not in PARTS and name not in CLOSED}


class Filled(set[Field]):
    """The fields that have been filled with an attack, by whatever way."""

    def note(self, form: str, **values: str) -> dict[str, str]:
        """Write down which of these values are attacks.

        Args:
            form: the name of the form's class, or of the template.
            values: by the field's name.

        Returns:
            The values, to be sent.
        """
        self.update((form, name) for name, value in values.items() if END in value)
        return values


@pytest.fixture
def filled() -> Filled:
    return Filled()


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
def attacker(person: PersonMaker, stack: Stack, filled: Filled) -> Iterator[Person]:
    """Bender, with a name that is an attack; he has his own again afterwards."""
    bender = person("bender")
    yield bender
    rename(bender, "Bender", filled)


def rename(person: Person, name: str, filled: Filled) -> None:
    """By the form of the profile."""
    email = f"{person.username}@planetexpress.example"
    about = {"colour": "teal", "language": "en", "theme": "system", "email": email}
    place = f"{person.url}/profile/"
    fields = filled.note("ProfileForm", display_name=name)
    post(person.context.request, place, {**fields, **about})


def retitle(person: Person, document: int, title: str, filled: Filled) -> None:
    """By the page of title and cover."""
    place, request = f"{person.url}/documents/{document}/rename/", person.context.request
    page = request.get(place)
    hidden = dict(re.findall(r'name="(version|fence|\w+token)" value="(\w+)"', page.text()))
    fields = filled.note("RenameForm", title=title, kept_cover=short(60)[0])
    request.post(place, form={**hidden, **fields}, fail_on_status_code=True)


def test_what_is_typed_stays_text(
    leela: Person,
    attacker: Person,
    person: PersonMaker,
    written: Callable[..., int],
    filled: Filled,
) -> None:
    """In every field, by every region and on every page that shows it. A field that is
    not filled, or a region that shows nothing of it, fails."""
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
    regions: Seen = {}
    for title in short(200):
        retitle(bender, document, title, filled)
        shown = tabs[f"/documents/{document}/"].get_by_role("heading").first
        expect(shown).to_have_text(title.replace("\x0b", " "))
    bender.edits(document)
    for name in short(60)[:6]:
        rename(bender, name, filled)
        expect(tabs["/active/"].get_by_text(name).first).to_be_visible()
    writes_in_the_editor(bender, filled)
    expect(tabs[f"/documents/{document}/watch/"].locator("main")).to_contain_text(END)
    bender.saves()
    expect(tabs[f"/documents/{document}/"].get_by_test_id("document-text")).to_contain_text(END)
    for place, tab in tabs.items():
        guards[place].finds_nothing(f"{place}, as it was open")
        assert tab.locator(SPEAKING).count() == before[place], place
        look(regions, tab)
        tab.close()
    # By loading: everything that is there now, and what only a page shows.
    names_a_version(bender, document, filled)
    writes_with_a_file(bender, filled)
    is_refused_a_cover(bender, document, filled)
    visits(leela, [f"/documents/{document}/rename/"], regions)
    bender.button("Cancel").click()
    expect(bender.test_id("document-text")).to_be_visible()
    overlaps(bender, written("Both", "one\n\ntwo"), filled)
    visits(leela, every_page(document, filled), regions)
    bender.edits(document)
    bender.finishes()
    leela.edits(document)
    guard = Guard(leela.page, leela.url)
    reason = takes_the_pen(bender, document, filled)
    leela.sees_pen("theirs", reason)
    guard.finds_nothing("an editor whose pen is taken, with a reason")
    look(regions, leela.page)
    bender.edits(document)
    bender.finishes()
    visits(leela, [f"/documents/{document}/{own}/" for own in ("edit", "rename")], regions)
    joins(hermes, person("zoidberg", anonymous=True), filled)
    shares(hermes, person("fry", anonymous=True), document)
    visits(hermes, ["/people/", "/status/", "/profile/", "/active/", "/"], regions)
    bender.opens(document)
    bender.throws_away()
    visits(hermes, ["/trash/", f"/documents/{document}/"], regions)
    assert filled == fields_for_texts()
    assert regions == {one.name: one.name not in WORDLESS for one in all_regions()}


#: The pages of a document that stay open while it changes.
OPEN = ("", "watch/", "history/")


#: By region: has any page shown an attack in it?
Seen = dict[str, bool]


def look(regions: Seen, page: Page) -> None:
    """Which regions there are on a page, and what they show."""
    for name, has_attack in page.evaluate(REGIONS).items():
        regions[name] = regions.get(name, False) or has_attack


def every_page(document: int, filled: Filled) -> list[str]:
    """All there are, and searches for what nobody would search for."""
    searches = [f"/?q={quote(filled.note(SEARCH, q=one)['q'])}" for one in short(200)[:4]]
    versions = [f"/documents/{document}/history/{place}" for place in ("2/", "1/2/?view=sides")]
    kept = [place for place in paths(document) if not place.endswith(("/edit/", "/rename/"))]
    return [*[place for place in kept if "/share/" not in place], *versions, *searches]


def visits(person: Person, places: list[str], regions: Seen) -> None:
    """Load each page, and find nothing; looks at the regions there."""
    page = person.context.new_page()
    guard = Guard(page, person.url)
    person.complaints[:] = [one for one in person.complaints if "404" not in one]
    for place in places:
        page.goto(f"{person.url}{place}")
        guard.finds_nothing(place)
        look(regions, page)
    page.close()


def names_a_version(person: Person, document: int, filled: Filled) -> None:
    place = f"{person.url}/documents/{document}/history/2/"
    post(person.context.request, place, filled.note("RevisionNameForm", name=short(100)[0]))


def takes_the_pen(person: Person, document: int, filled: Filled) -> str:
    """As its author may, with a reason; gives that as it is shown."""
    place, pen = (f"{person.url}/documents/{document}/{part}" for part in ("", "pen/"))
    fields = filled.note(PEN, reason=short(200)[0])
    post(person.context.request, place, {"act": "seize", **fields}, to=pen)
    return " ".join(fields["reason"].split())


def writes_in_the_editor(person: Person, filled: Filled) -> None:
    """Title, text, and what the page says of itself: as a draft, and with the save."""
    title, page = person.page.locator("#id_title"), person.page.locator("#id_page")
    title.fill(filled.note("TitleForm", title=short(200)[2])["title"])
    page.evaluate("(field, value) => { field.value = value }", short(32)[0])
    for form in ("DraftForm", "EditForm"):
        filled.note(form, text=TEXT, page=page.input_value())
    person.types(TEXT)


def fills(person: Person, form: str, filled: Filled, **values: str) -> None:
    """The fields of a page, hidden ones and files (by their name) as well."""
    for name, value in filled.note(form, **values).items():
        field = person.page.locator(f"#id_{name}")
        kind = field.get_attribute("type")
        if kind == "file":
            file = {"name": value, "mimeType": "image/png", "buffer": SCRIPTS[0].encode()}
            field.set_input_files(file)  # type: ignore[arg-type]  # a FilePayload
        elif kind == "hidden":
            field.evaluate("(field, value) => { field.value = value }", value)
        else:
            field.fill(value)


def is_refused(person: Person, button: str, where: str) -> None:
    """What was typed is shown again. The browser complains of the refusal, and of
    nothing else."""
    guard = Guard(person.page, person.url)
    with person.page.expect_console_message(lambda message: "422" in message.text):
        person.button(button).click()
    expect(person.page.locator("[role=alert], .errorlist").first).to_be_visible()
    person.complaints[:] = [one for one in person.complaints if "422" not in one]
    guard.finds_nothing(where)


#: A file's name, which the browser sends as it is.
FILE = f"<img src=x onerror=alert(1)>{END}.png"


def writes_with_a_file(person: Person, filled: Filled) -> None:
    """A new document with a picture whose name and first bytes are an attack."""
    person.page.goto(f"{person.url}/documents/new/")
    fills(person, "DocumentForm", filled, title=short(200)[1], text=TEXT, cover=FILE)
    is_refused(person, "Save", "a refused document")
    expect(person.page.get_by_text("This file is not a picture")).to_be_visible()


def is_refused_a_cover(person: Person, document: int, filled: Filled) -> None:
    """Another cover, and a hidden field that says which one was kept."""
    person.page.goto(f"{person.url}/documents/{document}/rename/")
    fills(person, "RenameForm", filled, title=short(200)[3], kept_cover=short(60)[1], cover=FILE)
    is_refused(person, "Save", "a refused change of the title")
    expect(person.page.get_by_text("The picture you uploaded is kept")).to_be_visible()


def overlaps(person: Person, document: int, filled: Filled) -> None:
    """Two changes of the same passage, and a text of one's own for it."""
    first, second, own = (f"one\n\n{line}" for line in short(200)[:3])
    person.edits(document)
    person.types(first)
    person.saves()
    person.reloads()
    person.page.locator("#save-state input[name=version]").evaluate("field => { field.value = 1 }")
    person.types(second)
    guard = Guard(person.page, person.url)
    person.button("Save").click()
    expect(person.test_id("passage")).to_be_visible()
    guard.finds_nothing("overlapping changes")
    field = person.page.locator("[name=free-1]")
    field.evaluate("(field, value) => { field.value = value }", own)
    filled.note(OVERLAP, **{"free-": own})
    person.page.locator("[name=choice-1][value=free]").check(force=True)
    person.button("Save this result").click()
    expect(person.text_field).to_have_value(re.compile(END))
    guard.finds_nothing("a passage with a text of one's own")
    person.finishes()
    # The browser complains of the two answers that are no page that was asked for.
    person.complaints[:] = [one for one in person.complaints if "409" not in one]


def joins(owner: Person, guest: Person, filled: Filled) -> None:
    """By an invitation: at first with a bad password, so that what was typed is shown."""
    owner.page.goto(f"{owner.url}/people/")
    owner.button("Make an invitation").click()
    guest.page.goto(owner.test_id("invitation-address").input_value())
    name = short(60)[1]
    fills(guest, "JoinForm", filled, username="mallory", display_name=name)
    for password in ("1", "a-good-password-of-hers"):
        guest.page.locator("#id_password1").fill(password)
        guest.page.locator("#id_password2").fill(password)
        if password == "1":
            is_refused(guest, "Make my account", "a refused invitation")
            expect(guest.page.locator("#id_display_name")).to_have_value(name)
    guard = Guard(guest.page, guest.url)
    guest.button("Make my account").click()
    guest.is_live()
    guard.finds_nothing("the first page of somebody new")
    guest.page.close()
    row = owner.page.locator("[data-user=mallory]")
    owner.page.goto(f"{owner.url}/people/")
    row.get_by_role("button", name="Switch off").click()


def shares(owner: Person, stranger: Person, document: int) -> None:
    """The page where that is done, with one who is named, and what a link opens."""
    guard = Guard(owner.page, owner.url)
    owner.page.goto(f"{owner.url}/documents/{document}/share/")
    owner.page.get_by_label("Person", exact=True).select_option(index=1)
    owner.button("Share with them").click()
    expect(owner.test_id("share")).to_be_visible()
    owner.button("Make a link").click()
    link = owner.test_id("link-address").input_value()
    expect(owner.page.locator("main")).to_contain_text(END)
    guard.finds_nothing("the page where a document is shared")
    guard = Guard(stranger.page, stranger.url)
    stranger.page.goto(link)
    expect(stranger.test_id("shared-text")).to_contain_text(END)
    guard.finds_nothing("a document behind a link")
