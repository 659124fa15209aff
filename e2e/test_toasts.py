"""Toasts: what they say, how many there are, and how they are announced."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from e2e.cable import Cable
from e2e.people import Person, PersonMaker
from e2e.stack import Stack

#: So many are shown; so many of those that were missed come one by one.
SHOWN, REPLAYED = 3, 20
#: A page may take this long to come back (milliseconds).
BACK = 15_000


def visible(person: Person) -> int:
    """How many toasts this person can see."""
    return person.toasts.filter(visible=True).count()


def test_a_save_says_how_much_and_leads_to_what(leela: Person, fry: Person, document: int) -> None:
    """The words that came and went, and a link to the difference."""
    leela.opens_dashboard()
    fry.edits(document)
    fry.types("Good news, everyone. And so on.")
    fry.saves()
    leela.sees_toast(document, "saved", "Fry saved Delivery")
    toast = leela.toast(document, "saved")
    expect(toast).to_contain_text("+5 −1 words")
    toast.get_by_role("link", name="see what changed").click()
    expect(leela.page).to_have_url(re.compile(rf"/documents/{document}/history/2/$"))
    expect(leela.test_id("diff").locator("ins").last).to_have_text(re.compile("And so on"))


def test_three_are_shown_and_the_others_counted(leela: Person, fry: Person) -> None:
    """The newest three; how many more there are stands below, and as these leave the
    others come up."""
    leela.opens_dashboard()
    documents = [fry.writes(f"Number {number}") for number in range(5)]
    leela.sees_toast(documents[-1], "created", "Fry created Number 4")
    expect(leela.toasts).to_have_count(5)
    assert visible(leela) == SHOWN
    assert "+2 more" in said(leela)
    for document in documents[-2:]:
        leela.toast(document, "created").get_by_role("button", name="Dismiss").click()
    expect(leela.toasts).to_have_count(3)
    assert visible(leela) == SHOWN
    assert not re.search(r"\+\d+ more", said(leela))


def test_toasts_are_announced_politely(leela: Person, fry: Person, document: int) -> None:
    """In the tree that a screen reader reads there is a region that is polite, was there
    before, and has the toast."""
    leela.opens_dashboard()
    region = leela.page.get_by_role("region", name="Notifications")
    assert polite(leela) == ["Notifications"]
    fry.opens(document)
    expect(region.get_by_text("Fry opened Delivery")).to_be_visible()
    assert polite(leela) == ["Notifications"]


def tree(person: Person, role: str) -> list[dict[str, Any]]:
    """What a screen reader finds of this role, generated texts included."""
    session = person.context.new_cdp_session(person.page)
    nodes: list[dict[str, Any]] = session.send("Accessibility.getFullAXTree")["nodes"]
    return [node for node in nodes if node.get("role", {}).get("value") == role]


def said(person: Person) -> str:
    """All that is read out, in one."""
    return "".join(node["name"]["value"] for node in tree(person, "StaticText"))


def polite(person: Person) -> list[str]:
    """The names of the regions whose news are announced when there is a pause."""
    return [
        node["name"]["value"]
        for node in tree(person, "region")
        if {"name": "live", "value": {"type": "token", "value": "polite"}} in node["properties"]
    ]


@pytest.mark.complaints
def test_who_was_away_gets_the_newest_20_and_a_count(
    stack: Stack, cable: Cable, person: PersonMaker, fry: Person
) -> None:
    """Of 23 things that Leela has missed."""
    leela = person("leela", url=stack.cable_url)
    leela.opens_dashboard()
    cable.pull()
    leela.is_connected("offline")
    missed = [fry.writes(f"Missed {number}") for number in range(REPLAYED + 3)]
    cable.plug()
    leela.is_connected("live", within=BACK)
    leela.sees_toast(missed[-1], "created", "Fry created Missed 22")
    expect(leela.toasts).to_have_count(REPLAYED)
    for document in missed[:3]:
        expect(leela.toast(document, "created")).to_have_count(0)
    expect(leela.toast(missed[3], "created")).to_have_count(1)
    expect(leela.page.get_by_text("and 3 more events while you were away")).to_have_count(1)
