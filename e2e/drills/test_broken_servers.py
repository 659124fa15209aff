"""Servers that stop, hang or die while somebody writes."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from e2e.cable import Cable
from e2e.conftest import in_a_hurry
from e2e.hurried import LEASE_SECONDS
from e2e.people import Person, PersonMaker
from e2e.stack import Stack, eventually

pytestmark = pytest.mark.complaints
#: A page may take this long to come back (milliseconds).
BACK = 15_000
#: Until a hurried pen has run out, and somebody has looked (milliseconds).
RUNS_OUT = 1_000 * LEASE_SECONDS + 5_000
#: What a careless way of keeping a text would change.
BYTES = "  a\ttab, spaces  \n\n\u00a0 e\u0301 \U0001f680 <b>&amp;</b> \u2028 \u200d \\n %s\n\n"


@in_a_hurry
def test_a_save_from_a_server_that_hung(
    stack: Stack, leela: Person, fry: Person, document: int
) -> None:
    """Fry's process is stopped while his save is on its way, until his pen has run out; Leela
    writes and saves on the other process; then his process goes on.

    Pass: the late save is refused, Leela's text stands, and Fry's is on his page and
    a draft of his, byte for byte.
    """
    fry.edits(document)
    fry.types(BYTES)
    fry.sees_saved("Draft saved")
    leela.opens(document)
    address = f"**/documents/{document}/edit/"
    with (
        fry.page.expect_response(address, timeout=RUNS_OUT + BACK) as answer,
        stack.service("serve-1").hanging(),
    ):
        with fry.page.expect_request(address):
            fry.button("Save").click()
        leela.sees_pen("free", within=RUNS_OUT)
        leela.edits(document)
        leela.types("Leela's text.")
        leela.saves()
    assert answer.value.status == 409
    expect(fry.page.get_by_role("heading", name="Two texts")).to_be_visible()
    assert fry.text_field.input_value() == BYTES
    expect(fry.page.get_by_label("Saved text")).to_have_value("Leela's text.")
    kept = "SELECT text FROM collab_draft d JOIN collab_person p ON p.id = d.person_id"
    rows = stack.sql(f"{kept} WHERE d.document_id = %s AND p.username = 'fry'", document)
    assert rows == [(BYTES,)]
    assert stack.sql("SELECT text FROM collab_document WHERE id = %s", document) == [
        ("Leela's text.",)
    ]
    leela.sees_pen("mine")


def test_a_server_killed_between_draft_and_answer(
    stack: Stack, cable: Cable, person: PersonMaker, document: int
) -> None:
    """The server has stored the draft, but its answer never arrives: it is killed
    first, and started anew.

    Pass: until then the page does not claim that anything is kept; afterwards it
    comes back with pen and text, hands in the same draft again, and saves.
    """
    fry = person("fry", url=stack.cable_url)
    fry.edits(document)
    cable.swallow()
    fry.types("Stored, but never answered.")
    kept = "SELECT text FROM collab_draft WHERE document_id = %s"
    eventually(lambda: stack.sql(kept, document) == [("Stored, but never answered.",)], "stored")
    expect(fry.save_state).to_have_attribute("data-state", "saving")
    stack.kill(0)
    cable.pull()
    expect(fry.save_state).to_have_attribute("data-state", "offline")
    stack.revive()
    cable.plug()
    fry.is_connected("live", within=BACK)
    expect(fry.save_state).to_contain_text("Draft saved", timeout=BACK)
    assert stack.sql(kept, document) == [("Stored, but never answered.",)]
    fry.sees_pen("mine")
    fry.reloads()
    expect(fry.text_field).to_have_value("Stored, but never answered.")
    fry.saves()
    assert stack.sql(f"{kept} AND NOT is_settled", document) == []
