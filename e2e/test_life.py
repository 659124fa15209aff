"""A document's life: copied, taken away, thrown away while somebody writes, restored."""

from __future__ import annotations

import re
from contextlib import closing
from http.client import HTTPConnection
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit
from zipfile import ZipFile

import pytest
from playwright.sync_api import expect

from e2e.conftest import both_stacks
from e2e.pages import RICH, Written
from e2e.people import Person, PersonMaker, post
from e2e.stack import Stack


@pytest.fixture
def hers(written: Written) -> int:
    """A document that Leela wrote."""
    return written(by="leela")


def downloads(person: Person, name: str, button: str = "More") -> tuple[str, bytes]:
    """Follow a link of a menu; gives the file's name and content."""
    person.page.get_by_role("button", name=re.compile(f"^{button}")).press("Enter")
    with person.page.expect_download() as started:
        person.link(name).press("Enter")
    path = started.value.path()
    return started.value.suggested_filename, Path(path).read_bytes()


@pytest.mark.complaints
@both_stacks
def test_into_the_trash_while_somebody_edits(
    stack: Stack, leela: Person, fry: Person, bender: Person, hers: int
) -> None:
    """The editor says so and stops; the text stays, and is offered after the restore."""
    bender.opens_dashboard()
    expect(bender.row(hers)).to_be_visible()
    fry.edits(hers)
    fry.types("Fry's half sentence")
    leela.opens(hers)
    leela.sees_badge(hers, "editing")
    leela.throws_away()
    fry.sees_pen("theirs", "Leela moved this document to the trash")
    expect(fry.text_field).not_to_be_editable()
    expect(fry.text_field).to_have_value("Fry's half sentence")
    expect(fry.test_id("lock-badge")).to_have_count(0)
    expect(bender.row(hers)).to_be_hidden()
    bender.sees_toast(hers, "trashed", "Leela moved Delivery to the trash")
    expect(bender.toast(hers, "trashed").get_by_role("link")).to_have_count(0)
    fry.button("Save").click()
    expect(fry.save_state).to_contain_text("as your unsaved text. The document is in the trash.")
    leela.button("Undo").click()
    leela.sees_text("Good news.")
    bender.sees_toast(hers, "restored", "Leela restored Delivery")
    expect(bender.row(hers)).to_be_visible()
    fry.sees_pen("free")
    expect(fry.text_field).not_to_be_editable()
    fry.opens(hers)
    fry.page.get_by_role("link", name=re.compile("Restore your text from")).click()
    expect(fry.test_id("diff")).to_contain_text("half sentence")
    fry.button("Continue with this text").click()
    expect(fry.text_field).to_have_value("Fry's half sentence")
    fry.saves()
    leela.sees_text("Fry's half sentence")


@pytest.mark.complaints
def test_a_restored_document_is_gone_on_with_by_one(
    leela: Person, fry: Person, bender: Person, hers: int
) -> None:
    """Nobody has the pen after a restore, so nobody types; of two, the first who asks
    for it writes, and the other's page says so before a letter is typed."""
    fry.edits(hers)
    fry.types("Fry's half sentence")
    fry.sees_saved("Draft saved")
    leela.opens(hers)
    bender.opens(hers)
    leela.throws_away()
    fry.sees_pen("theirs", "Leela moved this document to the trash.")
    leela.button("Undo").click()
    fry.sees_pen("free", "Nobody has the pen")
    expect(fry.text_field).not_to_be_editable()
    bender.link("Edit").click()
    fry.sees_pen("theirs", "Bender has the pen now")
    expect(fry.text_field).not_to_be_editable()
    bender.finishes()
    fry.sees_pen("free")
    fry.button("Go on writing").click()
    fry.sees_pen("mine")
    expect(fry.text_field).to_have_value("Fry's half sentence")
    expect(fry.text_field).to_be_editable()
    bender.sees_pen("theirs", "Fry has had the pen since")
    fry.saves()
    leela.sees_text("Fry's half sentence")


@pytest.mark.complaints
def test_all_tabs_are_told(leela: Person, fry: Person, hers: int) -> None:
    """The page that is open says so instead of going blank, also in Fry's other tab;
    and it comes back to life."""
    fry.edits(hers)
    reading = fry.second_tab(f"/documents/{hers}/")
    leela.opens(hers)
    away = leela.second_tab(f"/documents/{hers}/")
    leela.throws_away()
    for page, who in ((reading, "Leela"), (away, "You")):
        expect(page.test_id("trashed")).to_contain_text(f"{who} moved this document to the trash")
        expect(page.page.get_by_role("heading", name="Delivery")).to_be_visible()
        expect(page.link("History")).to_be_hidden()
        expect(page.test_id("document-text")).to_have_count(0)
    expect(reading.button("Restore")).to_have_count(0)
    fry.sees_pen("theirs")
    away.button("Restore").click()
    away.sees_text("Good news.")
    reading.sees_text("Good news.")
    expect(reading.test_id("trashed")).to_have_count(0)
    expect(reading.link("History")).to_be_visible()
    reading.sees_pen("free")


@pytest.mark.complaints
def test_deleted_for_good(leela: Person, fry: Person, hers: int) -> None:
    """From the trash, after a second thought; an editor that is still open keeps its text."""
    fry.edits(hers)
    leela.opens(hers)
    leela.throws_away()
    leela.goes_to("/trash/")
    item = leela.test_id("trashed-document", document=hers)
    expect(item).to_contain_text("29 days left")
    item.get_by_text("Delete for good", exact=True).click()
    item.get_by_role("button", name="Delete “Delivery” for good").click()
    expect(leela.page.get_by_text("“Delivery” is deleted for good.")).to_be_visible()
    expect(leela.test_id("trashed-document", document=hers)).to_have_count(0)
    expect(fry.test_id("pen")).to_have_count(0)
    expect(fry.text_field).not_to_be_editable()
    expect(fry.text_field).to_have_value("Good news.")


def test_exports_hold_every_byte(stack: Stack, leela: Person, written: Written) -> None:
    """Markdown, a page of its own, and the archive that agrees with both."""
    document = written("Überblick *2026*", RICH)
    leela.opens(document)
    name, content = downloads(leela, "Export as Markdown")
    assert name == "überblick-2026.md"
    assert content.decode() == f"# Überblick \\*2026\\*\n\n{RICH}"
    leela.page.keyboard.press("Escape")
    name, page = downloads(leela, "Export as HTML")
    assert name == "überblick-2026.html"
    assert b"<h1>\xc3\x9cberblick *2026*</h1>" in page
    leela.opens_dashboard()
    name, archive = downloads(leela, "Export all documents", button="Your account")
    assert name == "documents.zip"
    with ZipFile(BytesIO(archive)) as opened:
        assert opened.testzip() is None
        readable = stack.sql(
            "SELECT count(*) FROM collab_document d WHERE trashed_at IS NULL AND ("
            "access = 'workspace' OR author_id = (SELECT id FROM collab_person WHERE "
            "username = 'leela') OR EXISTS (SELECT 1 FROM collab_share s JOIN collab_person p "
            "ON p.id = s.person_id WHERE s.document_id = d.id AND p.username = 'leela'))"
        )
        assert len(opened.namelist()) == readable[0][0]
        assert content in [opened.read(member) for member in opened.namelist()]


def test_an_exported_page_stands_by_itself(
    leela: Person, person: PersonMaker, written: Written, tmp_path: Path
) -> None:
    """Opened from the disk: the text is there, and nothing else is asked for."""
    leela.opens(written("Stands alone", "Some **bold** words."))
    _, page = downloads(leela, "Export as HTML")
    path = tmp_path / "page.html"
    path.write_bytes(page)
    reader = person("bender", anonymous=True)
    asked: list[str] = []
    reader.page.on("request", lambda request: asked.append(request.url))
    reader.page.goto(path.as_uri())
    expect(reader.page.get_by_role("heading", name="Stands alone")).to_be_visible()
    expect(reader.page.locator("strong")).to_have_text("bold")
    assert asked == [path.as_uri()]


def test_the_archive_comes_from_the_server_in_parts(leela: Person) -> None:
    """The real server announces the length, so the browser can show how far it is."""
    response = leela.context.request.get(f"{leela.url}/documents/export.zip")
    assert int(response.headers["content-length"]) == len(response.body())
    assert "transfer-encoding" not in response.headers


#: Documents of 50 KB each, together more than all buffers between two processes hold.
MANY = """WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 800)
    INSERT INTO collab_document (text, excerpt, version, author_id, changed_by_id, fence,
        created_at, changed_at, is_template, seized_for, access)
    SELECT %s, 'many', 1, p.id, p.id, 0, '2020-01-01', '2020-01-01', false, '', 'workspace'
    FROM n, collab_person p WHERE p.username = 'bender'"""
NUMBERED = """INSERT INTO collab_heading (document_id, title, cover, version, fence, seized_for)
    SELECT id, 'Many ' || row_number() OVER (ORDER BY id), '', 1, 0, ''
    FROM collab_document WHERE excerpt = 'many'"""


def test_the_archive_is_made_as_it_is_read(stack: Stack, leela: Person) -> None:
    """The server waits for a client that has stopped reading: long enough later (others
    have got all of it meanwhile) a change is still in it. And all that was promised comes."""
    stack.sql(MANY, "x" * 50_000)
    stack.sql(NUMBERED)
    cookies = "; ".join(f"{one['name']}={one['value']}" for one in leela.context.cookies())
    try:
        with closing(HTTPConnection(urlsplit(leela.url).netloc, timeout=60)) as reader:
            reader.request("GET", "/documents/export.zip", headers={"Cookie": cookies})
            response = reader.getresponse()
            start = response.read(1000)
            leela.context.request.get(f"{leela.url}/documents/export.zip").dispose()
            late = "SELECT document_id FROM collab_heading WHERE title = 'Many 99'"
            stack.sql(f"UPDATE collab_document SET text=%s WHERE id IN ({late})", "y" * 50_000)
            archive = start + response.read()
            assert len(archive) == int(response.headers["Content-Length"]) > 40_000_000
        with ZipFile(BytesIO(archive)) as opened:
            assert opened.testzip() is None
            assert opened.read("many-99.md").endswith(b"y" * 50_000)
            assert opened.read("many-1.md").endswith(b"x" * 50_000)
    finally:
        stack.sql("DELETE FROM collab_heading WHERE title LIKE 'Many _%'")
        stack.sql("DELETE FROM collab_document WHERE excerpt = 'many'")


def test_a_copy_of_somebodys_document(leela: Person, document: int) -> None:
    """It is Leela's own, with the text of Bender's."""
    leela.opens(document)
    leela.chooses("Duplicate")
    expect(leela.page.get_by_role("heading", name="Copy of Delivery")).to_be_visible()
    leela.sees_text("Good news.")
    leela.goes_to("/?show=mine")
    expect(leela.link("Copy of Delivery").first).to_be_visible()


def test_a_document_from_a_template(leela: Person, fry: Person, written: Written) -> None:
    """Fry marks it, Leela sees the mark at once, and starts from it."""
    document = written("Minutes", "## Who was there")
    leela.opens_dashboard()
    fry.opens(document)
    fry.chooses("Use as template")
    expect(leela.row(document).get_by_test_id("template")).to_be_visible()
    leela.link("Templates").click()
    expect(leela.row(document)).to_be_visible()
    leela.goes_to("/documents/new/")
    leela.page.get_by_role("navigation", name="Start from…").get_by_role(
        "link", name="Minutes"
    ).first.click()
    expect(leela.text_field).to_have_value("## Who was there")
    leela.title_field.fill("Minutes of Monday")
    leela.button("Save").click()
    expect(leela.page.get_by_role("heading", name="Minutes of Monday")).to_be_visible()


def test_a_life_without_javascript(stack: Stack, person: PersonMaker, hers: int) -> None:
    """Copy, template, trash, undo, restore: plain forms and links."""
    leela = person("leela", java_script_enabled=False)
    page = leela.page
    page.goto(f"{leela.url}/documents/{hers}/")
    leela.chooses("Use as template")
    page.goto(f"{leela.url}/documents/new/?from={hers}")
    expect(leela.text_field).to_have_value("Good news.")
    page.goto(f"{leela.url}/documents/{hers}/")
    leela.throws_away()
    expect(leela.row(hers)).to_have_count(0)
    leela.button("Undo").click()
    leela.sees_text("Good news.")
    expect(page.get_by_text("“Delivery” is back.")).to_be_visible()
    leela.throws_away()
    page.get_by_role("button", name=re.compile("Your account")).press("Enter")
    leela.link("Trash").press("Enter")
    leela.test_id("trashed-document", document=hers).get_by_role("button", name="Restore").click()
    leela.sees_text("Good news.")


@pytest.mark.complaints
def test_a_late_save_without_javascript(
    stack: Stack, person: PersonMaker, leela: Person, hers: int
) -> None:
    """The answer has the text, who threw the document away, and after a restore the draft."""
    fry = person("fry", java_script_enabled=False)
    fry.page.goto(f"{fry.url}/documents/{hers}/edit/")
    fry.types("Fry's last words.")
    address = f"{leela.url}/documents/{hers}"
    post(leela.context.request, f"{address}/", {}, to=f"{address}/trash/")
    fry.button("Save").click()
    expect(fry.page.get_by_text("Leela moved this document to the trash")).to_be_visible()
    expect(fry.text_field).to_have_value("Fry's last words.")
    expect(fry.text_field).not_to_be_editable()
    post(leela.context.request, f"{leela.url}/trash/", {}, to=f"{leela.url}/trash/{hers}/")
    fry.page.goto(f"{fry.url}/documents/{hers}/")
    expect(fry.page.get_by_role("link", name=re.compile("Restore your text"))).to_be_visible()


def test_the_trash_is_emptied(stack: Stack, leela: Person, hers: int) -> None:
    """By the command, of what is too old."""
    leela.opens(hers)
    leela.throws_away()
    assert "Nothing has been in the trash" in stack.manage("purge_trash")
    stack.sql("UPDATE collab_document SET trashed_at='2000-01-01 00:00:00+00:00' WHERE id=%s", hers)
    assert "1 document deleted for good:\n  Delivery" in stack.manage("purge_trash")
    leela.goes_to("/trash/")
    expect(leela.test_id("trashed-document", document=hers)).to_have_count(0)
