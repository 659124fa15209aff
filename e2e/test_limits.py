"""What a person sees who reaches a limit; and that it costs no word."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from e2e.people import PersonMaker
from e2e.services import eventually
from e2e.stack import Stack, sqlite_stack
from e2e.test_autosave import DRAFT, KEPT

TOO_MANY = 4429
FILL = """
from collab.models import Person
from collab.operations.documents import Content, create
leela = Person.objects.get(username="leela")
for number in range(6):
    create(leela.pk, Content(f"Long {number}", "Words. " * 28_000))
"""


@pytest.fixture(scope="module")
def limited() -> Iterator[Stack]:
    with sqlite_stack(extra={"DJANGO_SETTINGS_MODULE": "e2e.limited"}) as stack:
        yield stack


on_limited = pytest.mark.parametrize("stack", ["limited"], indirect=True)


@on_limited
@pytest.mark.complaints
def test_drafts_beyond_the_limit_wait_in_the_browser(stack: Stack, person: PersonMaker) -> None:
    """The page says so, and when it will send them; nothing typed is lost, whatever the
    server has refused."""
    fry = person("fry")
    document = fry.writes()
    fry.page.clock.install()
    fry.edits(document)
    for number in range(14):  # a new minute may begin in between
        with fry.page.expect_response(DRAFT) as answer:
            fry.types(f"Word {number}.")
        if answer.value.status == 429:
            break
    assert answer.value.status == 429
    expect(fry.save_state).to_have_attribute("data-state", "unsaved")
    expect(fry.save_state).to_contain_text(re.compile(r"Try again in \d+ seconds?\."))
    expect(fry.save_state).to_contain_text("Your text is kept in this browser")
    assert f"Word {number}." in fry.page.evaluate("JSON.stringify(localStorage)")
    wait = int(answer.value.headers["retry-after"])
    assert 0 < wait <= 60
    with fry.page.expect_request(DRAFT):
        fry.page.clock.fast_forward(wait * 1000)
    fry.saves()  # another limit, with room
    assert fry.page.evaluate(KEPT) == 0
    fry.finishes()
    fry.sees_text(f"Word {number}.")


@on_limited
@pytest.mark.complaints
def test_a_save_without_room_is_a_draft(stack: Stack, person: PersonMaker) -> None:
    """It says what to do; and when that is done, the text is there to be saved."""
    leela = person("leela")
    document = leela.writes("Plan", "Begun.")
    stack.manage("shell", "-c", FILL)
    # What was measured before still counts as roomy for a while: a new process measures.
    stack.kill(0)
    stack.revive()
    leela.edits(document)
    leela.types("Begun, and gone on.")
    leela.sees_saved("Draft saved")
    leela.button("Save").click()
    expect(leela.save_state).to_contain_text("Your space of 1 MB is full.")
    expect(leela.save_state).to_contain_text("your text is kept as a draft")
    expect(leela.save_state).to_have_attribute("data-state", "unsaved")
    leela.button("Done").click()  # by a plain form
    expect(leela.page.get_by_role("alert").first).to_contain_text("Your space of 1 MB is full.")
    expect(leela.text_field).to_have_value("Begun, and gone on.")
    stack.sql("UPDATE collab_document SET text = '' WHERE id > %s", document)
    stack.sql("UPDATE collab_revision SET packed = '' WHERE document_id > %s", document)
    leela.finishes()
    leela.sees_text("Begun, and gone on.")


@on_limited
@pytest.mark.complaints
def test_one_page_too_many(stack: Stack, person: PersonMaker) -> None:
    """It says so and does not come back by itself; the others go on. With one less, it
    is as any other."""
    bender = person("bender")
    bender.opens_dashboard()
    second = bender.second_tab()
    third = bender.context.new_page()
    third.clock.install()
    opened: list[str] = []
    third.on("websocket", lambda socket: opened.append(socket.url))
    third.goto(f"{bender.url}/")
    note = third.get_by_text("too many of yours are open")
    expect(note).to_be_visible()
    expect(third.locator("html")).to_have_attribute("data-closed", str(TOO_MANY))
    bender.is_live()
    third.clock.fast_forward(60_000)  # whatever waits to try again does it now
    assert len(opened) == 1
    second.leaves()
    here = "SELECT count(*) FROM live_connection WHERE left_at IS NULL"
    eventually(lambda: stack.sql(here)[0][0] == 1, "the closed tab has left")
    note.locator("..").get_by_role("link", name="Reload").click()
    expect(third.locator("html")).to_have_attribute("data-live", "live")
