"""Limits: who reaches one is told when to go on, and loses nothing; nobody reaches one
by hand."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.urls import get_resolver
from pytest_django import Settings

import project.settings as production
from collab import covers, queries, timings
from collab.errors import Full
from collab.limits import ACTS, Limits, limits
from collab.models import Document, Draft, Heading, Person, Revision
from collab.operations import documents, drafts, editing
from collab.operations.documents import Content
from collab.tests.test_status import told
from collab.tests.test_views import doors, picture
from collab.views.limits import MEGABYTE, check_room

pytestmark = pytest.mark.django_db
TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
HTMX = {"HX-Request": "true"}

#: What takes forms and counts nothing: signing out, and pages that only say something.
FREE = {"logout"}


@pytest.fixture
def strict(settings: Settings) -> Callable[..., None]:
    """Sets limits for a test."""

    def set_limits(**values: int) -> None:
        settings.LIMITS = values

    return set_limits


# That there are limits.


@pytest.mark.parametrize("pattern", get_resolver("collab.urls").url_patterns, ids=str)
def test_whatever_takes_a_form_has_a_limit(pattern: Any, as_leela: Client) -> None:
    """A new page without one fails here."""
    counted = getattr(pattern.callback, "limits", {})
    assert set(counted.values()) <= ACTS.keys()
    example = re.sub(r"<int:\w+>", "1", f"/{pattern.pattern}")
    answer = as_leela.post(re.sub(r"<str:\w+>", "x", re.sub(r"<\w+>", "x", example)))
    if answer.status_code != 405 and pattern.name not in FREE:
        assert "POST" in counted, pattern.name


@pytest.mark.parametrize(("place", "pattern"), list(doors(get_resolver().url_patterns)))
def test_no_stranger_gives_forms_without_end(place: str, pattern: Any, stranger: Client) -> None:
    """Nor by the administration's own doors: whatever answers anything but *sign in
    first* counts."""
    answer = stranger.post(place)
    is_shut = answer.status_code == 405 or "/login/?next=" in answer.get("Location", "")
    if not is_shut and pattern.name not in FREE | {"metrics"}:
        assert "POST" in getattr(pattern.callback, "limits", {}), place


#: A request for each act, as often as it is allowed and once more.
REQUESTS: dict[str, tuple[str, str, dict[str, str]]] = {
    "saves": ("post", "/documents/{d}/edit/", {"fence": "1", "version": "1", "text": "New."}),
    "autosaves": (
        "post",
        "/documents/{d}/draft/",
        {"fence": "0", "version": "1", "sequence": "1", "text": "New."},
    ),
    "previews": ("post", "/documents/preview/", {"text": "*New.*"}),
    "documents": ("post", "/documents/new/", {"title": "New", "text": "New."}),
    "exports": ("get", "/documents/{d}/export.md", {}),
    "archives": ("get", "/documents/export.zip", {}),
    "comparisons": ("get", "/documents/{d}/history/1/", {}),
    "shares": ("post", "/documents/{d}/share/", {"access": "workspace"}),
    "invitations": ("post", "/people/", {"invite": "guest"}),
    "changes": ("post", "/documents/{d}/template/", {}),
    "sign_ins": ("post", "/password/", {}),
    "mails": ("post", "/password/reset/", {"email": "x@example.org"}),
    "visits": ("get", "/shared/x/", {}),
    "reports": ("post", "/csp-report/", {}),
    "uploads": ("post", "/documents/new/", {"title": "New", "text": "New."}),
}


def test_every_limit_is_tried() -> None:
    """By the test below."""
    assert REQUESTS.keys() == ACTS.keys()


@pytest.mark.parametrize("act", list(ACTS))
def test_one_too_many(
    act: str, leela: Person, fry: Person, document: Document, strict: Callable[..., None]
) -> None:
    """429, with when to try again, in words and for programs; others go on; and what is
    refused is counted."""
    name, window = ACTS[act]
    strict(**{name: 2})
    Person.objects.update(role=Person.Role.OWNER)
    method, path, fields = REQUESTS[act]

    def asks(person: Person) -> Any:
        client = Client(headers={"host": "127.0.0.1"})
        client.force_login(person)
        upload = {"cover": picture(30, 20)} if act == "uploads" else {}
        return getattr(client, method)(path.format(d=document.pk), {**fields, **upload})

    before = [asks(leela).status_code for _ in range(2)]
    assert 429 not in before
    answer = asks(leela)
    assert answer.status_code == 429
    wait = int(answer["Retry-After"])
    assert 0 < wait <= window
    assert f"Try again in {wait} second" in answer.content.decode()
    assert asks(fry).status_code != 429
    owner = Client(headers={"host": "127.0.0.1"})
    owner.force_login(fry)
    samples = told(owner)
    assert samples[f"collab_refused_total,{act}"] == 1
    assert samples["collab_refused_total,storage"] == 0


@pytest.mark.parametrize("act", ["sign_ins", "mails", "visits", "reports"])
def test_strangers_count_by_address(
    act: str, stranger: Client, leela: Person, strict: Callable[..., None]
) -> None:
    """Those from elsewhere go on, and so does who is signed in at the same address."""
    strict(**{ACTS[act][0]: 1})
    method, path, fields = REQUESTS[act]
    path = {"sign_ins": "/login/"}.get(act, path)

    def asks(**where: str) -> int:
        answer = getattr(stranger, method)(path, fields, **where)
        return int(answer.status_code)

    assert asks() != 429
    assert asks() == 429
    assert asks(REMOTE_ADDR="192.0.2.7") != 429
    assert asks(REMOTE_ADDR="2001:db8::1") != 429
    assert asks(REMOTE_ADDR="2001:db8::2") == 429, "the same network"
    stranger.force_login(leela)
    assert asks() != 429


def test_a_part_of_a_page_stays_as_it_is(as_leela: Client, strict: Callable[..., None]) -> None:
    """htmx swaps nothing in."""
    strict(previews_per_minute=1)
    as_leela.post("/documents/preview/", {"text": "x"}, headers=HTMX)
    answer = as_leela.post("/documents/preview/", {"text": "x"}, headers=HTMX)
    assert (answer.status_code, answer["HX-Reswap"], answer.content) == (429, "none", b"")


def test_nobody_reaches_one_by_hand() -> None:
    """What the editor's own triggers can ask for at most, in several tabs at once: a
    draft after every shortest pause, and one whenever the longest time has passed."""
    drafts_a_minute = 60 / timings.PAUSE_SECONDS + 60 / timings.AUTOSAVE_SECONDS
    tabs = 4
    assert tabs * drafts_a_minute < limits().autosaves_per_minute
    assert tabs * 60 / timings.PAUSE_SECONDS < limits().previews_per_minute
    assert tabs * 60 / timings.HOLD_SECONDS < limits().changes_per_minute / 2


def test_settings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Overrides by name; 0 is no limit; a mistake ends the start."""
    settings.LIMITS = {"saves_per_minute": 7}
    assert limits().saves_per_minute == 7
    assert limits().exports_per_minute == Limits().exports_per_minute
    settings.LIMITS = {"no_such_limit": 7}
    with pytest.raises(TypeError, match="no_such_limit"):
        limits()
    monkeypatch.setenv("LIMITS", "saves_per_minute=60, documents_per_person=0")
    assert production._limits() == {"saves_per_minute": 60, "documents_per_person": 0}
    for wrong in ("saves_per_minute", "saves_per_minute=often", "a=1,b=-1"):
        monkeypatch.setenv("LIMITS", wrong)
        with pytest.raises(ImproperlyConfigured, match="needs a number"):
            production._limits()


# That nothing is lost.


@pytest.fixture
def fence(document: Document, leela: Person) -> int:
    taken = editing.take(document.pk, leela.pk)
    assert taken
    return taken


def typed(fence: int, text: str, **more: str) -> dict[str, str]:
    return {"fence": str(fence), "version": "1", "sequence": "5", "text": text, **more}


def test_a_draft_that_is_refused(
    as_leela: Client, document: Document, fence: int, strict: Callable[..., None]
) -> None:
    """The state says so, that the browser has it, and that it is sent again; it names no
    sequence, so the browser keeps it."""
    strict(autosaves_per_minute=1)
    place = f"/documents/{document.pk}/draft/"
    as_leela.post(place, typed(fence, "First.", sequence="1"), headers=HTMX)
    answer = as_leela.post(place, typed(fence, "Second."), headers=HTMX)
    page = answer.content.decode()
    assert answer.status_code == 429
    assert 'data-state="unsaved" data-waiting="unsaved" data-sequence=""' in page
    assert "Your text is kept in this browser, which sends it again by itself." in page
    assert 'name="version" form="editor" value="1"' in page
    assert Draft.objects.get().text == "First."
    strict()
    assert as_leela.post(place, typed(fence, "Second."), headers=HTMX).status_code == 200
    assert Draft.objects.get().text == "Second."


@pytest.mark.parametrize("limit", ["saves_per_minute", "storage_megabytes"])
@pytest.mark.parametrize("headers", [HTMX, {}])
def test_a_save_that_is_refused(
    as_leela: Client,
    leela: Person,
    document: Document,
    fence: int,
    strict: Callable[..., None],
    headers: dict[str, str],
    limit: str,
) -> None:
    """The text is a draft, and stays in the page, which says why."""
    if limit == "saves_per_minute":
        strict(saves_per_minute=1)
        again = {"title": "Annual plan", "heading": "1"}
        as_leela.post(f"/documents/{document.pk}/rename/", again, headers=HTMX)
    else:
        _fills(leela, 1)
        strict(storage_megabytes=1)
    place = f"/documents/{document.pk}/edit/"
    answer = as_leela.post(place, typed(fence, "Typed & typed."), headers=headers)
    page = answer.content.decode()
    assert answer.status_code == (429 if limit == "saves_per_minute" else 507)
    assert int(answer["Retry-After"]) > 0
    assert ("Try again in" if limit == "saves_per_minute" else "Your space of 1 MB is full") in page
    draft = Draft.objects.get()
    assert (draft.text, draft.is_settled) == ("Typed & typed.", False)
    assert Document.objects.get(pk=document.pk).version == 1
    if headers:
        assert 'data-state="unsaved" data-waiting="unsaved" data-sequence="5"' in page
        assert "your text is kept as a draft" in page
    else:
        assert "Typed &amp; typed.</textarea>" in page
        assert f'name="fence" value="{fence}"' in page
    strict()
    assert as_leela.post(place, typed(fence, "Typed & typed."), headers=HTMX).status_code == 200
    assert not Draft.objects.filter(is_settled=False).exists()


def test_without_drafts_either(
    as_leela: Client, document: Document, fence: int, strict: Callable[..., None]
) -> None:
    """The page does not say that there is one, and is not left."""
    strict(saves_per_minute=1, autosaves_per_minute=1)
    for _ in range(2):
        place = f"/documents/{document.pk}/"
        as_leela.post(f"{place}draft/", typed(fence, "Old.", sequence="1"), headers=HTMX)
        as_leela.post(f"{place}rename/", {"title": "T", "heading": "1"}, headers=HTMX)
    answer = as_leela.post(f"{place}edit/", typed(fence, "New."), headers=HTMX)
    assert 'data-sequence=""' in answer.content.decode()
    assert "kept in this browser" in answer.content.decode()
    leaving = as_leela.post(f"{place}edit/", typed(fence, "New.", rename="1"))
    assert leaving.status_code == 422
    assert "New.</textarea>" in leaving.content.decode()
    handing = as_leela.post(f"{place}pen/", typed(fence, "New.", act="hand_over"), headers=HTMX)
    assert handing.status_code == 422
    assert Document.objects.get(pk=document.pk).holder_id


def test_choices_of_a_merge_stay(
    as_leela: Client, document: Document, leela: Person, fry: Person, strict: Callable[..., None]
) -> None:
    """What was chosen, and written in place of both, stands there again."""
    theirs = editing.take(document.pk, fry.pk)
    assert theirs
    documents.save(document.pk, fry.pk, "# One\n\nFry's.\n", fence=theirs, version=1)
    editing.release(document.pk, fry.pk, theirs)
    fence = editing.take(document.pk, leela.pk)
    assert fence
    form = typed(fence, "# One\n\nLeela's.\n", seen="2")
    form |= {"choice-1": "free", "free-1": "Both of ours."}
    strict(saves_per_minute=1)
    as_leela.post(f"/documents/{document.pk}/rename/", {"title": "T", "heading": "1"}, headers=HTMX)
    answer = as_leela.post(f"/documents/{document.pk}/edit/", form)
    page = answer.content.decode()
    assert answer.status_code == 429
    assert 'value="free" checked' in page
    assert "Both of ours.</textarea>" in page
    assert "Try again in" in page
    strict()
    assert as_leela.post(f"/documents/{document.pk}/edit/", form).status_code == 302
    assert "Both of ours." in Document.objects.get(pk=document.pk).text


def test_both_texts_of_a_conflict_stay(
    as_leela: Client, document: Document, fence: int, strict: Callable[..., None], leela: Person
) -> None:
    """The side that was being saved is there as it was typed."""
    strict(storage_megabytes=1)
    _fills(leela, 1)
    form = typed(fence, "My side.", decided="1")
    answer = as_leela.post(f"/documents/{document.pk}/edit/", form)
    assert answer.status_code == 507
    page = answer.content.decode()
    assert "My side.</textarea>" in page
    assert "First words." in page
    assert "Your space of 1 MB is full" in page


@pytest.mark.parametrize(
    "values", [{"documents_per_minute": 1}, {"documents_per_person": 1}, {"storage_megabytes": 1}]
)
def test_a_new_document_that_is_refused(
    as_leela: Client, leela: Person, strict: Callable[..., None], values: dict[str, int]
) -> None:
    """Title and text stand in the form; nothing is made, nor a picture stored. Copies
    are new documents, too."""
    first = as_leela.post("/documents/new/", {"title": "First", "text": ""})
    if "storage_megabytes" in values:
        _fills(leela, 1)
    strict(**values)
    if "documents_per_minute" in values:  # those above did not count
        as_leela.post("/documents/new/", {"title": "Second", "text": ""})
    before = Document.objects.count()
    form = {"title": "Last", "text": "Typed & typed.", "cover": picture(30, 20)}
    answer = as_leela.post("/documents/new/", form)
    page = answer.content.decode()
    assert answer.status_code == (429 if "documents_per_minute" in values else 507)
    assert "Typed &amp; typed.</textarea>" in page
    assert 'value="Last"' in page
    assert "Nothing you typed is lost." in page
    assert "asked" not in page
    copy = as_leela.post(f"{first['Location'].rsplit('/', 2)[0]}/duplicate/")
    assert copy.status_code == answer.status_code
    assert Document.objects.count() == before
    assert not Heading.objects.exclude(cover="").exists()


@pytest.mark.parametrize("limit", ["saves_per_minute", "uploads_per_minute", "storage_megabytes"])
def test_a_title_and_a_cover_that_are_refused(
    as_leela: Client,
    leela: Person,
    document: Document,
    strict: Callable[..., None],
    limit: str,
) -> None:
    """The title stays in its field, on its page and in the editor."""
    place = f"/documents/{document.pk}/rename/"
    if limit == "storage_megabytes":
        _fills(leela, 1)
    strict(**{limit: 1})
    if limit == "saves_per_minute":
        as_leela.post(place, {"title": "T", "heading": "1"}, headers=HTMX)
    if limit == "uploads_per_minute":
        as_leela.post("/documents/new/", {"title": "", "cover": picture(30, 20)})
    before = Document.objects.get(pk=document.pk).version
    form = {"title": "Another", "version": "1", "fence": "1", "cover": picture(30, 20)}
    answer = as_leela.post(place, form)
    assert answer.status_code == (507 if limit == "storage_megabytes" else 429)
    assert 'value="Another"' in answer.content.decode()
    assert Document.objects.get(pk=document.pk).version == before
    if limit == "saves_per_minute":
        again = as_leela.post(place, {"title": "Another", "heading": "1"}, headers=HTMX)
        assert again.status_code == 429
        assert 'data-testid="title-state" data-state="unsaved"' in again.content.decode()


# What a person keeps.


def _fills(person: Person, megabytes: float) -> Document:
    """A document that takes so much."""
    made = documents.create(person.pk, Content("Full", "Words. "))
    Document.objects.filter(pk=made.pk).update(text="x" * int(megabytes * MEGABYTE))
    return made


def test_what_counts(leela: Person, fry: Person, document: Document) -> None:
    """The texts of one's documents, the versions one has saved, their pictures, and
    drafts; not what others save. In bytes, whatever the script."""
    kept = queries.bytes_kept(leela.pk)
    first = Revision.objects.get(document=document)
    assert kept == len(document.text.encode()) + len(bytes(first.packed))
    fence = editing.take(document.pk, fry.pk)
    assert fence
    documents.save(document.pk, fry.pk, "Ünïcödé 字", fence=fence, version=1)
    second = Revision.objects.get(document=document, version=2)
    assert queries.bytes_kept(fry.pk) == len(bytes(second.packed))
    size = len("Ünïcödé 字".encode())
    assert queries.bytes_kept(leela.pk) == size + len(bytes(first.packed))
    before = queries.bytes_kept(fry.pk)
    drafts.keep(document.pk, fry.pk, text="字字", fence=fence, version=2, sequence=1)
    assert queries.bytes_kept(fry.pk) == before + 6


def test_a_picture_counts_for_who_brought_it(leela: Person, as_leela: Client) -> None:
    """Once, as long as a version has it."""
    as_leela.post("/documents/new/", {"title": "T", "text": "", "cover": picture(30, 20)})
    made = Document.objects.get()
    size = covers.size_of(made.cover)
    assert size > 0
    versions = Revision.objects.filter(document=made)
    assert [one.cover_bytes for one in versions] == [size]
    place = f"/documents/{made.pk}/rename/"
    as_leela.post(place, {"title": "Other", "heading": "1"}, headers=HTMX)
    assert sorted(one.cover_bytes for one in versions.all()) == [0, size]
    packed = sum(len(bytes(one.packed)) for one in versions.all())
    assert queries.bytes_kept(leela.pk) == packed + size


def test_room_is_made_by_deleting(leela: Person, strict: Callable[..., None]) -> None:
    """At once; and drafts may go somewhat further than saves."""
    full = _fills(leela, 1.5)
    strict(storage_megabytes=1)
    with pytest.raises(Full):
        check_room(leela.pk)
    check_room(leela.pk, beyond=1)
    Document.objects.filter(pk=full.pk).update(text="x" * 3 * MEGABYTE)
    with pytest.raises(Full):
        check_room(leela.pk, beyond=1)
    full.delete()
    check_room(leela.pk)


def test_who_has_much_room_is_not_measured_each_time(
    leela: Person, django_assert_num_queries: Any, strict: Callable[..., None]
) -> None:
    """A draft after each pause asks nothing; near the limit, each is asked."""
    with django_assert_num_queries(3):
        check_room(leela.pk)
    with django_assert_num_queries(0):
        check_room(leela.pk)
    strict(storage_megabytes=1)
    _fills(leela, 0.95)
    for _ in range(2):
        with django_assert_num_queries(3):
            check_room(leela.pk)
    strict(storage_megabytes=0)
    with django_assert_num_queries(0):
        check_room(leela.pk)


def test_the_trash_counts(
    as_leela: Client, document: Document, strict: Callable[..., None]
) -> None:
    """It is there until it is deleted for good."""
    strict(documents_per_person=1)
    as_leela.post(f"/documents/{document.pk}/trash/")
    form = {"title": "T", "text": ""}
    assert as_leela.post("/documents/new/", form).status_code == 507
    as_leela.post(f"/trash/{document.pk}/", {"_method": "delete"})
    assert as_leela.post("/documents/new/", form).status_code == 302


def test_everybody_sees_what_they_have(as_leela: Client, leela: Person) -> None:
    """In the profile, with what there is room for."""
    _fills(leela, 1.2)
    page = as_leela.get("/profile/").content.decode()
    assert "1 document, 1.2 MB" in page
    assert "10,000 documents and 1,000 MB" in page


def test_two_archives_at_a_time(as_leela: Client, as_fry: Client, document: Document) -> None:
    """Each holds a thread while it is read; one that has arrived, or is given up, does
    not count any more."""
    first, _second = (as_leela.get("/documents/export.zip") for _ in range(2))
    refused = as_leela.get("/documents/export.zip")
    assert (refused.status_code, refused["Retry-After"]) == (429, "30")
    assert "two archives already" in refused.content.decode()
    assert as_fry.get("/documents/export.zip").status_code == 200
    assert b"".join(first)  # which closes it
    third = as_leela.get("/documents/export.zip")
    assert third.status_code == 200
    assert as_leela.get("/documents/export.zip").status_code == 429
    del third
    gc.collect()
    assert as_leela.get("/documents/export.zip").status_code == 200
