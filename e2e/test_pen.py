"""The pen: who has it, what keeps it, and what ends it."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, Playwright, expect

from e2e.cable import Cable
from e2e.chromium import launch_options
from e2e.conftest import in_a_hurry
from e2e.hurried import LEASE_SECONDS
from e2e.observers import HIDDEN, PEN_TIMES, html
from e2e.pages import Written
from e2e.people import LEAVE, PULLED, Person, PersonMaker, sign_in
from e2e.stack import A_LEASE, Stack, eventually

#: Until a hurried pen has run out, and somebody has looked (milliseconds).
RUNS_OUT = 1_000 * LEASE_SECONDS + 5_000
#: A page may take this long to come back (milliseconds).
BACK = 15_000
HELD_AT = "UPDATE collab_document SET held_at = %s WHERE id = %s"
EXPIRES_AT = "UPDATE collab_document SET expires_at = %s WHERE id = %s"
IDLE_SINCE = "UPDATE collab_document SET active_at = %s WHERE id = %s"


def ago(**by: float) -> str:
    """A time in the past, as both databases read it."""
    return (datetime.now(UTC) - timedelta(**by)).isoformat(" ")


def lease(stack: Stack, document: int) -> Any:
    """The fence, and when the pen ends."""
    return stack.sql("SELECT fence, expires_at FROM collab_document WHERE id = %s", document)[0]


# Who has it.


def test_it_says_who_has_the_pen_and_since_when(
    stack: Stack, leela: Person, fry: Person, document: int
) -> None:
    """Whoever opens the editor then reads instead, and may ask for it."""
    fry.edits(document)
    stack.sql(HELD_AT, "2026-11-25 14:02:00+00:00", document)
    leela.edits(document)
    leela.sees_pen("theirs", "Fry has had the pen since 2:02 p.m.")
    leela.sees_text("Good news.")
    expect(leela.text_field).to_have_count(0)
    expect(leela.button("Ask for the pen")).to_be_visible()


def test_the_one_who_is_asked_sees_a_countdown(
    stack: Stack, leela: Person, fry: Person, document: int
) -> None:
    """Of 30 seconds, whose end both pages name alike."""
    fry.edits(document)
    leela.opens(document)
    leela.button("Ask for the pen").click()
    countdown = fry.test_id("asking").locator(".countdown")
    assert countdown.evaluate("one => getComputedStyle(one).animationDuration") == "30s"
    rows = stack.sql("SELECT asked_at FROM collab_document WHERE id = %s", document)
    asked_at = datetime.fromisoformat(str(rows[0][0]))
    until = f"{asked_at + timedelta(seconds=30):%H:%M:%S}"
    expect(fry.test_id("asking")).to_contain_text(f"it is handed over at {until}")
    leela.sees_pen("asked", f"It is yours at {until}")


@pytest.mark.complaints  # the text comes with the pen gone, which is a 409
def test_ten_idle_minutes_hand_over_at_once(
    stack: Stack, leela: Person, fry: Person, written: Written
) -> None:
    """Who has not touched a key for ten minutes is not waited for; who has is."""
    busy, idle = written("Busy"), written("Idle")
    fry.edits(busy)
    other = fry.second_tab(f"/documents/{idle}/edit/")
    other.types("Before lunch.")
    other.sees_saved("Draft saved")
    leela.opens(busy)
    leela.button("Ask for the pen").click()
    leela.sees_pen("asked")
    waiting = leela.second_tab(f"/documents/{idle}/")
    for document, minutes in ((busy, 9.5), (idle, 10.1)):
        stack.sql(IDLE_SINCE, ago(minutes=minutes), document)
    waiting.button("Ask for the pen").click()
    waiting.sees_pen("mine", "The pen is yours", within=10_000)
    other.sees_pen("theirs", "Leela has the pen now")
    expect(other.text_field).to_have_value("Before lunch.")
    # Whoever looked after that one has looked after this one, too.
    leela.sees_pen("asked")
    fry.sees_pen("mine")


@pytest.mark.complaints
def test_an_administrator_takes_the_pen_for_a_reason(
    fry: Person, person: PersonMaker, document: int
) -> None:
    """Of a document of somebody else's; others are not even offered to."""
    hermes, bystander = person("hermes"), person("leela")
    fry.edits(document)
    bystander.opens(document)
    expect(bystander.button("Ask for the pen")).to_be_visible()
    expect(bystander.page.get_by_text("Take the pen at once")).to_have_count(0)
    hermes.opens(document)
    hermes.page.get_by_text("Take the pen at once").click()
    hermes.page.get_by_label(re.compile("^Why")).fill("An audit")
    hermes.button("Take the pen").click()
    hermes.sees_pen("mine", "The pen is yours")
    fry.sees_pen("theirs", "The reason: An audit")


@pytest.mark.complaints
def test_what_was_lost_with_the_pen_can_be_copied(
    stack: Stack, fry: Person, written: Written, leela: Person
) -> None:
    """The fields are read-only and not dead: the text can be selected and taken along."""
    document = written(by="leela")
    fry.context.grant_permissions(["clipboard-read", "clipboard-write"])
    fry.edits(document)
    fry.types("Every word of it.")
    leela.opens(document)
    leela.page.get_by_text("Take the pen at once").click()
    leela.page.get_by_label(re.compile("^Why")).fill("The client waits")
    leela.button("Take the pen").click()
    expect(fry.text_field).not_to_be_editable()
    fry.text_field.press("ControlOrMeta+a")
    fry.text_field.press("ControlOrMeta+c")
    assert fry.page.evaluate("() => navigator.clipboard.readText()") == "Every word of it."


# What keeps it.


def test_a_draft_and_a_save_keep_the_pen(
    stack: Stack, leela: Person, fry: Person, document: int
) -> None:
    """Only Done gives it back."""
    leela.opens(document)
    fry.edits(document)
    fence, _ = lease(stack, document)
    fry.types("A draft.")
    fry.sees_saved("Draft saved")
    leela.sees_pen("theirs", "Fry has had the pen")
    fry.saves()
    leela.sees_text("A draft.")
    leela.sees_pen("theirs", "Fry has had the pen")
    assert lease(stack, document)[0] == fence
    fry.finishes()
    leela.sees_pen("free")


@in_a_hurry
def test_a_hidden_tab_keeps_the_pen(
    stack: Stack, leela: Person, fry: Person, document: int
) -> None:
    """However slow browsers make it: here its clock stands still, and no timer runs.
    The server renews the pen beyond all the time it had."""
    leela.opens(document)
    fry.context.add_init_script(HIDDEN)
    fry.page.clock.install()
    fry.edits(document)
    fry.types("In the background.")
    fry.sees_saved("Draft saved")
    fry.page.clock.pause_at(datetime.now(UTC) + timedelta(seconds=1))
    fence, end = lease(stack, document)
    later = end + timedelta(seconds=LEASE_SECONDS)
    eventually(lambda: lease(stack, document) > (fence, later), "renewed twice and more")
    leela.sees_pen("theirs", "Fry has had the pen")
    fry.page.clock.resume()
    fry.sees_pen("mine")
    fry.types("In front again.")
    fry.saves()


# What ends it.


@pytest.mark.complaints
def test_typing_ends_20_seconds_after_the_last_renewal(
    stack: Stack, cable: Cable, person: PersonMaker, document: int
) -> None:
    """Not before, if the line hangs and nothing else tells that it does; and it goes on
    when the server is heard again."""
    fry = person("fry", url=stack.cable_url)
    fry.context.add_init_script(PEN_TIMES)
    fry.page.clock.install()
    fry.edits(document)
    # Another than at the start: that with which it was connected.
    expect(html(fry)).to_have_attribute("data-test-renewals", re.compile("[2-9]"))
    cable.freeze()
    fry.page.clock.fast_forward(15_000)
    expect(fry.text_field).to_be_editable()
    fry.page.clock.fast_forward(5_000)
    expect(fry.text_field).not_to_be_editable()
    fry.is_connected("live")
    fry.sees_pen("mine")
    cable.pull()
    cable.plug()
    fry.is_connected("offline")
    fry.is_connected("live", within=BACK)
    expect(fry.text_field).to_be_editable()


def stopped_before_it_was_free(holder: Person, other: Person) -> None:
    """Nobody could write while the holder still could type."""
    stopped = html(holder).get_attribute("data-test-stopped")
    freed = html(other).get_attribute("data-test-freed")
    assert stopped
    assert freed
    assert int(stopped) < int(freed)


@in_a_hurry
@pytest.mark.complaints
def test_a_line_that_hangs(stack: Stack, cable: Cable, person: PersonMaker, document: int) -> None:
    """It swallows all there is to say and is not closed, and Fry types nothing, so no
    request fails: the server stops to hear him, and gives the pen to others only when
    his page has stopped taking his typing. His words are kept."""
    leela, fry = person("leela"), person("fry", url=stack.cable_url)
    for one in (leela, fry):
        one.context.add_init_script(PEN_TIMES)
    fry.edits(document)
    fry.types("Fry's words.")
    fry.sees_saved("Draft saved")
    leela.opens(document)
    leela.sees_active(2)
    cable.freeze()
    leela.sees_active(1, within=PULLED)
    leela.sees_pen("free", within=RUNS_OUT)
    expect(fry.text_field).not_to_be_editable()
    stopped_before_it_was_free(fry, leela)
    leela.link("Edit").click()
    leela.types("Leela's words.")
    leela.saves()
    cable.pull()
    cable.plug()
    fry.sees_pen("theirs", "Leela has the pen now", within=BACK)
    expect(fry.text_field).to_have_value("Fry's words.")
    fry.opens(document)
    expect(fry.page.get_by_role("link", name=re.compile("Restore your text"))).to_be_visible()


@in_a_hurry
@pytest.mark.complaints
def test_a_cut_does_not_take_the_pen_while_typing_goes_on(
    stack: Stack, cable: Cable, person: PersonMaker, document: int
) -> None:
    """A line that breaks is no goodbye: Fry is gone from the page, his pen is not yet."""
    leela, fry = person("leela"), person("fry", url=stack.cable_url)
    for one in (leela, fry):
        one.context.add_init_script(PEN_TIMES)
    fry.edits(document)
    leela.opens(document)
    leela.sees_active(2)
    cable.pull()
    leela.sees_active(1, within=LEAVE)
    leela.sees_pen("free", within=RUNS_OUT)
    expect(fry.text_field).not_to_be_editable()
    stopped_before_it_was_free(fry, leela)


@in_a_hurry
@pytest.mark.complaints
def test_a_killed_server_frees_the_pen(stack: Stack, person: PersonMaker, document: int) -> None:
    """kill -9 of Fry's process: the pen runs out for all others, after his typing has."""
    leela, fry = person("leela"), person("fry")  # on the other process
    for one in (leela, fry):
        one.context.add_init_script(PEN_TIMES)
    fry.edits(document)
    leela.opens(document)
    leela.sees_badge(document, "editing", "Fry is editing")
    stack.kill(1)
    leela.sees_pen("free", within=RUNS_OUT)
    expect(fry.text_field).not_to_be_editable()
    stopped_before_it_was_free(fry, leela)
    leela.link("Edit").click()
    leela.sees_pen("mine")


@pytest.fixture
def mortal(playwright: Playwright) -> Iterator[Browser]:
    """A browser that may be killed."""
    browser = playwright.chromium.launch(**launch_options(playwright))
    yield browser
    browser.close()


def kill(browser: Browser) -> None:
    """``kill -9`` of all its processes, so that none says goodbye for another."""
    session = browser.new_browser_cdp_session()
    processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
    # The one with the sockets comes first.
    for process in sorted(processes, key=lambda one: "Network" not in one["type"]):
        os.kill(process["id"], signal.SIGKILL)


def dies(stack: Stack, mortal: Browser, leela: Person, document: int) -> None:
    """Fry's browser is killed in the middle of his words, and Leela looks on."""
    context = mortal.new_context()
    sign_in(context.request, stack.urls[-1], "fry")
    fry = Person("fry", stack.urls[-1], context, context.new_page())
    fry.edits(document)
    fry.types("The last words.")
    fry.sees_saved("Draft saved")
    leela.opens(document)
    leela.sees_active(2)
    kill(mortal)


def test_a_killed_browser_has_the_pen_for_30_seconds(
    stack: Stack, leela: Person, mortal: Browser, document: int
) -> None:
    """With the times of the product: nobody renews it, and once its time has passed (most
    of it is taken off here) it is free."""
    dies(stack, mortal, leela, document)
    ends = stack.time_of(document, "expires_at")
    assert ends - datetime.now(UTC) < A_LEASE
    sooner = datetime.now(UTC) + timedelta(seconds=11)  # a renewal would come before
    stack.sql(EXPIRES_AT, sooner.isoformat(" "), document)
    leela.sees_active(1, within=LEAVE)
    leela.sees_pen("theirs", "Fry has had the pen")
    leela.sees_pen("free", within=15_000)
    assert datetime.now(UTC) > sooner


@in_a_hurry
def test_a_killed_browser_frees_the_pen(
    stack: Stack, leela: Person, person: PersonMaker, mortal: Browser, document: int
) -> None:
    """No close, no goodbye: the pen runs out, and what Fry had typed waits for him."""
    dies(stack, mortal, leela, document)
    leela.sees_active(1, within=LEAVE)
    leela.sees_pen("free", within=RUNS_OUT)
    leela.link("Edit").click()
    expect(leela.text_field).to_have_value("Good news.")
    again = person("fry")
    again.opens(document)
    again.page.get_by_role("link", name=re.compile("Restore your text")).click()
    expect(again.test_id("diff").locator("ins").last).to_have_text("The last words")
