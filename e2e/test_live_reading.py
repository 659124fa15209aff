"""Reading while others write: a save arrives in place, and a draft on request."""

from __future__ import annotations

from itertools import pairwise

from playwright.sync_api import Page, expect

from e2e.observers import PUSHES, TEXTS, html
from e2e.pages import Written
from e2e.people import Person
from e2e.test_autosave import DRAFT

PARAGRAPH = "The good ship delivers whatever it is given, wherever it is sent, every day."
#: About 100 KB of Markdown in 1,300 blocks.
LONG = "\n\n".join(f"{PARAGRAPH} ({number})" for number in range(1_250))
#: From one push to the next, but for how late the first may have come (milliseconds).
A_SECOND = 800
FRESH = "article.prose > [data-fresh]"


def received(page: Page) -> list[str]:
    """The frames this page gets from now on."""
    frames: list[str] = []
    page.on(
        "websocket",
        lambda socket: socket.on("framereceived", lambda data: frames.append(str(data))),
    )
    return frames


def test_of_a_long_text_only_what_changed_is_sent(
    leela: Person, fry: Person, written: Written
) -> None:
    """One word in 100 KB: less than 5 KB on the wire, everything included, and only
    the paragraph that has it is marked, for a moment."""
    document = written("A long letter", LONG)
    frames = received(leela.page)
    leela.opens(document)
    fry.edits(document)
    leela.sees_badge(document, "editing", "Fry is editing")
    # As a keystroke changes it: Playwright's fill would type all 100 KB anew.
    fry.text_field.evaluate(
        """(field, [where, word]) => {
          field.setRangeText("rocket", where, where + word.length);
          field.dispatchEvent(new Event("input", { bubbles: true }));
        }""",
        [LONG.index(f"{PARAGRAPH} (700)") + PARAGRAPH.index("ship"), "ship"],
    )
    frames.clear()
    fry.saves()
    leela.sees_text("The good rocket delivers")
    expect(leela.test_id("last-save")).to_have_text("Fry saved: +1 −1 words")
    assert len(LONG) > 98_000
    assert 0 < sum(len(frame.encode()) for frame in frames) < 5_000
    expect(leela.page.locator(FRESH)).to_have_count(1)
    expect(leela.page.locator(FRESH)).to_contain_text("rocket")
    expect(leela.page.locator(FRESH)).to_have_count(0, timeout=10_000)


def test_a_save_does_not_disturb_who_is_reading(
    leela: Person, fry: Person, written: Written
) -> None:
    """What is selected stays selected, and every paragraph stays the element it was:
    those around the change, those that move, and the one that changes."""
    document = written("Selected", "One.\n\nTwo and so on.\n\nThree.")
    leela.opens(document)
    leela.page.evaluate(
        """() => {
          const text = document.querySelectorAll("article p")[2].firstChild;
          getSelection().setBaseAndExtent(text, 1, text, 4);
          document.querySelectorAll("article p").forEach((p, n) => { p.same = n; });
        }"""
    )
    fry.edits(document)
    fry.types("Zero.\n\nOne.\n\nTwo and so on, and on.\n\nThree.\n\nFour.")
    fry.saves()
    leela.sees_text("Two and so on, and on.")
    assert leela.page.evaluate("() => String(getSelection())") == "hre"
    same = "() => [...document.querySelectorAll('article p')].map((p) => p.same ?? '')"
    assert leela.page.evaluate(same) == ["", 0, 1, 2, ""]


def test_many_saves_end_in_the_page_as_it_would_be_loaded(
    leela: Person, fry: Person, written: Written
) -> None:
    """Blocks come, go, change and move; the open page is right after each."""
    document = written("Changes", "a\n\nb\n\nc")
    leela.opens(document)
    fry.edits(document)
    texts = (
        "c\n\na\n\nb",
        "# b\n\na\n\na",
        "- x\n- y\n\na\n\n***\n\n***",
        "",
        "only",
        "x\n\nonly",
    )
    for version, text in enumerate(texts, 2):
        fry.types(text)
        fry.saves()
        expect(leela.test_id("last-save")).to_have_attribute("data-version", str(version))
        shown = leela.test_id("document-text").inner_text()
        loaded = leela.second_tab(f"/documents/{document}/")
        assert loaded.test_id("document-text").inner_text() == shown
        loaded.leaves()


def test_watch_it_being_written(leela: Person, fry: Person, document: int) -> None:
    """Leela sees what Fry types, marked as unsaved, and Fry sees that she watches.
    Nobody sees it who has not asked to."""
    leela.context.add_init_script(TEXTS)
    leela.opens(document)
    fry.edits(document)
    leela.link("Watch it being written").click()
    leela.is_live()
    leela.sees_watch("saved", "Fry has the pen")
    expect(fry.test_id("watchers")).to_have_text("1 person watches you write")
    fry.types("A **first** thought <script>document.title = 'gone'</script>")
    reader = leela.second_tab(f"/documents/{document}/")
    leela.sees_watch("unsaved", "Fry is writing this")
    draft = leela.test_id("draft-text")
    expect(draft).to_contain_text("A first thought <script>")
    expect(draft.locator("strong")).to_have_text("first")
    reader.sees_text("Good news.")
    fry.types("A second one.")
    expect(draft).to_have_text("A second one.")
    fry.saves()
    leela.sees_watch("saved", "This is the saved text")
    reader.sees_text("A second one.")
    # Had the reader been sent a draft, it would have come before.
    expect(html(reader)).to_have_attribute("data-test-texts", "Good news. | A second one.")
    leela.link("Stop watching").click()
    expect(fry.test_id("watchers")).to_have_count(0, timeout=10_000)
    fry.finishes()


def test_the_writer_sees_how_many_watch(
    leela: Person, fry: Person, bender: Person, document: int
) -> None:
    """People, not tabs, and not those who merely read."""
    fry.edits(document)
    watch = f"/documents/{document}/watch/"
    leela.opens(document)
    bender.goes_to(watch)
    expect(fry.test_id("watchers")).to_have_text("1 person watches you write")
    leela.second_tab(watch)
    leela.second_tab(watch)
    expect(fry.test_id("watchers")).to_have_text("2 people watch you write")


def test_the_watch_ends_with_the_writing(leela: Person, fry: Person, document: int) -> None:
    """Fry is done: the page says so."""
    fry.edits(document)
    leela.goes_to(f"/documents/{document}/watch/")
    leela.sees_watch("saved", "Fry has the pen")
    fry.types("The end.")
    leela.sees_watch("unsaved")
    fry.finishes()
    leela.sees_watch("over", "Nobody is editing now")
    expect(leela.test_id("draft-text")).to_have_text("The end.")


def test_watching_is_at_most_one_push_a_second(leela: Person, fry: Person, document: int) -> None:
    """However often Fry's text is stored; and the last state comes, too."""
    leela.context.add_init_script(PUSHES)
    fry.edits(document)
    leela.goes_to(f"/documents/{document}/watch/")
    leela.sees_watch("saved")
    for number in range(8):
        with fry.page.expect_response(DRAFT):
            fry.types(f"Word {number}")
        fry.sees_saved("Draft saved")
    expect(leela.test_id("draft-text")).to_have_text("Word 7")
    came = [int(at) for at in (html(leela).get_attribute("data-test-pushes") or "").split()]
    assert len(came) > 2
    assert all(later - earlier >= A_SECOND for earlier, later in pairwise(came))
