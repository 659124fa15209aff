"""Autosave while the network breaks in the middle of anything."""

from __future__ import annotations

import json
import os
import re
from random import Random
from urllib.parse import parse_qs

import pytest
from playwright.sync_api import Response, expect

from e2e.cable import Cable
from e2e.lengths import length
from e2e.people import Person, PersonMaker
from e2e.stack import Stack

#: ``DRILL_SEED`` repeats one run, as a failure names it.
REPEATED = os.environ.get("DRILL_SEED")
SEEDS = [int(REPEATED)] if REPEATED else range(length(15, full=300))
#: An autosave is some 2 KB up, and its answer as many down.
LONGEST = 5_000
WORDS = ("a", "delivery", "to", "the", "moon", "\n\n", "is late", "Fárnsworth", "🚀", "<b>")
#: A page may take this long to come back (milliseconds).
BACK = 15_000
MAKE = """
import json
from collab.models import Person
from collab.operations.documents import Content, create
fry = Person.objects.get(username="fry").pk
print("MADE", json.dumps([create(fry, Content("Cut", "")).pk for _ in range({count})]))
"""
KEPT = "SELECT text FROM collab_draft WHERE document_id = %s"


class Run:
    """Fry types in a document while the cable is cut.

    What he types only grows, so whatever is kept anywhere must be a beginning of
    it: anything else would be words lost, or in another order.
    """

    def __init__(self, seed: int, fry: Person, cable: Cable, stack: Stack, document: int) -> None:
        self.random = Random(seed)
        self.fry, self.cable, self.stack, self.document = fry, cable, stack, document
        self.typed = self.acknowledged = ""

    def note(self, answer: Response) -> None:
        """What the server has confirmed to the page."""
        if answer.status == 200 and answer.url.endswith(f"/{self.document}/draft/"):
            text = parse_qs(answer.request.post_data)["text"][0].replace("\r\n", "\n")
            self.acknowledged = max(self.acknowledged, text, key=len)

    def plug(self) -> None:
        self.cable.pull()
        self.cable.plug()

    def types(self) -> None:
        """A few words; then Fry looks up, or does not."""
        for _ in range(self.random.randint(1, 5)):
            word = self.random.choice(WORDS) + " "
            self.fry.page.keyboard.insert_text(word)
            self.typed += word
        if self.random.random() < 0.5:
            settled = re.compile("saved|unsaved|offline")
            expect(self.fry.save_state).to_have_attribute("data-state", settled)

    def goes(self) -> None:
        """Open, type through one to three cuts, come back, and look."""
        self.plug()
        self.fry.edits(self.document)
        self.fry.text_field.focus()
        for _ in range(self.random.randint(1, 3)):
            way = self.random.choice(["up", "down"])
            self.cable.cut_after(way, self.random.randint(0, LONGEST))
            self.types()
            if self.random.random() < 0.3:
                self.plug()
                self.types()
        self.looks_at_the_server()
        self.comes_back()
        expect(self.fry.text_field).to_have_value(self.typed)
        self.fry.sees_saved("Draft saved")
        assert self.stack.sql(KEPT, self.document) == [(self.typed,)]

    def looks_at_the_server(self) -> None:
        """It has all that it has confirmed, in the order in which it was typed."""
        kept = "".join(text for (text,) in self.stack.sql(KEPT, self.document))
        assert self.typed.startswith(kept)
        assert kept.startswith(self.acknowledged)

    def comes_back(self) -> None:
        """The page waits for the network, is loaded again, or was closed in the dark."""
        address = self.fry.page.url
        how = self.random.choices(["waits", "reloads", "reopens"], [1, 2, 2])[0]
        if how == "reopens":
            self.fry.page.goto("about:blank")
        self.plug()
        if how == "waits":
            self.fry.is_connected("live", within=BACK)
        elif how == "reloads":
            self.fry.page.reload()
        else:
            self.fry.page.goto(address)


@pytest.mark.complaints
def test_cuts_at_any_byte(stack: Stack, cable: Cable, person: PersonMaker) -> None:
    """Seeded runs over a cable that is pulled after some byte, up or down.

    Pass: nothing the server confirmed is lost, words keep their order, and after
    coming back Fry finds his last keystroke in the editor, from the server's draft
    or out of the browser's storage; then the server has it. (And there were cuts in the
    middle of something: half as many as there are runs, or more.)
    """
    fry = person("fry", url=stack.cable_url)
    printed = stack.manage("shell", "-c", MAKE.format(count=len(SEEDS)))
    for seed, document in zip(SEEDS, json.loads(printed.partition("MADE ")[2]), strict=True):
        run = Run(seed, fry, cable, stack, document)
        fry.page.on("response", run.note)
        try:
            run.goes()
        except AssertionError as error:
            raise AssertionError(f"DRILL_SEED={seed}, after {run.typed!r}: {error}") from error
        fry.page.remove_listener("response", run.note)
    assert cable.cuts >= len(SEEDS) // 2, "nothing was under way"
