"""Who may see what, while pages are open."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Playwright, expect

from e2e.chromium import launch_options
from e2e.conftest import on_cluster
from e2e.people import PASSWORD, Person, PersonMaker, post
from e2e.stack import Stack

#: A right that was taken away is gone from open pages within this (milliseconds).
PROMISED = 2_000


def shares(author: Person, document: int, name: str, level: str) -> None:
    """Give a document to somebody by name, on its page."""
    author.goes_to(f"/documents/{document}/share/")
    author.page.get_by_label("Only named people").check()
    author.button("Set access").click()
    author.page.get_by_label("Person").select_option(label=name)
    author.page.get_by_label("They may").select_option(label=level)
    author.button("Share with them").click()
    expect(author.test_id("share")).to_contain_text(name)


def test_a_right_that_is_taken_away(bender: Person, fry: Person, document: int) -> None:
    """Fry reads, and Bender takes it back: the page says why, and hears no more. Another
    page of his hears of what came later, and of nothing in between."""
    shares(bender, document, "Fry", "read")
    fry.opens(document)
    elsewhere = fry.second_tab()
    expect(fry.test_id("restricted")).to_be_visible()
    expect(fry.test_id("read-only")).to_be_visible()
    bender.button("Remove Fry").click()
    expect(fry.page.locator("html")).to_have_attribute("data-closed", "4403", timeout=PROMISED)
    bender.edits(document)
    bender.types("Nobody else may know.")
    bender.saves()
    later = bender.writes("For everybody", "Words.")
    elsewhere.sees_toast(later, "created")
    expect(elsewhere.toasts).to_have_count(1)
    expect(elsewhere.page.locator("main")).not_to_contain_text("Nobody else may know.")
    expect(fry.test_id("document-text")).not_to_contain_text("Nobody else may know.")
    expect(fry.toasts).to_have_count(0)
    why = fry.page.locator("[data-connection='4403']")
    expect(why).to_be_visible()
    expect(why).to_contain_text("you may no longer see what it shows")


@pytest.mark.complaints
def test_the_pen_of_who_loses_the_right(bender: Person, fry: Person, document: int) -> None:
    """It is free at once; what Fry has typed is on his screen, and kept."""
    shares(bender, document, "Fry", "read and edit")
    fry.edits(document)
    fry.types("Half a sentence")
    fry.sees_saved("Draft saved")
    bender.second_tab(f"/documents/{document}/").sees_pen("theirs", "Fry has had the pen")
    bender.button("Remove Fry").click()
    expect(fry.page.locator("html")).to_have_attribute("data-closed", "4403", timeout=PROMISED)
    expect(fry.text_field).to_have_value("Half a sentence")
    bender.opens(document)
    bender.sees_pen("free")
    fry.button("Save").click()
    expect(fry.save_state).to_contain_text("kept in this browser")
    bender.sees_text("Good news.")


@pytest.fixture
def newcomer(stack: Stack, person: PersonMaker) -> Person:
    """Kif, who has just made his account: nobody else signs in as him."""
    hermes = person("hermes")
    hermes.goes_to("/people/")
    request, people = hermes.context.request, f"{hermes.url}/people/"
    token = hermes.page.locator("[name=csrfmiddlewaretoken]").first.input_value()
    answer = request.post(people, form={"invite": "member", "csrfmiddlewaretoken": token})
    link = re.search(r"/invitation/[\w-]+/", answer.text())
    assert link
    name = f"kif{stack.sql('SELECT count(*) FROM collab_person')[0][0]}"
    kif = person(name, anonymous=True, url=stack.urls[-1])
    fields = {"username": name, "password1": PASSWORD, "password2": PASSWORD}
    post(kif.context.request, f"{kif.url}{link[0]}", fields)
    return kif


def withdrawn(kif: Person, elsewhere: Person, bender: Person, hermes: Person, pk: int) -> None:
    """The document is for named people now, and not for Kif."""
    bender.page.get_by_label("Only named people").check()
    bender.button("Set access").click()


def signed_out(kif: Person, elsewhere: Person, bender: Person, hermes: Person, pk: int) -> None:
    """By himself, in another browser."""
    place = f"{kif.url}/profile/"
    post(elsewhere.context.request, place, {}, to=f"{place}sign-out/")


def deactivated(kif: Person, elsewhere: Person, bender: Person, hermes: Person, pk: int) -> None:
    """By an administrator."""
    place = f"{hermes.url}/people/"
    post(hermes.context.request, place, {"active": "no"}, to=f"{place}{pk}/")


def given_a_password(
    kif: Person, elsewhere: Person, bender: Person, hermes: Person, pk: int
) -> None:
    """By himself, in another browser."""
    new = {"new_password1": "another-planet", "new_password2": "another-planet"}
    place = f"{kif.url}/password/"
    post(elsewhere.context.request, place, {"old_password": PASSWORD, **new})


@on_cluster
@pytest.mark.complaints
@pytest.mark.parametrize(
    ("happens", "says"),
    [
        (withdrawn, "you may no longer see what it shows"),
        (signed_out, "You have been signed out."),
        (deactivated, "your account has been deactivated"),
        (given_a_password, "You have been signed out."),
    ],
)
def test_a_page_ends_in_two_seconds_and_says_why(
    stack: Stack,
    person: PersonMaker,
    bender: Person,
    newcomer: Person,
    document: int,
    happens: Callable[..., None],
    says: str,
) -> None:
    """Whichever process it is at; the pen is free as soon, and the draft is kept."""
    kif, hermes = newcomer, person("hermes")
    elsewhere = person(kif.username, own_session=True, url=stack.urls[0])
    ((pk,),) = stack.sql(f"SELECT id FROM collab_person WHERE username='{kif.username}'")
    kif.edits(document)
    kif.types("Half a sentence")
    kif.sees_saved("Draft saved")
    watching = bender.second_tab(f"/documents/{document}/")
    watching.sees_pen("theirs")
    bender.goes_to(f"/documents/{document}/share/")
    happens(kif, elsewhere, bender, hermes, pk)
    expect(kif.page.get_by_text(says)).to_be_visible(timeout=PROMISED)
    watching.sees_pen("free", within=PROMISED)
    expect(kif.text_field).to_have_value("Half a sentence")
    drafts = f"SELECT text FROM collab_draft WHERE person_id={pk} AND NOT is_settled"
    assert [text for (text,) in stack.sql(drafts)] == ["Half a sentence"]


def test_a_document_that_is_withdrawn(bender: Person, fry: Person, document: int) -> None:
    """It leaves open lists, and what is done with it is no news there."""
    fry.opens_dashboard()
    row = fry.row(document)
    expect(row).to_contain_text("Delivery")
    bender.goes_to(f"/documents/{document}/share/")
    bender.page.get_by_label("Only named people").check()
    bender.button("Set access").click()
    expect(row).not_to_contain_text("Delivery", timeout=PROMISED)
    bender.edits(document)
    bender.types("In private.")
    bender.saves()
    bender.finishes()
    public = bender.writes("In public", "Words.")
    fry.sees_toast(public, "created")
    expect(fry.test_id("toast", document=document)).to_have_count(0)
    fry.goes_to("/active/")
    expect(fry.page.locator("main")).not_to_contain_text("Delivery")


def test_a_link_for_somebody_without_an_account(
    bender: Person, playwright: Playwright, document: int
) -> None:
    """It opens the text and nothing else, until it is taken back."""
    bender.goes_to(f"/documents/{document}/share/")
    bender.button("Make a link").click()
    address = bender.test_id("link-address").input_value()
    browser = playwright.chromium.launch(**launch_options(playwright))
    page = browser.new_page()
    page.goto(address)
    expect(page.get_by_role("heading", level=1)).to_have_text("Delivery")
    expect(page.get_by_test_id("shared-text")).to_contain_text("Good news.")
    expect(page.get_by_role("link")).to_have_count(0)
    bender.button("Take back").click()
    expect(bender.test_id("link")).to_have_count(0)
    answer = page.goto(address)
    assert answer
    assert answer.status == 404
    browser.close()


@pytest.fixture
def guest(stack: Stack, person: PersonMaker) -> Iterator[Person]:
    """Zoidberg, who is only visiting."""
    stack.sql("UPDATE collab_person SET role='guest' WHERE username='zoidberg'")
    yield person("zoidberg")
    stack.sql("UPDATE collab_person SET role='member' WHERE username='zoidberg'")


def test_a_guest(bender: Person, guest: Person, document: int) -> None:
    """Reads what is shared by name, and sees nothing else of the workspace."""
    other = bender.writes("Not for guests", "Words.")
    bender.goes_to(f"/documents/{document}/share/")
    bender.page.get_by_label("Person").select_option(label="Zoidberg")
    bender.button("Share with them").click()
    expect(bender.test_id("share")).to_contain_text("Zoidberg")
    guest.opens_dashboard()
    expect(guest.row(document)).to_be_visible()
    expect(guest.row(other)).to_have_count(0)
    expect(guest.test_id("active-users")).to_have_count(0)
    expect(guest.button("New document")).to_have_count(0)
    bender.edits(document)
    guest.sees_toast(document, "editing")
    expect(guest.test_id("toast", document=other)).to_have_count(0)
