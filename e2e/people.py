"""People at their browsers: what they do, and what they see.

    leela.opens(document)
    fry.edits(document)
    leela.sees_badge(document, "editing", "Fry is editing")

Everything waits by ``expect``; nothing sleeps.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from playwright.sync_api import APIRequestContext, BrowserContext, Locator, Page, expect

PASSWORD = "planet-express"
#: What promises "within 300 ms" may take here, where browsers and servers share
#: two cores and record traces (milliseconds).
PROMPT = 2_500
#: A clean leave is over after this (the promise: 6 s; for the same reason, more).
LEAVE = 8_000
#: A killed process is forgotten after this, in milliseconds.
KILLED = 10_000
#: Who hangs on a dead line is gone after this, in milliseconds.
PULLED = 25_000


@dataclass
class Person:
    """One person's tab. ``second_tab`` is the same person in another one.

    ``complaints`` collects what the browser writes to its console as errors or
    warnings, in all tabs of the person.
    """

    username: str
    url: str
    context: BrowserContext
    page: Page
    complaints: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.username.capitalize()

    # What they do.

    def signs_in(self) -> None:
        """Fill in the form of the page that asks for it."""
        self.page.get_by_label("Username").fill(self.username)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.button("Sign in").click()
        self.is_live()

    def writes(self, title: str = "Delivery", text: str = "Good news.") -> int:
        """Create a document, without looking at it; gives its id."""
        return write(self.context.request, self.url, title, text)

    def goes_to(self, path: str) -> None:
        """Load a page, and wait until it is live."""
        self.page.goto(f"{self.url}{path}")
        self.is_live()

    def opens_dashboard(self) -> None:
        self.goes_to("/")

    def opens(self, document: int) -> None:
        """Open a document for reading."""
        self.goes_to(f"/documents/{document}/")

    def edits(self, document: int) -> None:
        """Open the editor, and so take the pen if it is free."""
        self.goes_to(f"/documents/{document}/edit/")

    def types(self, text: str) -> None:
        """Replace the text in the editor."""
        self.text_field.fill(text)

    def saves(self) -> None:
        """Save, and wait for the server's answer."""
        self.button("Save").click()
        self.sees_saved("Saved")

    def sees_saved(self, text: str) -> None:
        """The server has what was typed, and says so."""
        expect(self.save_state).to_have_attribute("data-state", "saved")
        expect(self.save_state).to_contain_text(text)

    def renames(self, title: str) -> None:
        """Give the document another title, in the editor; it is saved by itself."""
        self.title_field.fill(title)
        self.text_field.focus()

    def finishes(self) -> None:
        """Done: save what is unsaved, give the pen back, read on."""
        self.button("Done").click()
        expect(self.page).to_have_url(re.compile(r"/documents/\d+/[^/]*/?$"))

    def chooses(self, name: str) -> None:
        """Something in the document's menu, by keyboard. (Chromium, asked to show a menu
        that stands beside its button, may scroll the page away beneath the pointer.)"""
        self.button("More").press("Enter")
        self.button(name).press("Enter")

    def throws_away(self) -> None:
        """Move the document that is open to the trash."""
        self.chooses("Move to trash")
        expect(self.button("Undo")).to_be_visible()

    def reloads(self) -> None:
        self.page.reload()
        self.is_live()

    def leaves(self) -> None:
        """Close this tab."""
        self.page.close()

    def second_tab(self, path: str = "/") -> Person:
        """The same person in one more tab."""
        other = replace(self, page=self.context.new_page())
        listen(other)
        other.goes_to(path)
        return other

    # What they see.

    def is_live(self) -> None:
        self.is_connected("live")

    def is_connected(self, state: str, within: float = 10_000) -> None:
        expect(self.page.locator("html")).to_have_attribute("data-live", state, timeout=within)

    def sees_active(self, count: int, within: float = PROMPT) -> None:
        """The counter of active people."""
        counter = self.test_id("active-users")
        expect(counter).to_have_attribute("data-count", str(count), timeout=within)
        expect(counter).to_contain_text(f"{count} active")

    def sees_badge(self, document: int, state: str, text: str = "", within: float = PROMPT) -> None:
        """A document's badge on whatever page this is."""
        badge = self.test_id("lock-badge", document=document)
        expect(badge).to_have_attribute("data-state", state, timeout=within)
        expect(badge).to_contain_text(text)

    def sees_present(self, username: str, mode: str, within: float = PROMPT) -> None:
        """Somebody among the people here."""
        here = self.test_id("presence").locator(f'[data-user="{username}"]')
        expect(here).to_have_attribute("data-mode", mode, timeout=within)

    def sees_toast(self, document: int, verb: str, text: str = "", within: float = PROMPT) -> None:
        """A toast about a document."""
        toast = self.toast(document, verb)
        expect(toast).to_be_visible(timeout=within)
        expect(toast).to_contain_text(text)

    def sees_pen(self, state: str, text: str = "", within: float = PROMPT) -> None:
        """Who has the pen, as this page shows it."""
        expect(self.test_id("pen")).to_have_attribute("data-state", state, timeout=within)
        expect(self.test_id("pen")).to_contain_text(text)

    def sees_text(self, text: str, within: float = PROMPT) -> None:
        """The document's rendered text."""
        expect(self.test_id("document-text")).to_contain_text(text, timeout=within)

    def sees_watch(self, state: str, text: str = "", within: float = PROMPT) -> None:
        """What a page that watches somebody write says of the text it shows."""
        expect(self.test_id("watch-state")).to_have_attribute("data-state", state, timeout=within)
        expect(self.test_id("watch-state")).to_contain_text(text)

    def sees_heading(self, state: str, text: str = "", within: float = PROMPT) -> None:
        """Who may change title and cover, as their page shows it."""
        lease = self.test_id("heading-lease")
        expect(lease).to_have_attribute("data-state", state, timeout=within)
        expect(lease).to_contain_text(text)

    # Where things are.

    def toast(self, document: int, verb: str) -> Locator:
        return self.page.locator(
            f'[data-testid=toast][data-document="{document}"][data-verb={verb}]'
        )

    @property
    def toasts(self) -> Locator:
        return self.test_id("toast")

    @property
    def save_state(self) -> Locator:
        return self.test_id("save-state")

    @property
    def text_field(self) -> Locator:
        return self.page.get_by_label("Text", exact=True)

    @property
    def title_field(self) -> Locator:
        return self.page.get_by_label("Title", exact=True)

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def link(self, name: str) -> Locator:
        return self.page.get_by_role("link", name=name, exact=True)

    def row(self, document: int) -> Locator:
        return self.test_id("document-row", document=document)

    def test_id(self, test_id: str, document: int | None = None) -> Locator:
        about = "" if document is None else f'[data-document="{document}"]'
        return self.page.locator(f"[data-testid={test_id}]{about}")


#: Makes people: ``person("leela")``; a fixture.
PersonMaker = Callable[..., Person]


def listen(person: Person) -> None:
    """Write down what a tab complains of."""
    who, complaints = person.username, person.complaints
    person.page.on(
        "console",
        lambda message: (
            complaints.append(f"{who}: {message.type}: {message.text} ({message.location})")
            if message.type in {"error", "warning"}
            else None
        ),
    )
    person.page.on("pageerror", lambda error: complaints.append(f"{who}: {error}"))


def sign_in(request: APIRequestContext, url: str, username: str) -> None:
    """Sign in over HTTP, with the same forms a browser sends."""
    fields = {"username": username, "password": PASSWORD}
    answer = post(request, f"{url}/login/", fields)
    assert "/login/" not in answer, f"{username} could not sign in"


def write(request: APIRequestContext, url: str, title: str, text: str) -> int:
    """Create a document over HTTP; gives its id."""
    answer = post(request, f"{url}/documents/new/", {"title": title, "text": text})
    found = re.search(r"/documents/(\d+)/", answer)
    assert found, f"no document was made: {answer}"
    return int(found.group(1))


def post(
    request: APIRequestContext, address: str, fields: dict[str, str], to: str | None = None
) -> str:
    """Fetch a form, send it filled in (perhaps elsewhere); gives the address it leads to."""
    form = request.get(address).text()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
    assert token, f"{address} has no form"
    answer = request.post(
        to or address,
        form={**fields, "csrfmiddlewaretoken": token.group(1)},
        fail_on_status_code=True,
    )
    return answer.url
