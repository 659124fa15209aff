"""A document's life: copies, templates, exports; the trash, the way back, and the end."""

from __future__ import annotations

import base64
import re
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode
from zipfile import ZipFile

import pytest
from asgiref.sync import sync_to_async
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import connections
from django.db.models.functions import Now
from django.http import HttpResponse, StreamingHttpResponse
from django.test import Client
from PIL import Image
from pytest_django import DjangoCaptureOnCommitCallbacks

from collab import covers, exporting, queries
from collab.errors import UnknownStay
from collab.live.models import Connection, Node
from collab.live.pages import permitted
from collab.live.process import Process
from collab.live.testing import signed_in, visit
from collab.models import Activity, Document, Draft, Heading, Person, Reading, Revision
from collab.operations import activity, documents, drafts, editing, importing, reading, trash
from collab.operations.documents import Content
from collab.permissions import readable
from collab.timings import TRASH_DAYS

pytestmark = pytest.mark.django_db


def stored_cover() -> str:
    raw = BytesIO()
    Image.new("RGB", (30, 20)).save(raw, "PNG")
    return covers.store(SimpleUploadedFile("a.png", raw.getvalue(), "image/png"))


def bytes_of(cover: str) -> bytes:
    with default_storage.open(covers.path_of(cover)) as stored:
        return bytes(stored.read())


@pytest.fixture
def trashed(document: Document, leela: Person) -> Document:
    """Leela's document, which she has moved to the trash."""
    assert trash.move(document.pk, leela.pk)
    document.refresh_from_db()
    return document


@pytest.fixture
def as_hermes(make_person: Callable[..., Person]) -> Client:
    """The administrator."""
    client = Client(headers={"host": "127.0.0.1"})
    client.force_login(make_person("hermes", is_staff=True))
    return client


@pytest.fixture
def bender(make_person: Callable[..., Person]) -> Person:
    return make_person("bender")


def rows(client: Client, query: str = "") -> list[str]:
    page = client.get(f"/{query}").content.decode()
    return re.findall(r'data-testid="document-row" data-document="(\d+)"', page)


def in_trash(client: Client) -> list[str]:
    page = client.get("/trash/").content.decode()
    return re.findall(r'data-testid="trashed-document" data-document="(\d+)"', page)


def opened(client: Client, document: Document) -> tuple[str, dict[str, str]]:
    """Open the editor; returns its address and what its form knows."""
    response = client.get(f"/documents/{document.pk}/edit/", follow=True)
    url = response.redirect_chain[-1][0]
    return url, {"fence": url.rpartition("=")[2], "version": "1"}


# -- Into the trash


def test_the_author_moves_a_document_to_the_trash(as_leela: Client, document: Document) -> None:
    """And lands on the list, with a way to undo it that needs no script."""
    page = as_leela.post(f"/documents/{document.pk}/trash/", follow=True)
    assert page.redirect_chain[-1][0] == "/"
    assert f'<form method="post" action="/trash/{document.pk}/">' in page.content.decode()
    assert rows(as_leela) == []
    assert in_trash(as_leela) == [str(document.pk)]
    back = as_leela.post(f"/trash/{document.pk}/", follow=True)
    assert back.redirect_chain[-1][0] == document.get_absolute_url()
    assert (rows(as_leela), in_trash(as_leela)) == ([str(document.pk)], [])


def test_an_administrator_may_and_others_may_not(
    as_fry: Client, as_hermes: Client, document: Document
) -> None:
    """Fry may edit it; the trash is for its author and for administrators."""
    assert as_fry.post(f"/documents/{document.pk}/trash/").status_code == 403
    assert "Move to trash" not in as_fry.get(f"/documents/{document.pk}/").content.decode()
    assert "Move to trash" in as_hermes.get(f"/documents/{document.pk}/").content.decode()
    assert as_hermes.post(f"/documents/{document.pk}/trash/").status_code == 302
    assert in_trash(as_hermes) == [str(document.pk)]
    assert in_trash(as_fry) == []


@pytest.mark.parametrize("path", ["documents/{}/trash/", "trash/{}/"])
def test_the_trash_takes_forms_only(as_leela: Client, document: Document, path: str) -> None:
    """No link moves, restores or deletes; and the form needs its token."""
    assert as_leela.get(f"/{path.format(document.pk)}").status_code == 405
    strict = Client(enforce_csrf_checks=True, headers={"host": "127.0.0.1"})
    strict.force_login(document.author)
    assert strict.post(f"/{path.format(document.pk)}").status_code == 403


@pytest.mark.parametrize("number", ["4711", "0", "9" * 23])
def test_what_does_not_exist_is_not_found(as_leela: Client, number: str) -> None:
    """Whatever the number."""
    for path in (f"documents/{number}/trash/", f"trash/{number}/"):
        assert as_leela.post(f"/{path}").status_code == 404
        assert as_leela.post(f"/{path}", {"_method": "delete"}).status_code == 404


PAGES = ["", "x/", "edit/", "history/", "history/1/"]


def test_what_is_in_the_trash_is_nowhere_else(
    as_leela: Client, as_fry: Client, leela: Person, fry: Person, document: Document
) -> None:
    """No list, search, badge, whereabouts, cover, counter of new ones, or page."""
    cover = stored_cover()
    Heading.objects.update(cover=cover)
    editing.take(document.pk, fry.pk)
    node = Node.objects.create(boot="b", host="h", pid=1)
    Connection.objects.create(node=node, page="p", user=fry, subject=f"document:{document.pk}")
    assert [(here.reading, here.editing) for here in queries.whereabouts()] == [([], [document])]
    trash.move(document.pk, leela.pk)
    for query in ("", "?q=annual", "?show=mine", "?show=editing", "?show=unread"):
        assert rows(as_leela, query) == []
    assert not readable(leela).exists()
    assert queries.badges([document.pk]) == {}
    assert [(here.reading, here.editing) for here in queries.whereabouts()] == [([], [])]
    assert as_leela.get(f"/covers/{cover}").status_code == 404
    for page in PAGES:
        assert as_fry.get(f"/documents/{document.pk}/{page}").status_code == 404, page
    for page in ("pen/", "draft/", "history/1/", "trash/"):
        assert "First words" not in as_fry.post(f"/documents/{document.pk}/{page}").content.decode()
    document.refresh_from_db()
    assert document.holder is None


@pytest.mark.parametrize("page", PAGES)
def test_who_may_restore_it_is_told_where_it_is(
    as_leela: Client, as_hermes: Client, trashed: Document, page: str
) -> None:
    """Every page of it leads to the way back, and shows nothing of the text."""
    for client, who in ((as_leela, "You moved"), (as_hermes, "Leela moved")):
        response = client.get(f"/documents/{trashed.pk}/{page}")
        assert response.status_code == 200
        answer = response.content.decode()
        assert f"{who} this document to the trash" in answer
        assert f'action="/trash/{trashed.pk}/"' in answer
        assert "First words" not in answer
    assert as_leela.post(f"/documents/{trashed.pk}/pen/").status_code == 409


def test_the_trash_says_how_long(as_leela: Client, trashed: Document) -> None:
    """Days that are left, to the last."""
    assert f"{TRASH_DAYS - 1} days left" in as_leela.get("/trash/").content.decode()
    Document.objects.update(trashed_at=Now() - timedelta(days=TRASH_DAYS - 1, hours=-1))
    assert "1 day left" in as_leela.get("/trash/").content.decode()
    Document.objects.update(trashed_at=Now() - timedelta(days=TRASH_DAYS, hours=-1))
    assert "less than a day left" in as_leela.get("/trash/").content.decode()


# -- Out of the trash


def test_restoring_brings_back_everything(leela: Person, fry: Person, document: Document) -> None:
    """Text, history and fence as they were; nobody holds the pen."""
    before = document.text, document.version, document.fence
    trash.move(document.pk, leela.pk)
    assert trash.restore(document.pk, fry.pk)
    document.refresh_from_db()
    assert (document.text, document.version, document.fence) == before
    assert (document.trashed_at, document.trashed_by, document.holder) == (None, None, None)
    assert list(Revision.objects.values_list("version", flat=True)) == [1]
    verbs = Activity.objects.order_by("pk").values_list("verb", "actor")
    assert list(verbs)[-2:] == [("trashed", leela.pk), ("restored", fry.pk)]


def test_restoring_twice(as_leela: Client, leela: Person, trashed: Document) -> None:
    """The second time says so, and tells nobody else."""
    as_leela.post(f"/trash/{trashed.pk}/")
    page = as_leela.post(f"/trash/{trashed.pk}/", follow=True).content.decode()
    assert "is not in the trash any more" in page
    assert not trash.restore(trashed.pk, leela.pk)
    assert Activity.objects.filter(verb="restored").count() == 1


def test_moving_twice(leela: Person, fry: Person, trashed: Document) -> None:
    """The first who did it stays the one who did it."""
    assert not trash.move(trashed.pk, fry.pk)
    trashed.refresh_from_db()
    assert trashed.trashed_by == leela
    assert Activity.objects.filter(verb="trashed").count() == 1


def test_others_cannot_restore_or_delete(as_fry: Client, trashed: Document) -> None:
    """For them it does not exist."""
    assert as_fry.post(f"/trash/{trashed.pk}/").status_code == 404
    assert as_fry.post(f"/trash/{trashed.pk}/", {"_method": "delete"}).status_code == 404
    assert Document.objects.trashed().exists()


# -- The end


def test_deleting_for_good(
    as_leela: Client,
    leela: Person,
    fry: Person,
    document: Document,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    """Revisions, drafts, activities, readings; and the covers that nobody else has."""
    own, old, shared = stored_cover(), stored_cover(), stored_cover()
    Revision.objects.update(cover=old)
    Heading.objects.update(cover=own)
    other = documents.create(fry.pk, Content("Other", "x", shared))
    fence = editing.take(document.pk, fry.pk)
    assert fence
    drafts.keep(document.pk, fry.pk, text="typed", fence=fence, version=1, sequence=1)
    reading.mark(document.pk, fry.pk, 1)
    trash.move(document.pk, leela.pk)
    with django_capture_on_commit_callbacks(execute=True):
        page = as_leela.post(f"/trash/{document.pk}/", {"_method": "delete"}, follow=True)
    assert "is deleted for good" in page.content.decode()
    assert not Revision.objects.filter(document=document.pk).exists()
    assert not Activity.objects.filter(document=document.pk).exists()
    assert not Draft.objects.exists()
    assert not Reading.objects.exists()
    assert [name for name in (own, old, shared) if covers.is_stored(name)] == [shared]
    assert list(Document.objects.all()) == [other]


def test_a_cover_that_others_use_stays(
    leela: Person,
    document: Document,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    """By a document, or only by one of its earlier versions."""
    present, past = stored_cover(), stored_cover()
    Heading.objects.update(cover=present)
    Revision.objects.update(cover=past)
    second = documents.create(leela.pk, Content("Second", "x", present))
    Revision.objects.filter(document=second).update(cover="")
    third = documents.create(leela.pk, Content("Third", "x", past))
    Heading.objects.filter(pk=third.pk).update(cover="")
    trash.move(document.pk, leela.pk)
    with django_capture_on_commit_callbacks(execute=True):
        assert trash.delete(document.pk)
    assert covers.is_stored(present)
    assert covers.is_stored(past)


def test_a_cover_that_is_not_here_stops_nothing(
    leela: Person,
    document: Document,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    """Its file lies on another machine, or was deleted by hand."""
    cover = stored_cover()
    Heading.objects.update(cover=cover)
    default_storage.delete(covers.path_of(cover))
    trash.move(document.pk, leela.pk)
    with django_capture_on_commit_callbacks(execute=True):
        assert trash.delete(document.pk)


def test_only_what_is_in_the_trash_can_be_deleted(as_leela: Client, document: Document) -> None:
    """A restore that came first wins."""
    page = as_leela.post(f"/trash/{document.pk}/", {"_method": "delete"}, follow=True)
    assert "Nothing was deleted" in page.content.decode()
    assert Document.objects.present().exists()


def purged() -> str:
    out = StringIO()
    call_command("purge_trash", stdout=out)
    return out.getvalue()


def test_the_trash_is_emptied_of_what_is_too_old(leela: Person, document: Document) -> None:
    """After its days, not before; and it says what it did."""
    young = documents.create(leela.pk, Content("Young", "x"))
    for one in (document, young):
        trash.move(one.pk, leela.pk)
    assert purged() == f"Nothing has been in the trash for {TRASH_DAYS} days.\n"
    aged = Document.objects.filter(pk=document.pk)
    aged.update(trashed_at=Now() - timedelta(days=TRASH_DAYS, seconds=1))
    assert purged() == "1 document deleted for good:\n  Annual plan\n"
    assert list(Document.objects.all()) == [young]
    assert not Revision.objects.filter(document=document.pk).exists()


def test_what_is_restored_while_the_trash_is_emptied_stays(
    leela: Person, trashed: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looked up as overdue, restored a moment later: not deleted."""
    Document.objects.update(trashed_at=Now() - timedelta(days=TRASH_DAYS + 1))
    delete = trash._delete

    def late(found: object, pk: int) -> str | None:
        trash.restore(pk, leela.pk)
        return delete(found, pk)  # type: ignore[arg-type]

    monkeypatch.setattr(trash, "_delete", late)
    assert trash.purge() == []
    assert Document.objects.present().exists()


@pytest.mark.django_db(transaction=True)
def test_of_restoring_and_deleting_one_wins(leela: Person) -> None:
    """At the same moment, in two connections: never both, and never half."""

    def act(what: Callable[[], bool]) -> bool:
        try:
            return what()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        for number in range(30):
            pk = documents.create(leela.pk, Content("T", "x")).pk
            trash.move(pk, leela.pk)
            both = [partial(trash.restore, pk, leela.pk), partial(trash.delete, pk)]
            order = both if number % 2 else both[::-1]
            done = dict(zip(order, pool.map(act, order), strict=True))
            assert sorted(done.values()) == [False, True]
            assert Document.objects.present().filter(pk=pk).exists() == done[both[0]]
            assert Revision.objects.filter(document=pk).exists() == done[both[0]]


# -- Whoever is editing


def test_the_trash_takes_the_pen(leela: Person, fry: Person, bender: Person) -> None:
    """And whoever waited for it waits no longer; the fence stands."""
    document = documents.create(leela.pk, Content("T", "x"))
    fence = editing.take(document.pk, fry.pk)
    editing.ask(document.pk, bender.pk)
    trash.move(document.pk, leela.pk)
    document.refresh_from_db()
    assert (document.holder, document.asked_by, document.expires_at) == (None, None, None)
    assert document.fence == fence
    assert editing.take(document.pk, fry.pk) is None
    assert editing.seize(document.pk, leela.pk, "mine") is None
    assert not editing.ask(document.pk, bender.pk)


def test_what_is_typed_in_the_last_moment_is_kept(
    as_leela: Client, as_fry: Client, fry: Person, document: Document
) -> None:
    """An autosave on its way is a draft, with 409 and the reason; after a restore
    the document's page offers it."""
    _, form = opened(as_fry, document)
    as_leela.post(f"/documents/{document.pk}/trash/")
    typed = {**form, "text": "Fry's half sentence", "sequence": "1"}
    answer = as_fry.post(f"/documents/{document.pk}/draft/", typed)
    assert answer.status_code == 409
    assert "as your unsaved text" in answer.content.decode()
    assert "The document is in the trash." in answer.content.decode()
    as_leela.post(f"/trash/{document.pk}/")
    page = as_fry.get(f"/documents/{document.pk}/").content.decode()
    assert "Restore your text from" in page
    assert [draft.text for draft in queries.unsaved(document.pk, fry.pk)] == ["Fry's half sentence"]


def test_a_late_save_is_kept_and_shown(
    as_leela: Client, as_fry: Client, fry: Person, document: Document
) -> None:
    """Without JavaScript: 409, who did it, and the text to copy; nothing is saved."""
    url, form = opened(as_fry, document)
    as_leela.post(f"/documents/{document.pk}/trash/")
    late = as_fry.post(url, {**form, "text": "Fry's words", "done": "1"})
    assert late.status_code == 409
    page = late.content.decode()
    assert "Leela moved this document to the trash" in page
    assert "Fry&#x27;s words</textarea>" in page
    assert "First words" not in page
    assert f"/trash/{document.pk}/" not in page, "Fry may not restore it"
    document.refresh_from_db()
    assert document.version == 1
    assert Draft.objects.get(person=fry).text == "Fry's words"


def test_a_late_save_by_htmx_is_kept(
    as_leela: Client, as_fry: Client, fry: Person, document: Document
) -> None:
    """The editor stays; its state says where the text is."""
    url, form = opened(as_fry, document)
    as_leela.post(f"/documents/{document.pk}/trash/")
    typed = {**form, "text": "Fry's words", "sequence": "5"}
    late = as_fry.post(url, typed, headers={"hx-request": "true"})
    assert late.status_code == 409
    assert 'data-state="unsaved" data-sequence="5"' in late.content.decode()
    assert Draft.objects.get(person=fry).text == "Fry's words"


@pytest.mark.parametrize(
    "broken", [{"fence": "7"}, {"fence": "x"}, {"version": "9"}, {"text": "Fry's words " * 20_000}]
)
def test_a_late_save_that_cannot_be_kept_is_shown(
    as_leela: Client, as_fry: Client, document: Document, broken: dict[str, str]
) -> None:
    """422: the text is on the page, with what to do."""
    url, form = opened(as_fry, document)
    as_leela.post(f"/documents/{document.pk}/trash/")
    late = as_fry.post(url, {**form, "text": "Fry's words", **broken})
    assert late.status_code == 422
    assert "Copy it before you leave this page" in late.content.decode()
    assert "Fry&#x27;s words" in late.content.decode()
    assert not Draft.objects.exists()


def test_a_save_that_meets_the_trash_is_kept(
    as_fry: Client,
    leela: Person,
    fry: Person,
    document: Document,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Moved after the look-up and before the write: the statement that writes notices."""
    url, form = opened(as_fry, document)
    publish = documents.publish

    def meets(*args: object, **kwargs: object) -> object:
        trash.move(document.pk, leela.pk)
        return publish(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(documents, "publish", meets)
    late = as_fry.post(url, {**form, "text": "Fry's words"})
    assert late.status_code == 409
    assert "Leela moved this document to the trash" in late.content.decode()
    assert Draft.objects.get(person=fry).text == "Fry's words"
    document.refresh_from_db()
    assert (document.version, document.text) == (1, "# One\n\nFirst words.\n")


def test_a_handover_that_meets_the_trash_keeps_the_text(
    as_leela: Client, as_fry: Client, fry: Person, document: Document
) -> None:
    """The page posts what is in it; there is nothing left to hand over."""
    _, form = opened(as_fry, document)
    as_leela.post(f"/documents/{document.pk}/trash/")
    typed = {**form, "act": "hand_over", "text": "Fry's words", "sequence": "1"}
    answer = as_fry.post(f"/documents/{document.pk}/pen/", typed, headers={"hx-request": "true"})
    assert "The document is in the trash." in answer.content.decode()
    assert Draft.objects.get(person=fry).text == "Fry's words"


def test_after_a_restore_the_open_editor_goes_on(
    as_leela: Client, as_fry: Client, document: Document
) -> None:
    """Nobody wrote meanwhile, so its fence and its version still fit."""
    url, form = opened(as_fry, document)
    for path in (f"/documents/{document.pk}/trash/", f"/trash/{document.pk}/"):
        as_leela.post(path)
    assert as_fry.post(url, {**form, "text": "Fry's words"}).status_code == 302
    document.refresh_from_db()
    assert document.text == "Fry's words"


def test_a_draft_of_a_document_that_was_deleted_meanwhile(
    as_leela: Client, as_fry: Client, fry: Person, document: Document
) -> None:
    """There is nothing to keep it with: said, not a 500."""
    _, form = opened(as_fry, document)
    Document.objects.filter(pk=document.pk).delete()
    typed = {**form, "text": "x", "sequence": "1"}
    assert as_fry.post(f"/documents/{document.pk}/draft/", typed).status_code == 404
    with pytest.raises(UnknownStay):
        drafts.keep(document.pk, fry.pk, text="x", fence=1, version=1, sequence=1)


def test_coming_back_to_a_page_in_the_trash_is_no_news(fry: Person, trashed: Document) -> None:
    """Nor is coming back to one that was deleted."""
    activity.record_opened(trashed.pk, fry.pk)
    assert not Activity.objects.filter(verb="opened").exists()
    activity.record_opened(4711, fry.pk)


# -- Live


Step = Callable[[int, int], Awaitable[bool]]
move: Step = sync_to_async(trash.move)
restore: Step = sync_to_async(trash.restore)


@pytest.mark.django_db(transaction=True)
async def test_the_editor_is_told_at_once(
    engine: Process, leela: Person, fry: Person, document: Document
) -> None:
    """Read-only, by whom, and that the text stays; and after a restore that it goes on."""
    async with visit(fry, f"/documents/{document.pk}/edit/") as page:
        pen = next(name for name in page.regions if name.startswith("editor_pen"))
        assert 'data-state="mine"' in page.regions[pen]
        await move(document.pk, leela.pk)
        await page.until(lambda: 'data-state="theirs"' in page.regions[pen])
        assert "Leela moved this document to the trash." in page.regions[pen]
        await engine.check_everybody()
        await restore(document.pk, leela.pk)
        # Free, or Fry's again, if his page is only now entered among those that are here.
        await page.until(lambda: 'data-state="theirs"' not in page.regions[pen])


@pytest.mark.django_db(transaction=True)
async def test_an_open_page_says_so_and_comes_back(
    engine: Process, leela: Person, fry: Person, document: Document
) -> None:
    """Head: by whom. Text, outline, badge and people: empty. The socket stays, because
    the document may come back, and then everything is there again."""
    async with visit(fry, f"/documents/{document.pk}/") as page:
        people = f"document_people-{document.pk}"
        await page.until(lambda: "You · reading" in page.regions[people])
        await page.until_current("toasts")
        before = {name: html for name, html in page.regions.items() if name != "toasts"}
        head, text = f"document_head-{document.pk}", f"document_text-{document.pk}"
        await move(document.pk, leela.pk)
        await page.until(lambda: "Leela moved this" in page.regions[head])
        await page.until(lambda: "First words" not in page.regions[text])
        assert "Annual plan" in page.regions[head]
        await engine.check_everybody()
        await restore(document.pk, leela.pk)
        await page.until(lambda: all(page.regions[name] == html for name, html in before.items()))


@pytest.mark.django_db(transaction=True)
async def test_an_open_history_says_so_and_comes_back(
    engine: Process, leela: Person, fry: Person, document: Document
) -> None:
    """By whom; its socket stays as well."""
    async with visit(fry, f"/documents/{document.pk}/history/") as page:
        new = f"new_versions-{document.pk}_1"
        before = page.regions[new]
        await move(document.pk, leela.pk)
        await page.until(lambda: "Leela moved this document to the trash" in page.regions[new])
        await engine.check_everybody()
        await restore(document.pk, leela.pk)
        await page.until(lambda: page.regions[new] == before)


@pytest.mark.django_db(transaction=True)
async def test_a_page_that_was_away_is_told_when_it_comes_back(
    engine: Process, leela: Person, fry: Person, document: Document
) -> None:
    """The resume admits it, and brings it up to date."""
    async with visit(fry, f"/documents/{document.pk}/") as page:
        await page.until_current("toasts")
        head, message = f"document_head-{document.pk}", page.resume_message()
        await move(document.pk, leela.pk)
        await page.until(lambda: "Leela moved this" in page.regions[head])
        await page.until(lambda: 'data-verb="trashed"' in page.regions["toasts"])
        page.frames.clear()
        await page.socket.send_to(text_data=message)
        await page.until(lambda: any("Leela moved this" in frame for frame in page.frames))


@pytest.mark.django_db(transaction=True)
async def test_the_row_goes_and_comes_back(
    engine: Process, leela: Person, fry: Person, document: Document
) -> None:
    """On everybody's dashboard, without a reload."""
    async with visit(fry, "/") as page:
        await page.until_current("toasts")
        row = f"document_summary-{document.pk}"
        shown = page.regions[row]
        new = next(name for name in page.regions if name.startswith("new_documents"))
        await move(document.pk, leela.pk)
        await page.until(lambda: "Annual plan" not in page.regions[row])
        await page.until_current("toasts", new)
        await restore(document.pk, leela.pk)
        await page.until(lambda: page.regions[row] == shown)
        await page.until_current("toasts", new)


@pytest.mark.django_db(transaction=True)
async def test_who_moved_it_reads_it_in_their_own_words(
    engine: Process, leela: Person, document: Document
) -> None:
    """In their other tabs."""
    async with visit(leela, f"/documents/{document.pk}/") as page:
        await move(document.pk, leela.pk)
        head = f"document_head-{document.pk}"
        await page.until(lambda: "You moved this" in page.regions[head])


@pytest.mark.django_db(transaction=True)
async def test_the_page_of_what_is_deleted_for_good_closes(
    engine: Process, leela: Person, fry: Person, document: Document
) -> None:
    """There is nothing to come back to: its regions are nobody's any more."""
    async with visit(fry, f"/documents/{document.pk}/") as page:
        await page.until_current("toasts")
        await move(document.pk, leela.pk)
        await sync_to_async(trash.delete)(document.pk)
        await engine.check_everybody()
        assert await page.is_closed() == 4403


def test_a_document_in_the_trash_is_followed_by_those_who_could_read_it(
    fry: Person, zoidberg: Person, trashed: Document
) -> None:
    """And by no outsider."""
    ids = [f"{name}-{trashed.pk}" for name in ("document_head", "document_text", "lock_badge")]
    ids += [f"{name}-{trashed.pk}_1" for name in ("editor_pen", "new_versions")]
    assert permitted(fry, ids) == set(ids)
    assert permitted(zoidberg, ids) == set()


# -- Toasts


@pytest.mark.django_db(transaction=True)
async def test_toasts_tell_of_the_trash_without_the_content(
    engine: Process, leela: Person, fry: Person, document: Document
) -> None:
    """No link that leads nowhere, no excerpt; also not in what was said before."""
    say = sync_to_async(activity.record)
    async with visit(fry, "/") as page:

        async def hears(verb: str) -> str:
            await page.until(lambda: f'data-verb="{verb}"' in page.regions["toasts"])
            return page.regions["toasts"]

        await say(document.pk, leela.pk, Activity.Verb.SAVED)
        assert "/history/" in await hears("saved")
        await say(document.pk, leela.pk, Activity.Verb.OPENED)
        assert "First words" in await hears("opened")
        await move(document.pk, leela.pk)
        toast = await hears("trashed")
        assert "<strong>Leela</strong> moved <strong>Annual plan</strong> to the trash" in toast
        for verb in (Activity.Verb.SAVED, Activity.Verb.OPENED):
            await say(document.pk, leela.pk, verb)
            toast += await hears(verb)
        assert f"/documents/{document.pk}/" not in toast
        assert "First words" not in toast
        await restore(document.pk, leela.pk)
        link = f'<a href="{document.get_absolute_url()}">'
        assert f"<strong>Leela</strong> restored {link}" in await hears("restored")


@pytest.mark.django_db(transaction=True)
async def test_the_author_hears_where_their_document_went(
    engine: Process, leela: Person, fry: Person, document: Document
) -> None:
    """With a link: for them the page is there, and offers to restore."""
    async with visit(leela, "/") as page:
        await move(document.pk, fry.pk)
        await page.until(lambda: 'data-verb="trashed"' in page.regions["toasts"])
        assert f'href="{document.get_absolute_url()}"' in page.regions["toasts"]


# -- Exports


def exported(client: Client, path: str) -> HttpResponse:
    response = client.get(f"/documents/{path}")
    assert response.status_code == 200
    return cast("HttpResponse", response)


def test_a_document_as_markdown(as_fry: Client, document: Document) -> None:
    """Its title is the first heading, the rest is the text, byte for byte."""
    response = exported(as_fry, f"{document.pk}/export.md")
    assert response.content == b"# Annual plan\n\n# One\n\nFirst words.\n"
    assert response["Content-Type"] == "text/markdown; charset=utf-8"
    assert response["Content-Disposition"] == 'attachment; filename="annual-plan.md"'


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Überblick – für Zürich", "filename*=utf-8''%C3%BCberblick-f%C3%BCr-z%C3%BCrich.md"),
        ("../../etc/passwd", 'filename="etcpasswd.md"'),
        ('a"; filename="b.exe', 'filename="a-filenamebexe.md"'),
        ("a\r\nSet-Cookie: x=1", 'filename="a-set-cookie-x1.md"'),
        ("???", 'filename="document.md"'),
    ],
)
def test_a_file_name_is_safe_whatever_the_title(
    as_fry: Client, document: Document, title: str, name: str
) -> None:
    """RFC 6266 for what is not ASCII; no path, no quote, no second header."""
    Heading.objects.update(title=title)
    response = exported(as_fry, f"{document.pk}/export.md")
    assert response["Content-Disposition"] == f"attachment; {name}"
    assert "Set-Cookie: x" not in str(response.headers)


@pytest.mark.parametrize(
    "title",
    ["Annual plan", "a_b*c*", "# Not a *heading*", "[x](y) & <b>", "1. One", "back\\slash`"],
)
def test_what_is_exported_can_be_imported(leela: Person, tmp_path: Path, title: str) -> None:
    """Title and text come back as they were."""
    made = documents.create(leela.pk, Content(title, "Some *text*.\n\n# A heading\n"))
    path = tmp_path / "x.md"
    path.write_text(exporting.markdown(made))
    back = importing.import_file(path, leela.pk)
    assert (back.title, back.text) == (title, made.text)


def test_a_document_as_a_page_of_its_own(as_fry: Client, leela: Person) -> None:
    """With its style and its cover in it; it loads nothing and runs nothing."""
    cover = stored_cover()
    foreign = f"![a > <script>alert(2)</script>](/covers/{cover})"
    text = f"## Words\n\n<script>alert(1)</script> **bold** {foreign}"
    made = documents.create(leela.pk, Content("<b>Title</b>", text, cover))
    response = exported(as_fry, f"{made.pk}/export.html")
    assert response["Content-Type"] == "text/html; charset=utf-8"
    assert response["Content-Disposition"] == 'attachment; filename="btitleb.html"'
    page = response.content.decode()
    assert "<h1>&lt;b&gt;Title&lt;/b&gt;</h1>" in page
    assert "<strong>bold</strong>" in page
    assert "<script" not in page
    assert "/covers/" not in page
    (picture,) = re.findall(r'<img src="data:image/webp;base64,([^"]+)"', page)
    assert base64.b64decode(picture) == bytes_of(cover)
    assert page.count("<img") == 1


def archived(client: Client) -> tuple[bytes, dict[str, bytes]]:
    response = client.get("/documents/export.zip")
    assert response.status_code == 200
    assert response["Content-Type"] == "application/zip"
    content = b"".join(response)
    assert int(response["Content-Length"]) == len(content)
    with ZipFile(BytesIO(content)) as opened:
        assert opened.testzip() is None
        return content, {name: opened.read(name) for name in opened.namelist()}


def test_all_documents_in_one_archive(
    as_fry: Client, leela: Person, fry: Person, document: Document
) -> None:
    """Markdown and covers, each under a name of its own; the length was known before.
    Documents in the trash are not in it."""
    cover = stored_cover()
    documents.create(leela.pk, Content("Annual plan", "Another, with ümläuts ☕.", cover))
    documents.create(leela.pk, Content("Annual plan 2", "x"))
    documents.create(leela.pk, Content("ANNUAL plan", ""))
    gone = documents.create(fry.pk, Content("Gone", "x"))
    trash.move(gone.pk, fry.pk)
    _, files = archived(as_fry)
    names = ("annual-plan", "annual-plan-2", "annual-plan-3", "annual-plan-2-2")
    assert {name for name in files if name.endswith(".md")} == {f"{name}.md" for name in names}
    picture = next(name for name in files if name.endswith(".webp"))
    assert files[picture] == bytes_of(cover)
    with_cover = files[picture.replace(".webp", ".md")].decode()
    assert with_cover == "# Annual plan\n\nAnother, with ümläuts ☕."
    texts = {content.decode() for content in files.values() if content[:2] == b"# "}
    assert texts == {exporting.markdown(one) for one in Document.objects.present()}


def test_the_archive_of_nothing(as_fry: Client) -> None:
    """Empty, and an archive."""
    assert archived(as_fry)[1] == {}


def test_a_cover_that_is_lost_is_left_out(as_fry: Client, document: Document) -> None:
    """It may lie on another machine."""
    Heading.objects.update(cover="0" * 32 + ".webp")
    assert set(archived(as_fry)[1]) == {"annual-plan.md"}
    assert b"<img" not in exported(as_fry, f"{document.pk}/export.html").content


def test_who_saves_while_the_archive_is_made_changes_nothing(
    as_fry: Client, leela: Person, document: Document
) -> None:
    """It holds what was there at its beginning; its length was promised."""
    response = as_fry.get("/documents/export.zip")
    fence = editing.take(document.pk, leela.pk)
    assert fence
    new = "Much longer than it was before.\n" * 100
    documents.save(document.pk, leela.pk, new, fence=fence, version=1)
    content = b"".join(response)
    assert int(response["Content-Length"]) == len(content)
    with ZipFile(BytesIO(content)) as opened:
        assert opened.read("annual-plan.md") == b"# Annual plan\n\n# One\n\nFirst words.\n"


@pytest.mark.parametrize("is_saved", [False, True])
def test_what_is_deleted_while_the_archive_is_made_leaves_a_note(
    as_fry: Client,
    leela: Person,
    is_saved: bool,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    """The archive is as long as was promised, and whole; and it says what is missing."""
    made = [
        documents.create(leela.pk, Content(title, text, stored_cover()))
        for title, text in (("Long", "Words. " * 100), ("Short", "x"), ("Stays", "y"))
    ]
    response = as_fry.get("/documents/export.zip")
    for document in made[:2]:
        if is_saved:
            fence = editing.take(document.pk, leela.pk)
            assert fence
            documents.save(document.pk, leela.pk, "z", fence=fence, version=1)
        trash.move(document.pk, leela.pk)
        with django_capture_on_commit_callbacks(execute=True):
            trash.delete(document.pk)
    content = b"".join(response)
    assert int(response["Content-Length"]) == len(content)
    with ZipFile(BytesIO(content)) as opened:
        assert opened.testzip() is None
        files = {name: opened.read(name) for name in opened.namelist()}
    note = b"# Long\n\nThis document was deleted for good while the archive was made."
    assert files["long.md"].rstrip() == note
    assert files["short.md"] == b"# Short\n\n\n"
    assert files["stays.md"] == b"# Stays\n\ny"
    assert not any(files["long.webp"])
    assert files["stays.webp"] == bytes_of(made[2].cover)


@pytest.mark.django_db(transaction=True)
async def test_the_archive_is_made_while_it_is_sent(
    leela: Person, fry: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under ASGI, too: when the first part is there, most texts have not been read."""
    read: list[int] = []
    text = exporting._text

    def noted(head: bytes, pk: int, *args: Any) -> Iterator[bytes]:
        for piece in text(head, pk, *args):
            read.append(pk)
            yield piece

    monkeypatch.setattr(exporting, "_text", noted)

    def write() -> None:
        for number in range(20):
            documents.create(leela.pk, Content(f"Note {number:02}", "x" * 30_000))

    await sync_to_async(write)()
    client = await signed_in(fry)
    response = cast("StreamingHttpResponse", await client.get("/documents/export.zip"))
    assert read == [], "nothing is read before it is asked for"
    parts = aiter(response)
    first = await anext(parts)
    assert len(set(read)) <= 4
    rest = b"".join([part async for part in parts])
    assert len(set(read)) == 20
    assert int(response["Content-Length"]) == len(first + rest)
    with ZipFile(BytesIO(first + rest)) as opened:
        assert len(opened.namelist()) == 20


@pytest.mark.parametrize("path", ["{}/export.md", "{}/export.html"])
def test_exports_of_what_one_may_not_read(as_fry: Client, trashed: Document, path: str) -> None:
    """In the trash, or never there."""
    for number in (trashed.pk, 4711):
        assert as_fry.get(f"/documents/{path.format(number)}").status_code == 404


# -- Copies and templates


def test_a_copy_is_ones_own(as_fry: Client, fry: Person, document: Document) -> None:
    """Text and cover; a history of its own; the original stays as it is."""
    cover = stored_cover()
    Heading.objects.update(cover=cover)
    Document.objects.update(is_template=True)
    response = as_fry.post(f"/documents/{document.pk}/duplicate/")
    copy = Document.objects.exclude(pk=document.pk).get()
    assert response["Location"] == copy.get_absolute_url()
    assert (copy.title, copy.text, copy.cover) == ("Copy of Annual plan", document.text, cover)
    assert (copy.author, copy.version, copy.is_template) == (fry, 1, False)
    assert copy.revisions.count() == 1
    assert as_fry.get(f"/documents/{document.pk}/duplicate/").status_code == 405


def test_a_copy_of_a_long_title(as_fry: Client, document: Document) -> None:
    """It is cut, not refused; and a lost cover is not copied."""
    Heading.objects.update(title="t" * 200, cover="0" * 32 + ".webp")
    assert as_fry.post(f"/documents/{document.pk}/duplicate/").status_code == 302
    copy = Document.objects.exclude(pk=document.pk).get()
    assert (len(copy.title), copy.cover) == (200, "")


def test_what_is_in_the_trash_cannot_be_copied(as_fry: Client, trashed: Document) -> None:
    """Nor made a template."""
    for act in ("duplicate", "template"):
        assert as_fry.post(f"/documents/{trashed.pk}/{act}/").status_code == 404
        assert as_fry.post(f"/documents/4711/{act}/").status_code == 404
    documents.mark_template(trashed.pk, is_template=True)
    assert not Document.objects.get().is_template


def test_marking_a_template(as_fry: Client, document: Document) -> None:
    """Whoever may edit it; it is marked in the list, and can be filtered there."""
    assert rows(as_fry, "?show=templates") == []
    as_fry.post(f"/documents/{document.pk}/template/")
    assert rows(as_fry, "?show=templates") == [str(document.pk)]
    assert 'data-testid="template"' in as_fry.get("/").content.decode()
    assert "Stop using as template" in as_fry.get(f"/documents/{document.pk}/").content.decode()
    as_fry.post(f"/documents/{document.pk}/template/", {"_method": "delete"})
    assert rows(as_fry, "?show=templates") == []
    assert 'data-testid="template"' not in as_fry.get("/").content.decode()


@pytest.fixture
def template(document: Document) -> Document:
    Heading.objects.filter(pk=document.pk).update(cover=stored_cover())
    Document.objects.filter(pk=document.pk).update(is_template=True)
    document.refresh_from_db()
    return document


def test_a_document_starts_from_a_template(as_fry: Client, fry: Person, template: Document) -> None:
    """Its content fills the form; the new document has its cover, if that is wanted."""
    link = f"/documents/new/?from={template.pk}"
    assert link in as_fry.get("/documents/new/").content.decode()
    page = as_fry.get(link).content.decode()
    assert 'value="Annual plan"' in page
    assert "First words." in page
    assert 'name="remove_cover"' in page
    as_fry.post(link, {"title": "My plan", "text": "Mine"})
    as_fry.post(link, {"title": "Without", "text": "Mine", "remove_cover": "on"})
    made = Document.objects.get(heading__title="My plan")
    assert (made.author, made.cover, made.is_template) == (fry, template.cover, False)
    assert Document.objects.get(heading__title="Without").cover == ""


@pytest.mark.parametrize("number", ["", "x", "-1", "4711", "9" * 30, "1 or 1=1", "\x00"])
def test_a_template_that_does_not_exist(as_fry: Client, template: Document, number: str) -> None:
    """Not found; but what was already written is never refused for that."""
    address = f"/documents/new/?{urlencode({'from': number})}"
    assert as_fry.get(address).status_code == 404
    assert as_fry.post(address, {"title": "T", "text": "x"}).status_code == 302
    assert Document.objects.get(heading__title="T").cover == ""


def test_only_templates_one_may_read(as_fry: Client, leela: Person, template: Document) -> None:
    """No plain document, and none in the trash."""
    plain = documents.create(leela.pk, Content("Plain", "Plain words"))
    assert as_fry.get(f"/documents/new/?from={plain.pk}").status_code == 404
    trash.move(template.pk, leela.pk)
    assert as_fry.get(f"/documents/new/?from={template.pk}").status_code == 404
    assert "Annual plan" not in as_fry.get("/documents/new/").content.decode()


@pytest.mark.django_db(transaction=True)
async def test_a_template_is_marked_for_everybody_at_once(
    engine: Process, fry: Person, document: Document
) -> None:
    """In the lists that are open."""
    async with visit(fry, "/") as page:
        row = f"document_summary-{document.pk}"
        await sync_to_async(documents.mark_template)(document.pk, is_template=True)
        await page.until(lambda: 'data-testid="template"' in page.regions[row])
        await page.until_current("toasts")


# -- The administration


PRESENT = "?trashed_at__isempty=1"


@pytest.fixture
def as_amy(make_person: Callable[..., Person]) -> Client:
    """She may do everything in the administration."""
    client = Client(headers={"host": "127.0.0.1"})
    client.force_login(make_person("amy", is_staff=True, is_superuser=True))
    return client


def test_the_administration_shows_the_trash(as_amy: Client, trashed: Document) -> None:
    """Since when, by whom, and a filter."""
    for query, shown in (
        ("", True),
        ("?trashed_at__isempty=0", True),
        ("?trashed_at__isempty=1", False),
    ):
        page = as_amy.get(f"/admin/collab/document/{query}").content.decode()
        assert (f"/admin/collab/document/{trashed.pk}/change/" in page) == shown, query
    page = as_amy.get(f"/admin/collab/document/{trashed.pk}/change/").content.decode()
    assert "Moved to the trash by" in page


@pytest.mark.parametrize("how", ["one", "selected"])
def test_the_administration_deletes_with_everything(
    as_amy: Client,
    leela: Person,
    document: Document,
    how: str,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    """In the trash or not: the covers go along, but for those that others use."""
    own, shared = stored_cover(), stored_cover()
    Heading.objects.update(cover=own)
    Revision.objects.update(cover=shared)
    documents.create(leela.pk, Content("Other", "x", shared))
    address, fields = {
        "one": (f"/admin/collab/document/{document.pk}/delete/", {}),
        "selected": (
            "/admin/collab/document/",
            {"action": "delete_selected", "_selected_action": str(document.pk)},
        ),
    }[how]
    with django_capture_on_commit_callbacks(execute=True):
        assert as_amy.post(address, {**fields, "post": "yes"}).status_code == 302
    assert [one.title for one in Document.objects.all()] == ["Other"]
    assert [name for name in (own, shared) if covers.is_stored(name)] == [shared]
