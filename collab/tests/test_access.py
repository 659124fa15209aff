"""Who may what: every page and every live region, asked by every kind of person.

The matrix is generated from the URLs and the registry of regions: what is new and
has no rule fails here.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.contrib import admin
from django.db import OperationalError, connection
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from collab import covers, listeners, permissions, queries, regions
from collab.conftest import has_heard_the_relay
from collab.live import pages, process, sessions
from collab.live import regions as live_regions
from collab.live.models import Connection, Node
from collab.live.pages import Admission, Token
from collab.live.presence import Page
from collab.live.process import Process
from collab.live.seals import CHARACTERS, opened, sealed
from collab.live.testing import announced, connect, eventually, signed_in, visit
from collab.models import Activity, Document, Draft, Heading, Link, Person, Share, SignIn
from collab.operations import activity, documents, drafts, editing, headings, people, sharing
from collab.operations.documents import Content
from collab.tests.test_views import doors, own_urls, picture

pytestmark = pytest.mark.django_db

SECRET = "Merger with Mom"
WORDS = "Nobody may know of the popplers."

#: Kinds of people, and what each may do with a document for named people.
MAY = {
    "author": "share",
    "owner": "share",
    "editor": "change",
    "reader": "read",
    "guest editor": "change",
    "guest reader": "read",
    "admin editor": "share",
    "admin reader": "read",
    "admin": "",
    "member": "",
    "guest": "",
}
LEVELS = ("", "read", "change", "share")

#: By URL name: what one must be able to do with the document to use it.
NEEDS = {
    "document": "read",
    "watch": "read",
    "history": "read",
    "revision": "read",
    "comparison": "read",
    "compare": "read",
    "export_markdown": "read",
    "export_html": "read",
    "duplicate": "read",
    "autosave": "read",
    "edit": "change",
    "rename": "change",
    "pen": "change",
    "draft": "change",
    "template": "change",
    "share": "share",
    "move_to_trash": "share",
    "trashed": "share",
}
#: What a POST needs beyond that.
NEEDS_TO_POST = {"revision": "change", "duplicate": "create"}
ADMINISTRATORS = frozenset({"admin", "admin editor", "admin reader", "owner"})
MEMBERS = ADMINISTRATORS | {"author", "editor", "reader", "member"}
EVERYBODY = frozenset(MAY)
NOBODY = frozenset[str]()
#: URLs that are about no document in particular, and who may read and post there; what
#: they list is tested below. (Of a cover it is who may read its document; of an account,
#: here a guest's, who may manage them; behind a secret nobody without it.)
ELSEWHERE = {
    "dashboard": (EVERYBODY, NOBODY),
    "active": (MEMBERS, NOBODY),
    "new": (MEMBERS, MEMBERS),
    "export_all": (EVERYBODY, NOBODY),
    "preview": (NOBODY, EVERYBODY),
    "trash": (EVERYBODY, NOBODY),
    "cover": (frozenset(kind for kind in MAY if MAY[kind]), NOBODY),
    "profile": (EVERYBODY, EVERYBODY),
    "sign_out_elsewhere": (NOBODY, EVERYBODY),
    "people": (ADMINISTRATORS, ADMINISTRATORS),
    "account": (NOBODY, ADMINISTRATORS),
    "invitation": (NOBODY, NOBODY),
    "shared": (NOBODY, NOBODY),
    "shared_cover": (NOBODY, NOBODY),
    "status": (ADMINISTRATORS, NOBODY),
    "metrics": (ADMINISTRATORS, NOBODY),
    "healthz": (EVERYBODY, NOBODY),
    "csp_report": (NOBODY, EVERYBODY),
    "login": (EVERYBODY, EVERYBODY),
    "logout": (NOBODY, EVERYBODY),
    "password_change": (EVERYBODY, EVERYBODY),
    "password_change_done": (EVERYBODY, NOBODY),
    "password_reset": (EVERYBODY, EVERYBODY),
    "password_reset_done": (EVERYBODY, NOBODY),
    "password_reset_confirm": (EVERYBODY, EVERYBODY),
    "password_reset_complete": (EVERYBODY, NOBODY),
}


@pytest.fixture
def cast(db: None) -> dict[str, Person]:
    """One of each kind."""
    roles = ("owner", "admin", "guest")
    return {
        kind: Person.objects.create_user(
            kind.replace(" ", "-"),
            role=kind.split()[0] if kind.startswith(roles) else "member",
        )
        for kind in MAY
    }


@pytest.fixture
def secret(cast: dict[str, Person]) -> Document:
    """A document for named people, with a past."""
    made = documents.create(cast["author"].pk, Content(SECRET, WORDS, covers.store(picture(4, 4))))
    sharing.set_access(made.pk, Document.Access.NAMED, actor=made.author_id)
    for kind in MAY:
        if not kind.endswith(("editor", "reader")):
            continue
        sharing.give(made.pk, cast[kind].pk, may_edit="editor" in kind, actor=made.author_id)
    return made


def mom() -> int:
    """An owner, who may change everybody's account."""
    known = Person.objects.filter(username="mom").first()
    return (known or Person.objects.create_user("mom", role=Person.Role.OWNER)).pk


def client_of(person: Person) -> Client:
    client = Client(headers={"host": "127.0.0.1"})
    client.force_login(person)
    return client


def about_documents() -> Iterator[tuple[str, str]]:
    for name, url in own_urls():
        if name not in ELSEWHERE:
            yield name, url


def test_every_url_has_a_rule() -> None:
    """A new page without one fails here."""
    names = {name for name, _ in own_urls()}
    assert names == NEEDS.keys() | ELSEWHERE.keys()


@pytest.mark.parametrize("kind", list(MAY))
@pytest.mark.parametrize(("name", "url"), list(about_documents()))
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_page_of_a_document(
    cast: dict[str, Person], secret: Document, kind: str, name: str, url: str, method: str
) -> None:
    """Who may not read it cannot tell it from one that does not exist."""
    client = client_of(cast[kind])
    needed = NEEDS_TO_POST.get(name, NEEDS[name]) if method == "post" else NEEDS[name]
    place = url.replace("/1/", f"/{secret.pk}/", 1)
    nowhere = url.replace("/1/", f"/{secret.pk + 1000}/", 1)
    answer = getattr(client, method)(place)
    if not MAY[kind]:
        absent = getattr(client, method)(nowhere)
        assert answer.status_code == absent.status_code
        assert without_token(answer.content) == without_token(absent.content)
    elif not suffices(cast[kind], MAY[kind], needed):
        assert answer.status_code in (403, 404, 405)
        assert WORDS not in answer.content.decode()
    else:
        # A form without its fields, a draft or a version that is not there: refused
        # for what they are, not for who asks.
        assert answer.status_code in (200, 204, 302, 400, 404, 405, 409, 422)
        assert answer.status_code != 404 or name in {"draft", "comparison", "trashed"}


@pytest.mark.parametrize(
    ("name", "url"), [(name, url) for name, url in own_urls() if name in ELSEWHERE]
)
@pytest.mark.parametrize("method", ["get", "post"])
def test_any_other_page(
    cast: dict[str, Person], secret: Document, name: str, url: str, method: str
) -> None:
    """By role; and none of them tells of a document that is for others."""
    place = {
        "account": f"/people/{cast['guest reader'].pk}/",
        "cover": f"/covers/{secret.cover}",
    }.get(name, url)
    for kind, person in cast.items():
        answer = getattr(client_of(person), method)(place, {"active": "yes", "invite": "guest"})
        may = kind in ELSEWHERE[name][method == "post"]
        assert answer.status_code in ((200, 204, 302, 400, 422) if may else (403, 404, 405)), kind
        page = b"".join(answer) if answer.streaming else answer.content
        assert SECRET.encode() not in page or MAY[kind], kind


@pytest.mark.parametrize("place", [place for place, _ in doors(admin.site.get_urls(), "/admin/")])
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_page_of_the_administration(
    cast: dict[str, Person], secret: Document, place: str, method: str
) -> None:
    """For administrators, and of documents only what they may read elsewhere. Changed is
    nothing but by a form with its fields."""
    about = Activity.objects.filter(document=secret).latest("pk").pk
    rows = {"person": cast["guest"].pk, "document": secret.pk, "activity": about}
    for model, pk in rows.items():
        place = place.replace(f"/{model}/1/", f"/{model}/{pk}/")
    is_for_all = place in {"/admin/logout/", "/admin/password_change/"}
    for kind in ("guest", "member", "reader", "admin", "owner"):
        person = cast[kind]
        answer = getattr(client_of(person), method)(place, follow=True)
        page = answer.content.decode()
        if kind == "owner":
            assert answer.status_code in (200, 403, 404, 405)
        else:
            assert answer.status_code in (403, 404, 405) or kind == "admin" or is_for_all, kind
            assert SECRET not in page
            assert WORDS not in page
        if kind == "admin" and re.search("/(document|activity)/[0-9]", place):
            nowhere = getattr(client_of(person), method)(re.sub("[0-9]+", "4711", place))
            there = getattr(client_of(person), method)(place)
            assert there.status_code == nowhere.status_code
    assert Document.objects.filter(pk=secret.pk).exists()


def suffices(person: Person, level: str, needed: str) -> bool:
    if needed == "create":
        return not person.is_guest
    return LEVELS.index(level) >= LEVELS.index(needed)


def without_token(page: bytes) -> str:
    """What differs from one answer to the next, for whoever asks."""
    text = re.sub(r'name="(csrfmiddlewaretoken|page)" value="[^"]*"', "", page.decode())
    # Of the marks only the sealed one, which is another each time.
    return re.sub(rf'(value="toasts:)[0-9a-f]{{{CHARACTERS}}}"|next=[^"]*', "", text)


def seen_by(person: Person) -> str:
    """Everything that lists documents, in one text."""
    client = client_of(person)
    places = ["/", "/?q=popplers", "/?q=Mom", "/?show=editing", "/?show=unread", "/?sort=title"]
    places += ["/?show=templates", "/documents/new/", "/active/", "/trash/", "/profile/"]
    pages = [client.get(place).content for place in places]
    pages.append(b"".join(client.get("/documents/export.zip")))
    return b"\n".join(pages).decode(errors="replace")


@pytest.mark.parametrize("kind", list(MAY))
def test_it_is_in_no_list_of_others(cast: dict[str, Person], secret: Document, kind: str) -> None:
    """Lists, search, filters, templates, who is here with what, the archive."""
    Document.objects.filter(pk=secret.pk).update(is_template=True)
    editing.take(secret.pk, cast["editor"].pk)
    node = Node.objects.create(boot="b", host="h", pid=1)
    Connection.objects.create(
        node=node, page="p", user=cast["editor"], subject=f"document:{secret.pk}"
    )
    page = seen_by(cast[kind])
    assert (SECRET in page) == bool(MAY[kind])
    assert (WORDS in page) == bool(MAY[kind])


@pytest.mark.parametrize("kind", ["member", "guest"])
def test_a_list_asks_no_more_for_what_one_may_not_read(cast: dict[str, Person], kind: str) -> None:
    """Neither the number of queries nor what they return tells how much there is that is
    for others."""
    author, person = cast["author"], cast[kind]
    for number in range(3):
        sharing.give(
            documents.create(author.pk, Content(f"Open {number}", "x")).pk,
            person.pk,
            may_edit=False,
            actor=author.pk,
        )
    client = client_of(person)
    places = ["/", "/?q=open", "/?show=unread", "/?show=editing", "/?sort=title", "/active/"]

    def asked() -> list[tuple[int, str]]:
        found = []
        for place in places:
            with CaptureQueriesContext(connection) as queries_made:
                page = client.get(place).content
            found.append((len(queries_made), without_token(page)))
        return found

    asked()  # what is asked once, and kept
    before = asked()
    for number in range(60):
        made = documents.create(author.pk, Content(f"Open, but not for you {number}", "open"))
        sharing.set_access(made.pk, Document.Access.NAMED, actor=author.pk)
        sharing.give(made.pk, cast["reader"].pk, may_edit=False, actor=author.pk)
    assert asked() == before


@pytest.mark.parametrize("kind", ["member", "guest", "reader"])
def test_no_mark_tells_that_something_happened(
    cast: dict[str, Person], secret: Document, kind: str
) -> None:
    """How far the toasts are is a number that counts hidden work too: it is sealed, and
    neither stays the same without it nor grows with it."""
    client, seals = client_of(cast[kind]), []
    for is_busy in (False, False, True, True):
        if is_busy:
            activity.record(secret.pk, cast["editor"].pk, Activity.Verb.SAVED)
        page = client.get("/").content.decode()
        seals += re.findall(r'value="toasts:([^"]*)"', page)
    assert len(set(seals)) == 4
    assert {len(seal) for seal in seals} == {CHARACTERS}
    newest = Activity.objects.latest("pk").pk
    assert [opened(seal) for seal in seals] == [newest - 2, newest - 2, newest - 1, newest]


def test_a_seal_that_somebody_has_made_up() -> None:
    """Numbers cannot be tried out: a position is ours or nobody's."""
    good = sealed(7)
    bad = [good[:-1] + "0123456789abcdef"[(int(good[-1], 16) + 1) % 16], good[:-2], "7", ""]
    bad += ["0" * CHARACTERS, "g" * CHARACTERS, good[2:] + good[:2]]
    assert opened(good) == 7
    assert [opened(text) for text in bad] == [None] * len(bad)


def test_it_is_not_counted_as_new(cast: dict[str, Person], secret: Document) -> None:
    """The counter of new documents is one for all."""
    shown = regions.new_documents.load(["0"])["0"]
    assert shown["count"] == 0


def test_nobody_reads_elsewhere_what_the_editor_does(
    cast: dict[str, Person], secret: Document
) -> None:
    """The list of people is one for all: it says that they are here."""
    editing.take(secret.pk, cast["editor"].pk)
    node = Node.objects.create(boot="b", host="h", pid=1)
    Connection.objects.create(
        node=node, page="p", user=cast["editor"], subject=f"document:{secret.pk}"
    )
    (here,) = queries.whereabouts()
    assert (here.editing, here.reading) == ([], [])


@pytest.mark.parametrize("kind", list(MAY))
def test_toasts_are_for_those_who_may_read(
    cast: dict[str, Person], secret: Document, kind: str
) -> None:
    """Each entry knows its audience, and the count of what was missed as well."""
    somebody = Person.objects.create_user("somebody")
    sharing.give(secret.pk, somebody.pk, may_edit=True, actor=secret.author_id)
    activity.record(secret.pk, somebody.pk, Activity.Verb.SAVED)
    feed = live_regions.get("toasts")
    assert isinstance(feed, live_regions.Feed)
    entry = feed.entries(0, 100)[-1]
    assert entry.seen_by(cast[kind].pk) == bool(MAY[kind])


@pytest.mark.parametrize("kind", list(MAY))
def test_the_audience_is_who_may_follow(
    cast: dict[str, Person], secret: Document, kind: str
) -> None:
    """Two ways to one answer, for this document, a public one and one that is gone."""
    public = documents.create(cast["member"].pk, Content("Public", ""))
    may = permissions.audience([secret.pk, public.pk])
    for document in (secret, public):
        right = permissions.followable(cast[kind]).filter(pk=document.pk).exists()
        assert may(cast[kind].pk, document.pk) == right
    assert not permissions.audience([4711])(cast["member"].pk, 4711)


#: Regions about no document, and who sees them.
GENERAL: dict[str, Callable[[Person], bool]] = {
    "active_users": lambda person: not person.is_guest,
    "people_here": lambda person: not person.is_guest,
    "new_documents": lambda person: not person.is_guest,
    "toasts": lambda person: True,
    "renewal": lambda person: True,  # a time, and nothing else
    "server_status": lambda person: person.is_administrator,
}
#: Regions of pages that need more than the right to read.
STRICT = {"editor_pen": "change", "heading_lease": "change"}


@pytest.mark.parametrize("kind", list(MAY))
@pytest.mark.parametrize("name", [region.name for region in live_regions.all_regions()])
def test_every_region_asks(cast: dict[str, Person], secret: Document, kind: str, name: str) -> None:
    """A new region is about a document, or has its rule above."""
    region, person = live_regions.get(name), cast[kind]
    if name in GENERAL:
        assert bool(region.allow(person, [""])) == GENERAL[name](person)
        return
    for key in (str(secret.pk), f"{secret.pk}_1"):
        try:
            asked = region.topics_for(key)
        except ValueError:
            continue  # a key of the other kind
        allowed = key in region.allow(person, [key])
        needed = STRICT.get(name, "read")
        if allowed:
            assert LEVELS.index(MAY[kind]) >= LEVELS.index(needed), asked
    keys = [str(secret.pk), f"{secret.pk}_1"]
    able = LEVELS.index(MAY[kind]) >= LEVELS.index(STRICT.get(name, "read"))
    assert bool(set(keys) & set(region.allow(person, keys))) == able


def test_a_deactivated_person_has_no_right(cast: dict[str, Person], secret: Document) -> None:
    """Whatever their role."""
    for person in cast.values():
        person.is_active = False
        assert not permissions.followable(person).exists()
        assert not permissions.is_administrator(person)


def test_guests_write_nothing_of_their_own(cast: dict[str, Person]) -> None:
    """No new documents, no copies."""
    client = client_of(cast["guest reader"])
    public = documents.create(cast["member"].pk, Content("Public", ""))
    sharing.give(public.pk, cast["guest reader"].pk, may_edit=False, actor=public.author_id)
    for place in ("/documents/new/", f"/documents/{public.pk}/duplicate/"):
        assert client.post(place, {"title": "T", "text": "x"}).status_code == 403
    assert "New document" not in client.get("/").content.decode()
    page = client.get(f"/documents/{public.pk}/").content.decode()
    assert "You may read this document" in page
    assert "Duplicate" not in page


# Rights that change while pages are open.


@pytest.mark.django_db(transaction=True)
def test_who_loses_the_right_loses_the_leases(cast: dict[str, Person], secret: Document) -> None:
    """What was typed stays their draft; the others hear that the pen is free."""
    editor = cast["editor"]
    fence, heading = editing.take(secret.pk, editor.pk), headings.take(secret.pk, editor.pk)
    assert fence
    assert heading
    drafts.keep(secret.pk, editor.pk, text="typed", fence=fence, version=1, sequence=1)
    with announced() as topics:
        sharing.give(secret.pk, editor.pk, may_edit=False, actor=secret.author_id)
    assert {f"pen:{secret.pk}", f"heading:{secret.pk}", f"live.person:{editor.pk}"} <= topics
    assert Document.objects.get(pk=secret.pk).holder is None
    assert Heading.objects.get(pk=secret.pk).holder is None
    assert Draft.objects.get().text == "typed"


@pytest.mark.parametrize("form", [{"decided": "1"}, {"done": "1"}, {}])
def test_a_late_save_without_the_right_is_refused(
    cast: dict[str, Person], secret: Document, form: dict[str, str]
) -> None:
    """Whatever the form says; also a handover, a title and a taking back."""
    editor = cast["editor"]
    fence = editing.take(secret.pk, editor.pk)
    sharing.give(secret.pk, editor.pk, may_edit=False, actor=secret.author_id)
    client = client_of(editor)
    fields = {"fence": str(fence), "version": "1", "text": "late", "title": "Late", **form}
    for place in ("edit", "pen", "rename"):
        address = f"/documents/{secret.pk}/{place}/"
        assert client.post(address, {**fields, "act": "hand_over"}).status_code == 404
    now = Document.objects.get(pk=secret.pk)
    assert (now.text, now.title, now.holder) == (WORDS, SECRET, None)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("how", ["removed", "may read", "withdrawn", "demoted", "deactivated"])
def test_who_loses_the_right_does_not_wait_for_the_pen(
    cast: dict[str, Person], secret: Document, how: str
) -> None:
    """Nor gets it later, with the draft of whoever had it."""
    author, other = cast["author"], Person.objects.create_user("other", role="owner")
    if how == "withdrawn":
        sharing.set_access(secret.pk, Document.Access.WORKSPACE, actor=author.pk)
        people.set_role(other.pk, Person.Role.MEMBER, actor=mom())
    elif how != "demoted":
        people.set_role(other.pk, Person.Role.MEMBER, actor=mom())
        sharing.give(secret.pk, other.pk, may_edit=True, actor=author.pk)
    editing.take(secret.pk, author.pk)
    assert editing.ask(secret.pk, other.pk)
    with announced() as topics:
        loses(other, secret, how)
    assert f"pen:{secret.pk}" in topics
    now = Document.objects.get(pk=secret.pk)
    assert (now.holder, now.asked_by, now.asked_at) == (author, None, None)


def loses(person: Person, document: Document, how: str) -> None:
    """A right, in one of the ways in which it is taken away."""
    actor = document.author_id
    if how == "removed":
        sharing.take_back(document.pk, person.pk, actor=actor)
    elif how == "may read":
        sharing.give(document.pk, person.pk, may_edit=False, actor=actor)
    elif how == "withdrawn":
        sharing.set_access(document.pk, Document.Access.NAMED, actor=actor)
    elif how == "demoted":
        people.set_role(person.pk, Person.Role.GUEST, actor=mom())
    elif how == "deactivated":
        people.set_active(person.pk, is_active=False, actor=mom())
    elif how == "signed out":
        people.sign_out(person.pk)
    else:
        person.set_password("another planet")
        people.set_password(person, actor=mom())


def test_the_pen_passes_on_only_to_who_may_have_it(
    cast: dict[str, Person], secret: Document
) -> None:
    """The right is asked at that moment, whatever has happened since the question."""
    author, editor = cast["author"], cast["editor"]
    fence = editing.take(secret.pk, author.pk)
    assert fence
    drafts.keep(secret.pk, author.pk, text="typed", fence=fence, version=1, sequence=1)
    assert editing.ask(secret.pk, editor.pk)
    Share.objects.filter(person=editor).delete()  # without a word
    past = Now() - timedelta(seconds=60)
    Document.objects.filter(pk=secret.pk).update(asked_at=past, yields_at=past)
    editing.pass_on()
    now = Document.objects.get(pk=secret.pk)
    assert (now.holder, now.fence, now.asked_by) == (author, fence, None)
    assert Draft.objects.get().offered_to is None


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("how", ["demoted", "deactivated"])
def test_a_lesser_role_frees_the_leases(
    cast: dict[str, Person], secret: Document, how: str
) -> None:
    """At once, wherever their pages are; what was typed stays theirs."""
    owner = cast["owner"]
    fence, heading = editing.take(secret.pk, owner.pk), headings.take(secret.pk, owner.pk)
    assert fence
    assert heading
    drafts.keep(secret.pk, owner.pk, text="typed", fence=fence, version=1, sequence=1)
    with announced() as topics:
        loses(owner, secret, how)
    assert {f"pen:{secret.pk}", f"heading:{secret.pk}"} <= topics
    assert Document.objects.get(pk=secret.pk).holder is None
    assert Heading.objects.get(pk=secret.pk).holder is None
    assert Draft.objects.get().text == "typed"


def test_a_lesser_role_keeps_what_one_may_still_hold(
    cast: dict[str, Person], secret: Document
) -> None:
    """The pen of a document that is theirs by name."""
    admin = cast["admin"]
    sharing.give(secret.pk, admin.pk, may_edit=True, actor=secret.author_id)
    editing.take(secret.pk, admin.pk)
    people.set_role(admin.pk, Person.Role.GUEST, actor=mom())
    assert Document.objects.get(pk=secret.pk).holder == admin


@pytest.mark.parametrize("how", ["removed", "may read", "demoted", "deactivated"])
def test_a_page_that_is_back_gets_only_what_its_person_may_hold(
    cast: dict[str, Person], secret: Document, how: str
) -> None:
    """Neither the pen nor the title, and no more time for them."""
    person = cast["owner" if how == "demoted" else "editor"]
    fence, heading = editing.take(secret.pk, person.pk), headings.take(secret.pk, person.pk)
    page = Page("p", person.pk, f"document:{secret.pk}", "editing", f"{fence}-{heading}")
    listeners.free_leases(pages=[page])
    loses(person, secret, how)
    listeners.give_back_leases(pages=[page])
    assert Document.objects.get(pk=secret.pk).holder is None
    assert Heading.objects.get(pk=secret.pk).holder is None
    # Even if a lease was left behind, it is not renewed.
    long_ago = Now() - timedelta(seconds=60)
    Document.objects.update(holder=person, expires_at=long_ago)
    listeners._renewed_at = 0.0
    listeners.keep_leases(pages=[page])
    assert Document.objects.expired().get().holder == person


def test_a_page_that_is_back_gets_what_its_person_may_hold(
    cast: dict[str, Person], secret: Document
) -> None:
    """The many are asked for as the one is (``writers`` and ``changeable``)."""
    public = documents.create(cast["member"].pk, Content("Public", ""))
    pairs = {(person.pk, pk) for person in cast.values() for pk in (secret.pk, public.pk, 4711)}
    expected = {
        (person.pk, pk)
        for person in cast.values()
        for pk in permissions.changeable(person).values_list("pk", flat=True)
    }
    assert permissions.writers(pairs) == expected
    editor = cast["editor"]
    fence = editing.take(secret.pk, editor.pk)
    editing.lapse(secret.pk, editor.pk, fence or 0)
    page = Page("p", editor.pk, f"document:{secret.pk}", "editing", f"{fence}")
    listeners.give_back_leases(pages=[page])
    assert Document.objects.get(pk=secret.pk).holder == editor


async def shows(person: Person, page: Page, *shown: str) -> WebsocketCommunicator:
    """The socket of a page that shows only these regions, with its signed token. That its
    person has signed in, a change of the account, has been heard before."""
    session = await signed_in(person)
    engine = await process.current()
    heard = engine._rights[0]
    await sync_to_async(sessions.rights_changed)(0)  # of nobody: what was said before is heard
    await eventually(lambda: engine._rights[0] > heard)
    socket = connect(session)
    assert (await socket.connect())[0]
    token = Token(page, "en", shown).sign()
    await socket.send_to(text_data=json.dumps({"page": token, "region": [], "headers": {}}))
    return socket


async def reads(person: Person, document: Document) -> WebsocketCommunicator:
    """The socket of a page on which somebody reads a document, once the text has come."""
    page = Page(f"page-{person.pk}", person.pk, f"document:{document.pk}", "reading")
    socket = await shows(person, page, f"document_text-{document.pk}")
    await socket.receive_from(timeout=5)
    return socket


async def closed(socket: WebsocketCommunicator) -> int:
    """The code with which it is closed within the two seconds that are promised."""
    async with asyncio.timeout(2):
        while (message := await socket.receive_output(timeout=2))["type"] != "websocket.close":
            pass
    return int(message["code"])


#: By mode, what one must be able to do with the document to have such a page open.
MODES = {"reading": "read", "watching": "read", "editing": "change", "renaming": "change"}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("mode", list(MODES))
@pytest.mark.parametrize("kind", ["reader", "member", "guest editor"])
async def test_a_saved_page_is_refused_without_the_right(
    engine: Process, cast: dict[str, Person], secret: Document, kind: str, mode: str
) -> None:
    """Whatever regions it shows: it is not present, and holds nothing."""
    person = cast[kind]
    page = Page("p", person.pk, f"document:{secret.pk}", mode, "1-1")
    socket = await shows(person, page, "toasts")
    if LEVELS.index(MAY[kind]) < LEVELS.index(MODES[mode]):
        assert await closed(socket) == 4403
        assert not await Connection.objects.aexists()
    else:
        await eventually(lambda: Connection.objects.filter(page="p").exists())
        await socket.disconnect()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("mode", ["editing", "renaming"])
@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("removed", 4403),
        ("may read", 4403),
        ("demoted", 4403),
        ("deactivated", 4423),
        ("signed out", 4401),
        ("password", 4401),
    ],
)
async def test_a_page_is_cut_with_what_it_holds(
    engine: Process, cast: dict[str, Person], secret: Document, mode: str, how: str, code: int
) -> None:
    """Also one that shows nothing of its document, as those of overlaps do."""
    person = cast["owner" if how == "demoted" else "editor"]
    fence = await sync_to_async(editing.take)(secret.pk, person.pk)
    heading = await sync_to_async(headings.take)(secret.pk, person.pk)
    page = Page("p", person.pk, f"document:{secret.pk}", mode, f"{fence}-{heading}")
    socket = await shows(person, page, "toasts")
    await eventually(lambda: Connection.objects.filter(page="p").exists())
    await sync_to_async(loses)(person, secret, how)
    assert await closed(socket) == code
    async with asyncio.timeout(2):
        await eventually(lambda: not Connection.objects.exists())
        await eventually(lambda: not Document.objects.held().exists())
        await eventually(lambda: not Heading.objects.held().exists())


@pytest.mark.django_db(transaction=True)
async def test_signing_out_leaves_what_another_page_holds(
    engine: Process, cast: dict[str, Person], secret: Document
) -> None:
    """The same claim in a browser that stays signed in."""
    editor = cast["editor"]
    fence = await sync_to_async(editing.take)(secret.pk, editor.pk)
    first, second = (
        Page(name, editor.pk, f"document:{secret.pk}", "editing", f"{fence}") for name in "ab"
    )
    going, staying = await shows(editor, first, "toasts"), await shows(editor, second, "toasts")
    await eventually(lambda: Connection.objects.count() == 2)
    (cut,) = (socket for socket in engine.hub.sockets if socket.page == first)
    await sync_to_async(lambda: SignIn.objects.get(session_key=cut.session_key).delete())()
    assert await closed(going) == 4401
    await eventually(lambda: Connection.objects.count() == 1)
    assert (await Document.objects.aget(pk=secret.pk)).holder_id == editor.pk
    await staying.disconnect()


# A document that is withdrawn from the workspace.


@pytest.mark.django_db(transaction=True)
def test_every_process_is_asked_for_its_own_pages(
    cast: dict[str, Person], secret: Document
) -> None:
    """Nobody is looked up: a page may not be written down yet, or not any more."""
    sharing.set_access(secret.pk, Document.Access.WORKSPACE, actor=secret.author_id)
    with announced() as topics:
        sharing.set_access(secret.pk, Document.Access.NAMED, actor=secret.author_id)
    about = {f"{kind}:{secret.pk}" for kind in ("document", "pen", "heading", "presence:document")}
    assert {f"live.rights:{topic}" for topic in about} <= topics
    with announced() as topics:
        sharing.set_access(secret.pk, Document.Access.NAMED, actor=secret.author_id)
    assert topics == set()


@pytest.fixture
def public(secret: Document) -> Document:
    """The same document, for the whole workspace."""
    sharing.set_access(secret.pk, Document.Access.WORKSPACE, actor=secret.author_id)
    return secret


withdraw = sync_to_async(
    lambda document: sharing.set_access(
        document.pk, Document.Access.NAMED, actor=document.author_id
    )
)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("shown", ["document_text", "toasts"])
async def test_a_page_that_is_not_written_down_is_cut_too(
    engine: Process,
    cast: dict[str, Person],
    public: Document,
    monkeypatch: pytest.MonkeyPatch,
    shown: str,
) -> None:
    """Presence is for people to see; who gets what does not depend on it."""
    monkeypatch.setattr(engine.presence, "join", lambda page: 1)
    member = cast["member"]
    region = shown if shown == "toasts" else f"{shown}-{public.pk}"
    page = Page("p", member.pk, f"document:{public.pk}", "reading")
    socket = await shows(member, page, region)
    await socket.receive_from(timeout=5)
    await withdraw(public)
    assert await closed(socket) == 4403


@pytest.mark.django_db(transaction=True)
async def test_a_list_loses_the_row_of_what_is_withdrawn(
    engine: Process, cast: dict[str, Person], public: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And stays."""
    monkeypatch.setattr(engine.presence, "join", lambda page: 1)
    async with visit(cast["member"], "/") as page:
        row = f"document_summary-{public.pk}"
        assert row in page.regions
        await eventually(lambda: engine.hub.sockets)
        await withdraw(public)
        await page.until(lambda: row not in page.regions)


@pytest.mark.django_db(transaction=True)
async def test_what_is_withdrawn_while_a_page_resumes(
    engine: Process, cast: dict[str, Person], public: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the question and the subscription: it is asked again."""
    asked, member = pages.admitted, cast["member"]

    def then_withdrawn(*arguments: Any) -> Admission:
        answer = asked(*arguments)
        with announced() as topics:
            sharing.set_access(public.pk, Document.Access.NAMED, actor=public.author_id)
        heard = threading.Event()
        engine.loop.call_soon_threadsafe(engine._changed, topics)
        engine.loop.call_soon_threadsafe(heard.set)
        heard.wait(5)
        return answer

    monkeypatch.setattr(pages, "admitted", then_withdrawn)
    page = Page("p", member.pk, f"document:{public.pk}", "reading")
    assert await closed(await shows(member, page, f"document_text-{public.pk}")) == 4403


@pytest_asyncio.fixture
async def watchful(settings: Settings, transactional_db: None) -> AsyncIterator[Process]:
    """The engine, looking at sessions all the time."""
    settings.LIVE = {"session_check_seconds": 0.05}
    engine = await process.current()
    has_heard_the_relay(engine)
    yield engine
    await process.stop()


def in_silence(person: Person, how: str) -> None:
    """Something ends or changes and nobody says so, as with a statement in the database."""
    mine, me = SignIn.objects.filter(person=person), Person.objects.filter(pk=person.pk)
    if how == "signed out":
        mine._raw_delete(mine.db)
    elif how == "expired":
        mine.update(expire_date=Now() - timedelta(seconds=1))
    elif how == "password":
        me.update(password="!")
    elif how == "off":
        me.update(is_active=False)
    else:
        me.update(role=Person.Role.GUEST)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("signed out", 4401),
        ("expired", 4401),
        ("password", 4401),
        ("off", 4423),
        ("made a guest", 4403),
    ],
)
async def test_sessions_and_accounts_are_looked_at_again_after_a_while(
    watchful: Process, cast: dict[str, Person], public: Document, how: str, code: int
) -> None:
    """Whatever has happened to them, if nobody has said so."""
    member = await Person.objects.acreate_user("newcomer", password="a long password")
    socket = await reads(member, public)
    await sync_to_async(in_silence)(member, how)
    assert await closed(socket) == code


@pytest.mark.django_db(transaction=True)
async def test_rights_are_not_asked_again_while_session_and_account_are_the_same(
    watchful: Process,
    cast: dict[str, Person],
    public: Document,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """That would take thousands of queries a minute. Of two sessions, one that changes is
    asked for, once."""
    looks: list[Collection[str]] = []
    asked: list[tuple[str, int]] = []
    stamps_of, admitted = sessions.stamps_of, pages.admitted

    def look(keys: Sequence[str]) -> dict[str, int]:
        looks.append(keys)
        return stamps_of(keys)

    def ask(key: str, *arguments: Any) -> Admission:
        asked.append((key, len(looks)))
        return admitted(key, *arguments)

    def nobody_is_asked() -> bool:
        """Nor was in the last looks, at everybody."""
        last = asked[-1][1] if asked else 0
        return len(looks) > last + 3 and len(looks[-1]) == 2

    monkeypatch.setattr(process, "stamps_of", look)
    monkeypatch.setattr(process, "admitted", ask)
    about = f"document:{public.pk}"
    both = [cast["member"], cast["author"]]
    sockets = [
        await shows(person, Page(person.username, person.pk, about, "reading"), "toasts")
        for person in both
    ]
    await eventually(nobody_is_asked)
    asked.clear()
    changed = await SignIn.objects.aget(person=both[1])
    session = changed.get_session_store_class()(changed.session_key)
    await session.aset("theme", "dark")
    await session.asave()
    await eventually(lambda: asked)
    await eventually(nobody_is_asked)
    assert [key for key, _ in asked] == [changed.session_key]
    for socket in sockets:
        await socket.disconnect()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_missed", [False, True])
async def test_rights_are_asked_again_after_a_while(
    settings: Settings, cast: dict[str, Person], secret: Document, is_missed: bool
) -> None:
    """By the clock, if nobody has said that they changed; at once when it may have been
    said and not heard."""
    settings.LIVE = {"rights_check_seconds": 600 if is_missed else 0.1}
    engine = await process.current()
    reader = cast["reader"]
    socket = await reads(reader, secret)
    await Share.objects.filter(person=reader).adelete()
    if is_missed:
        engine.bus._on_gap()
    assert await closed(socket) == 4403
    await process.stop()


@pytest.fixture
def fails_at_first(monkeypatch: pytest.MonkeyPatch) -> list[Exception]:
    """What asking for rights will raise, one after the other, before it answers. Whoever
    is being asked already when this is planned fails as well: no answer comes before."""
    admitted = pages.admitted
    failures: list[Exception] = []

    def asked(*arguments: Any) -> Admission:
        admission = admitted(*arguments)
        if failures:
            raise failures.pop()
        return admission

    monkeypatch.setattr(process, "RESTART_SECONDS", 0.1)
    monkeypatch.setattr(process, "admitted", asked)
    return failures


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_told", [False, True])
async def test_rights_that_could_not_be_asked_for_are_asked_for_again(
    fails_at_first: list[Exception],  # the engine looks at its pauses when it starts
    engine: Process,
    cast: dict[str, Person],
    secret: Document,
    is_told: bool,
) -> None:
    """Soon, and not only after ten minutes: after a gap, or when somebody has said that they
    changed."""
    reader = cast["reader"]
    socket = await reads(reader, secret)
    fails_at_first += [OperationalError("away")] * 2
    await Share.objects.filter(person=reader).adelete()
    if is_told:
        engine._changed([f"{sessions.PERSON}{reader.pk}"])
    else:
        engine.bus._on_gap()
    assert await closed(socket) == 4403
    assert not fails_at_first


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("by_stamp", [False, True])
async def test_one_that_can_never_be_asked_for_holds_up_no_other(
    engine: Process,
    cast: dict[str, Person],
    secret: Document,
    monkeypatch: pytest.MonkeyPatch,
    by_stamp: bool,
) -> None:
    """Whoever comes first; and it is tried again."""
    broken, tries = set(), []

    def asked(key: str, *arguments: Any) -> Admission:
        admission = pages.admitted(key, *arguments)
        if key in broken:  # even if this was asked before it broke
            tries.append(key)
            raise OperationalError("always")
        return admission

    monkeypatch.setattr(process, "admitted", asked)
    people = [cast["reader"], cast["guest reader"], cast["editor"]]
    sockets = [await reads(person, secret) for person in people]
    broken |= {one.session_key for one in engine.hub.sockets if one.page.user_id == people[1].pk}
    await Share.objects.all().adelete()
    if by_stamp:
        for one in engine.hub.sockets:
            one.stamp = 0
        await engine.check_sessions()
    else:
        await engine.check_everybody()
    assert [one.page.user_id for one in engine.hub.sockets] == [people[1].pk]
    assert [await closed(sockets[number]) for number in (0, 2)] == [4403, 4403]
    tried = len(tries)
    await eventually(lambda: len(tries) > tried)


@pytest.mark.django_db(transaction=True)
async def test_who_resumes_while_events_were_missed_is_asked_again(engine: Process) -> None:
    """What it was told before may be from before what was missed."""
    seen = engine.rights_seen(1)
    engine.bus._on_gap()
    assert engine.rights_seen(1) != seen


@pytest.mark.parametrize("engine_of_sessions", ["db", "cache", "signed_cookies"])
def test_a_stamp_is_that_of_its_session(settings: Settings, engine_of_sessions: str) -> None:
    """One by one or many together, wherever sessions are kept; without one where there is
    no session."""
    if engine_of_sessions != "db":
        settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine_of_sessions}"
    keys = []
    for name in ("amy", "kif"):
        client = Client()
        client.force_login(Person.objects.create_user(name, password="a long password"))
        keys.append(str(client.session.session_key))
    stamps = sessions.stamps_of([*keys, "x" * 32])
    found = {key: sessions.session_of(key) for key in keys}
    assert stamps == {key: one.stamp for key, one in found.items() if one}
    assert len(set(stamps.values())) == 2


def test_many_sessions_are_looked_at_with_two_queries(
    django_assert_num_queries: Any, cast: dict[str, Person]
) -> None:
    """However many."""
    keys = []
    for person in cast.values():
        client = Client()
        client.force_login(person)
        keys.append(str(client.session.session_key))
    with django_assert_num_queries(2):
        assert sessions.stamps_of(keys).keys() == set(keys)


# The page.


def test_a_document_is_shared_on_its_page(cast: dict[str, Person], secret: Document) -> None:
    """Access, a person, and back."""
    client, place = client_of(cast["author"]), f"/documents/{secret.pk}/share/"
    assert "guest-reader" in client.get(place).content.decode()
    client.post(place, {"access": "workspace"})
    client.post(place, {"person": cast["guest"].pk, "may_edit": "yes"})
    assert permissions.editable(cast["guest"]).get() == secret
    assert permissions.readable(cast["member"]).get() == secret
    client.post(place, {"_method": "delete", "person": cast["guest"].pk})
    assert not permissions.readable(cast["guest"]).exists()


@pytest.mark.parametrize(
    "form",
    [
        {"access": "public"},
        {"person": "4711", "may_edit": "yes"},
        {"person": "", "may_edit": "yes"},
        {"person": "x", "may_edit": "perhaps"},
        {"days": "10000"},
        {},
    ],
)
def test_a_bad_form_changes_nothing(
    cast: dict[str, Person], secret: Document, form: dict[str, str]
) -> None:
    """422."""
    client = client_of(cast["author"])
    before = list(Share.objects.values_list("person", "may_edit"))
    assert client.post(f"/documents/{secret.pk}/share/", form).status_code == 422
    assert list(Share.objects.values_list("person", "may_edit")) == before
    assert Document.objects.get(pk=secret.pk).access == "named"
    assert not Link.objects.exists()


# Links.


def link_of(client: Client, document: Document) -> str:
    page = client.post(f"/documents/{document.pk}/share/", {"days": "7"})
    assert page["Cache-Control"] == "no-store"
    found = re.search(r'value="http://[^/]+(/shared/[^"]+)"', page.content.decode())
    assert found
    return found[1]


def test_a_link_opens_a_document_for_anybody(
    cast: dict[str, Person], secret: Document, stranger: Client
) -> None:
    """To read, in no cache and no index, and until it is taken back."""
    client = client_of(cast["author"])
    link = link_of(client, secret)
    page = stranger.get(link)
    assert WORDS in page.content.decode()
    assert page["Cache-Control"] == "private, no-store"
    assert page["Referrer-Policy"] == "no-referrer"
    assert "noindex" in page["X-Robots-Tag"]
    assert "hx-" not in page.content.decode()
    assert stranger.post(link).status_code == 405
    assert link.split("/")[2] not in repr(list(Link.objects.values_list()))
    made = Link.objects.get()
    client.post(f"/documents/{secret.pk}/share/", {"_method": "delete", "link": made.pk})
    assert stranger.get(link).status_code == 404


@pytest.mark.parametrize("what", ["expired", "trashed", "guessed"])
def test_a_link_that_is_not_good(
    cast: dict[str, Person], secret: Document, stranger: Client, what: str
) -> None:
    """Nothing tells why."""
    link = link_of(client_of(cast["author"]), secret)
    if what == "expired":
        Link.objects.update(expires_at=Now() - timedelta(seconds=1))
    elif what == "trashed":
        Document.objects.update(trashed_at=Now())
    else:
        link = link[:-2] + "x/"
    for place in (link, f"{link}cover.webp"):
        answer = stranger.get(place)
        assert answer.status_code == 404
        assert SECRET not in answer.content.decode()


def deactivates(maker: Person, document: Document) -> None:
    people.set_active(maker.pk, is_active=False, actor=mom())


def demotes(maker: Person, document: Document) -> None:
    people.set_role(maker.pk, Person.Role.MEMBER, actor=mom())


def removes(maker: Person, document: Document) -> None:
    sharing.take_back(document.pk, maker.pk, actor=document.author_id)


def leaves_only_reading(maker: Person, document: Document) -> None:
    sharing.give(document.pk, maker.pk, may_edit=False, actor=document.author_id)


@pytest.mark.parametrize(
    ("maker", "falls"),
    [
        ("author", deactivates),
        ("owner", deactivates),
        ("owner", demotes),
        ("admin editor", deactivates),
        ("admin editor", demotes),
        ("admin editor", removes),
        ("admin editor", leaves_only_reading),
    ],
)
def test_a_link_is_worth_what_its_maker_may_do(
    cast: dict[str, Person],
    secret: Document,
    stranger: Client,
    maker: str,
    falls: Callable[[Person, Document], None],
) -> None:
    """At the moment somebody opens it; whoever shares the document can still end it."""
    link = link_of(client_of(cast[maker]), secret)
    assert WORDS in stranger.get(link).content.decode()
    falls(cast[maker], secret)
    for place in (link, f"{link}cover.webp"):
        assert stranger.get(place).status_code == 404
    assert queries.links(secret.pk).exists()


# Roles.


@pytest.mark.parametrize(
    "form",
    [
        {"access": "workspace"},
        {"person": "oneself", "may_edit": "yes"},
        {"_method": "delete", "person": "editor"},
        {"days": "7"},
    ],
)
def test_an_administrator_who_may_only_read_gives_nothing(
    cast: dict[str, Person], secret: Document, form: dict[str, str]
) -> None:
    """Neither to others nor to themselves, nor do they take the pen or throw it away."""
    admin = cast["admin reader"]
    of = {"oneself": admin, "editor": cast["editor"]}
    fields = {name: str(of[v].pk) if v in of else v for name, v in form.items()}
    client, place = client_of(admin), f"/documents/{secret.pk}"
    before = sorted(Share.objects.values_list("person", "may_edit"))
    assert client.post(f"{place}/share/", fields).status_code == 403
    assert client.post(f"{place}/trash/").status_code in (403, 404)
    assert client.post(f"{place}/pen/", {"act": "seize", "reason": "x"}).status_code == 404
    now = Document.objects.get(pk=secret.pk)
    assert (now.access, now.holder, now.trashed_at) == ("named", None, None)
    assert sorted(Share.objects.values_list("person", "may_edit")) == before
    assert not Link.objects.exists()
    Document.objects.update(trashed_at=Now())
    assert not permissions.restorable(admin).exists()
    assert permissions.restorable(cast["admin editor"]).get() == secret


@pytest.mark.parametrize(
    ("kind", "may"),
    [("owner", {"owner", "admin", "member", "guest"}), ("admin", {"member", "guest"})],
)
def test_who_manages_whom(cast: dict[str, Person], kind: str, may: set[str]) -> None:
    """Nobody can give, or take, a role above their reach."""
    assert {role.value for role in permissions.roles_to_give(cast[kind])} == may
    for other in cast.values():
        assert permissions.may_manage(cast[kind], other) == (other.role in may)
    for nobody in ("member", "guest", "author"):
        assert not permissions.may_manage(cast[nobody], cast["guest"])


def test_the_administration_keeps_to_it(cast: dict[str, Person], secret: Document) -> None:
    """An administrator sees no restricted document there, and makes no owner."""
    client = client_of(cast["admin"])
    for place in ("document/", "activity/", f"document/{secret.pk}/change/"):
        answer = client.get(f"/admin/collab/{place}", follow=True)
        assert SECRET not in answer.content.decode()
    page = client.get(f"/admin/collab/person/{cast['guest'].pk}/change/").content.decode()
    assert 'value="member"' in page
    assert 'value="owner"' not in page
    owner = cast["owner"]
    answer = client.post(f"/admin/collab/person/{owner.pk}/change/", {"role": "guest"})
    assert answer.status_code == 403
    owner.refresh_from_db()
    assert owner.role == "owner"


def test_djangos_flags_follow_the_role() -> None:
    """As ``createsuperuser`` and the administration expect."""
    root = Person.objects.create_superuser("root")
    assert root.role == Person.Role.OWNER
    root.role = Person.Role.MEMBER
    root.save()
    root.refresh_from_db()
    assert (root.is_staff, root.is_superuser) == (False, False)
