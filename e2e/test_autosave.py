"""What is typed is kept, and the page says honestly where."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from urllib.parse import parse_qs

import pytest
from playwright.sync_api import FilePayload, Page, Request, Route, expect

from e2e.cable import Cable
from e2e.observers import TEXTS, html
from e2e.people import LEAVE, Person, PersonMaker
from e2e.stack import Stack
from e2e.test_conflict import expires

KEPT = "() => Object.keys(localStorage).length"
DRAFT = re.compile(r"/draft/$")
#: Playwright's fill would type a long text key by key.
PASTE = """(field, text) => {
  field.value = text;
  field.dispatchEvent(new Event("input", { bubbles: true }));
}"""
#: A page may take this long to come back (milliseconds).
BACK = 15_000
#: Until a request that was sent is known here (seconds).
TOLD = 5.0


class Post:
    """What the editor sends to be kept, held up until the test lets it pass."""

    def __init__(self, person: Person) -> None:
        self.page = person.page
        self.texts: list[str] = []
        self.held: list[Route] = []
        self.page.on("request", self._note)
        self.page.route(DRAFT, self._hold)

    def _note(self, request: Request) -> None:
        if DRAFT.search(request.url):
            self.texts += parse_qs(request.post_data or "")["text"]

    def _hold(self, route: Route) -> None:
        self.held.append(route)

    def passes(self) -> None:
        """Let a request that has been sent go to the server."""
        await_one(self.held, self.page)
        self.held.pop(0).continue_()


def await_one(held: Sequence[Route], page: Page) -> None:
    """Wait until a page has sent a request that is held up."""
    deadline = time.monotonic() + TOLD
    while not held:  # Playwright tells of it in a moment
        assert time.monotonic() < deadline, "nothing was sent"
        page.wait_for_timeout(10)


def stops_the_clock(person: Person) -> None:
    """The page's time stands still, but for what the test lets pass."""
    person.page.clock.install()
    person.page.clock.pause_at(datetime.now(UTC) + timedelta(seconds=1))


def looks_on(person: Person, document: int) -> None:
    """Somebody has the document open, from before the first key."""
    person.context.add_init_script(TEXTS)
    person.opens(document)


def nothing_was_seen(onlooker: Person, writer: Person, document: int) -> None:
    """Of all that was typed; only that somebody is editing. What is saved comes."""
    onlooker.sees_badge(document, "editing", f"{writer.name} is editing")
    typed = writer.text_field.input_value()
    writer.saves()
    onlooker.sees_text(typed)
    expect(html(onlooker)).to_have_attribute("data-test-texts", f"Good news. | {typed}")


def test_typing_is_a_draft_and_no_save(leela: Person, fry: Person, document: int) -> None:
    """It says when it was kept; others see the saved text; a reload goes on."""
    leela.opens(document)
    fry.edits(document)
    fry.types("Half a thou")
    fry.sees_saved("Draft saved")
    assert fry.page.evaluate(KEPT) == 0
    leela.sees_text("Good news.")
    fry.reloads()
    expect(fry.text_field).to_have_value("Half a thou")
    fry.sees_saved("Draft saved")
    fry.saves()
    leela.sees_text("Half a thou")


@pytest.mark.complaints
def test_without_the_server_the_browser_keeps_it(fry: Person, document: int) -> None:
    """Not saved – retrying, until the server answers again."""
    fry.edits(document)
    fry.page.route(DRAFT, lambda route: route.abort())
    fry.types("Typed into the dark.")
    expect(fry.save_state).to_have_attribute("data-state", "unsaved")
    expect(fry.save_state).to_contain_text("Not saved – retrying")
    assert fry.page.evaluate(KEPT) == 1
    fry.page.unroute(DRAFT)
    fry.sees_saved("Draft saved")
    assert fry.page.evaluate(KEPT) == 0


@pytest.mark.complaints
def test_a_page_closed_in_the_dark_loses_nothing(fry: Person, document: int) -> None:
    """The browser kept the text, and the next visit offers it, with the difference."""
    fry.edits(document)
    fry.page.route(DRAFT, lambda route: route.abort())
    fry.types("Bad news.")
    expect(fry.save_state).to_have_attribute("data-state", "unsaved")
    other = fry.second_tab(f"/documents/{document}/")
    other.page.get_by_role("link", name=re.compile("Restore your text from")).click()
    expect(other.test_id("diff").locator("ins")).to_have_text("Bad")
    assert other.page.evaluate(KEPT) == 0
    other.button("Continue with this text").click()
    other.sees_pen("mine")
    expect(other.text_field).to_have_value("Bad news.")
    other.saves()
    other.finishes()
    other.sees_text("Bad news.")
    expect(other.test_id("unsaved-text")).to_have_count(0)


@pytest.mark.complaints
def test_who_lost_the_pen_keeps_the_text(
    stack: Stack, leela: Person, fry: Person, document: int
) -> None:
    """Leela has the pen: Fry's editor takes no more typing, and shows his text,
    which waits for him on the document's page as well."""
    fry.edits(document)
    fry.types("Fry's words.")
    fry.sees_saved("Draft saved")
    expires(stack, document)
    leela.edits(document)
    fry.sees_pen("theirs", "Leela has the pen now")
    expect(fry.text_field).not_to_be_editable()
    expect(fry.text_field).to_have_value("Fry's words.")
    fry.opens(document)
    fry.page.get_by_role("link", name=re.compile("Restore your text from")).click()
    fry.button("Continue with this text").click()
    expect(fry.page.get_by_text("Somebody else has the pen.")).to_be_visible()
    leela.finishes()
    fry.button("Continue with this text").click()
    expect(fry.text_field).to_have_value("Fry's words.")


def is_refused(person: Person) -> None:
    """A text that is too long, and is there all the same."""
    expect(person.save_state).to_contain_text("a document holds up to 200 KB")
    expect(person.save_state).to_have_attribute("data-state", "unsaved")
    expect(person.text_field).to_have_value("word " * 40_001)


@pytest.mark.complaints
def test_too_long_a_text_stays_where_it_is(leela: Person, fry: Person, document: int) -> None:
    """Neither kept nor saved, and the line says why; the browser has it, over a reload as
    well, until it is short enough."""
    leela.opens(document)
    fry.edits(document)
    fry.text_field.evaluate(PASTE, "word " * 40_001)
    is_refused(fry)
    with fry.page.expect_response(f"**/documents/{document}/edit/") as answer:
        fry.button("Save").click()
    assert answer.value.status == 422
    is_refused(fry)
    fry.reloads()
    is_refused(fry)
    leela.sees_text("Good news.")
    fry.text_field.evaluate(PASTE, "word " * 39_000)
    fry.saves()
    leela.sees_text("word word")
    assert fry.page.evaluate(KEPT) == 0


@pytest.mark.complaints
def test_a_bad_upload_costs_no_word(fry: Person, document: int) -> None:
    """On the way from the editor to a cover: the page says what is wrong, and has the
    title that was typed; the editor has the text."""
    fry.edits(document)
    fry.types("Half a sentence")
    fry.button("Cover image").click()
    fry.is_live()
    fry.title_field.fill("Delivery to the moon")
    no_picture = FilePayload(name="moon.png", mimeType="image/png", buffer=b"not a picture")
    fry.page.locator("input[type=file]").set_input_files(no_picture)
    fry.button("Save").click()
    expect(fry.page.get_by_text("This file is not a picture")).to_be_visible()
    expect(fry.title_field).to_have_value("Delivery to the moon")
    fry.button("Save").click()
    expect(fry.text_field).to_have_value("Half a sentence")
    expect(fry.title_field).to_have_value("Delivery to the moon")
    fry.sees_pen("mine")


def test_another_tab_goes_on_with_the_draft(fry: Person, document: int) -> None:
    """Never in conflict with oneself."""
    fry.edits(document)
    fry.types("Begun here.")
    fry.sees_saved("Draft saved")
    other = fry.second_tab(f"/documents/{document}/edit/")
    other.button("Move editing here").click()
    expect(other.text_field).to_have_value("Begun here.")
    expect(fry.text_field).not_to_be_editable()


def test_a_draft_is_sent_400_ms_after_a_pause(leela: Person, fry: Person, document: int) -> None:
    """Not before: each key begins the pause anew. (The first key of all is sent at once.)"""
    looks_on(leela, document)
    fry.edits(document)
    stops_the_clock(fry)
    clock, post = fry.page.clock, Post(fry)
    with fry.page.expect_request(DRAFT):
        fry.types("a")
    post.passes()
    fry.sees_saved("Draft saved")
    for text in ("ab", "abc"):
        fry.types(text)
        clock.run_for(399)
    with fry.page.expect_request(DRAFT):
        clock.run_for(1)
    post.passes()
    fry.sees_saved("Draft saved")
    clock.run_for(5_000)
    with fry.page.expect_request(DRAFT):
        fry.types("abcd")
    assert post.texts == ["a", "abc", "abcd"], "and nothing twice"
    post.passes()
    fry.sees_saved("Draft saved")
    nothing_was_seen(leela, fry, document)


def test_whoever_does_not_pause_is_saved_every_2_s(
    leela: Person, fry: Person, document: int
) -> None:
    """Ten letters a second, for five seconds: what is sent tells when it was."""
    looks_on(leela, document)
    fry.edits(document)
    stops_the_clock(fry)
    clock, post = fry.page.clock, Post(fry)
    for letters in range(1, 51):
        fry.types("x" * letters)
        clock.run_for(100)
        while post.held:
            with fry.page.expect_response(DRAFT):
                post.passes()
    letters_sent = [0, *map(len, post.texts)]
    assert letters_sent[-1] > 30
    assert all(later - earlier <= 21 for earlier, later in pairwise(letters_sent))
    fry.page.unroute(DRAFT)
    nothing_was_seen(leela, fry, document)


def test_one_draft_at_a_time_is_under_way(leela: Person, fry: Person, document: int) -> None:
    """What is typed meanwhile waits, and then only the newest is sent."""
    looks_on(leela, document)
    fry.edits(document)
    stops_the_clock(fry)
    clock, post = fry.page.clock, Post(fry)
    with fry.page.expect_request(DRAFT):
        fry.types("One.")
    for text in ("One. Two.", "One. Two. Three.", "One. Two. Three. Four."):
        fry.types(text)
        clock.run_for(5_000)
    assert post.texts == ["One."]
    with fry.page.expect_request(DRAFT):
        post.passes()
    assert post.texts == ["One.", "One. Two. Three. Four."]
    post.passes()
    fry.sees_saved("Draft saved")
    nothing_was_seen(leela, fry, document)


@pytest.mark.complaints
def test_the_line_says_where_the_text_is(
    stack: Stack, cable: Cable, person: PersonMaker, leela: Person, document: int
) -> None:
    """Saving, until the server has answered; then when it was. Without a network, that
    the browser has it; and the server again when that is back."""
    fry = person("fry", url=stack.cable_url)
    looks_on(leela, document)
    fry.edits(document)
    post = Post(fry)
    with fry.page.expect_request(DRAFT):
        fry.types("On its way.")
    expect(fry.save_state.get_by_text("Saving…")).to_be_visible()
    expect(fry.save_state).to_have_attribute("data-state", "saving")
    assert fry.page.evaluate(KEPT) == 1
    post.passes()
    expect(fry.save_state).to_contain_text(re.compile(r"Draft saved \d\d:\d\d:\d\d"))
    expect(fry.save_state.get_by_text("Saving…")).to_be_hidden()
    assert fry.page.evaluate(KEPT) == 0
    fry.page.unroute(DRAFT)
    cable.pull()
    fry.is_connected("offline")
    fry.types("On its way, and kept.")
    expect(fry.save_state.get_by_text("Offline – kept in this browser")).to_be_visible()
    assert fry.page.evaluate(KEPT) == 1
    cable.plug()
    fry.is_connected("live", within=BACK)
    fry.sees_saved("Draft saved")
    assert fry.page.evaluate(KEPT) == 0
    nothing_was_seen(leela, fry, document)


TOO_LONG = "A word too many. " * 12_000
KEPT_TEXTS = "() => Object.values(localStorage).map((kept) => JSON.parse(kept).text)"
#: A browser whose storage is full, and one that forbids it.
FULL = "Storage.prototype.setItem = () => { throw new DOMException('full'); };"
FORBIDDEN = """
Object.defineProperty(window, "localStorage", { get() { throw new DOMException("no"); } });
"""


@pytest.mark.complaints
def test_a_kept_text_that_is_refused_is_not_overwritten(
    stack: Stack, leela: Person, fry: Person, document: int
) -> None:
    """It is too long for a document. The next editor says so and shows it, and what is
    typed there is kept beside it; it goes when Fry throws it away."""
    leela.opens(document)
    fry.edits(document)
    fry.types(TOO_LONG)
    expect(fry.save_state).to_contain_text("200 KB")
    fry.opens(document)
    leela.sees_pen("free", within=LEAVE)
    fry.edits(document)
    kept = fry.test_id("kept-text")
    expect(kept).to_contain_text("could not be kept here. This text has 204 KB")
    kept.get_by_text("Show the text").click()
    expect(kept.get_by_label("Unsaved text")).to_have_value(TOO_LONG)
    fry.page.route(DRAFT, lambda route: route.abort())
    fry.types("The next stay.")
    expect(fry.save_state).to_have_attribute("data-state", "unsaved")
    assert sorted(fry.page.evaluate(KEPT_TEXTS)) == [TOO_LONG, "The next stay."]
    fry.page.unroute(DRAFT)
    fry.sees_saved("Draft saved")
    assert fry.page.evaluate(KEPT_TEXTS) == [TOO_LONG]
    kept.get_by_role("button", name="Discard").click()
    expect(kept).to_have_count(0)
    assert fry.page.evaluate(KEPT) == 0
    leela.sees_text("Good news.")


@pytest.mark.complaints
def test_a_kept_text_is_handed_in_until_the_server_has_it(fry: Person, document: int) -> None:
    """The first try fails; newer words of the stay it is from are not forgotten for it."""
    fry.edits(document)
    fry.page.route(DRAFT, lambda route: route.abort())
    fry.types("Kept.")
    expect(fry.save_state).to_have_attribute("data-state", "unsaved")
    other = fry.context.new_page()
    held: list[Route] = []
    other.route(DRAFT, lambda route: route.fulfill(status=503, body="no"), times=1)
    other.goto(f"{fry.url}/documents/{document}/")
    restore = other.get_by_role("link", name=re.compile("Restore your text from"))
    expect(restore).to_have_count(0)

    def hold(route: Route) -> None:
        held.append(route)

    other.route(DRAFT, hold)
    await_one(held, other)
    fry.types("Kept, and more.")
    held[0].continue_()
    other.unroute(DRAFT, hold)
    restore.click()
    expect(other.get_by_test_id("diff")).to_contain_text("and more")
    assert other.evaluate(KEPT) == 0


@pytest.mark.complaints
@pytest.mark.parametrize("storage", [FULL, FORBIDDEN], ids=["full", "forbidden"])
def test_without_storage_the_line_is_honest(fry: Person, document: int, storage: str) -> None:
    """Nothing is green that the server has not answered, and it gets what is typed."""
    fry.context.add_init_script(storage)
    fry.edits(document)
    fry.types("Sent.")
    fry.sees_saved("Draft saved")
    fry.page.route(DRAFT, lambda route: route.abort())
    fry.types("Sent, and sent again.")
    expect(fry.save_state).to_have_attribute("data-state", "unsaved")
    fry.page.unroute(DRAFT)
    fry.sees_saved("Draft saved")


@pytest.mark.complaints
def test_a_text_beyond_what_the_server_reads(fry: Person, document: int) -> None:
    """Eleven megabytes: the editor stays, says why nothing is saved, and goes on when
    the text is shorter."""
    fry.edits(document)
    fry.text_field.evaluate(
        "(field) => { field.value = 'x'.repeat(11_000_000);"
        " field.dispatchEvent(new Event('input', { bubbles: true })); }"
    )
    expect(fry.save_state).to_contain_text("takes no text of this size", timeout=20_000)
    assert fry.text_field.evaluate("(field) => field.value.length") == 11_000_000
    fry.button("Save").click()
    expect(fry.save_state).to_be_visible()
    fry.types("Shorter.")
    fry.sees_saved("Draft saved")
    fry.saves()
