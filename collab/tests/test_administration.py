"""People in Django's administration: what is changed there is changed as in their own
pages, is written down, and ends what it has to end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.test import Client

from collab.admin import ForAdministrators
from collab.live.process import SIGNED_OUT, SWITCHED_OFF, Process
from collab.live.testing import announced, visit
from collab.models import Document, Person, SecurityEvent, SignIn
from collab.models.person import STAND_IN
from collab.operations import documents, drafts, editing, erasure, people, reading, sharing
from collab.operations.documents import Content
from collab.tests.test_people import events, signed_in

pytestmark = pytest.mark.django_db(transaction=True)
Kind = SecurityEvent.Kind


@pytest.fixture
def owner(make_person: Any) -> Person:
    made: Person = make_person("mom", is_superuser=True)
    return made


@pytest.fixture
def hermes(make_person: Any) -> Person:
    made: Person = make_person("hermes", is_staff=True)
    return made


def changed(client: Client, person: Person, **fields: str) -> int:
    """Send the form of an account with other values; "" takes a tick away."""
    kept = {name: getattr(person, name) for name in ("username", "display_name", "email")}
    kept |= {name: getattr(person, name) for name in ("colour", "language", "theme", "role")}
    form = {name: value for name, value in ({**kept, "is_active": "on"} | fields).items() if value}
    answer = client.post(f"/admin/collab/person/{person.pk}/change/", form)
    person.refresh_from_db()
    return answer.status_code


def test_another_role(owner: Person, hermes: Person, fry: Person) -> None:
    """Written down with who did it; open pages are asked again; once."""
    client = signed_in("hermes")
    with announced() as topics:
        assert changed(client, fry, role="guest") == 302
    assert fry.is_guest
    assert f"live.person:{fry.pk}" in topics
    assert changed(client, fry, display_name="Philip") == 302
    assert events(Kind.ROLE) == [("role", hermes.pk, fry.pk)]
    assert fry.display_name == "Philip"
    assert changed(signed_in("mom"), fry, role="admin") == 302
    assert (fry.role, fry.is_staff) == ("admin", True)


@pytest.mark.parametrize("what", ["email", "username"])
def test_how_an_account_is_entered_is_written_down(hermes: Person, fry: Person, what: str) -> None:
    """Whoever gives an account another address can have a new password sent there. That
    it was changed and by whom stays in the log, and not to what."""
    for _ in range(2):
        assert changed(signed_in("hermes"), fry, **{what: "philip@example.org"}) == 302
    (event,) = SecurityEvent.objects.filter(kind=Kind.ACCOUNT)
    assert (event.actor, event.person, event.detail) == (hermes, fry, what)
    assert changed(signed_in("hermes"), fry, display_name="Philip") == 302
    assert SecurityEvent.objects.filter(kind=Kind.ACCOUNT).get() == event


@pytest.mark.parametrize("role", ["admin", "owner", "nonsense"])
def test_no_role_above_ones_reach(hermes: Person, fry: Person, role: str) -> None:
    """The form is refused, and nothing is written down."""
    assert changed(signed_in("hermes"), fry, role=role) == 200
    assert fry.role == "member"
    assert events(Kind.ROLE) == []


def test_an_account_is_switched_off(hermes: Person, fry: Person) -> None:
    """Signed out everywhere, and on again by hand only."""
    browser, client = signed_in("fry"), signed_in("hermes")
    assert changed(client, fry, is_active="") == 302
    assert browser.get("/").status_code == 302
    assert not SignIn.objects.filter(person=fry).exists()
    assert changed(client, fry) == 302
    assert fry.is_active
    assert events(Kind.ACTIVE) == [("active", hermes.pk, fry.pk)] * 2


@pytest.mark.parametrize("what", ["off", "password", "unusable", "deleted"])
async def test_open_pages_end(engine: Process, owner: Person, fry: Person, what: str) -> None:
    """At once, with the code that says why."""
    client = await sync_to_async(signed_in)("mom")
    async with visit(fry, "/") as page:
        await page.until_current("toasts")
        place = f"/admin/collab/person/{fry.pk}"
        if what == "off":
            await sync_to_async(changed)(client, fry, is_active="")
        elif what == "deleted":
            await sync_to_async(client.post)(f"{place}/delete/", {"post": "yes"})
        else:
            form = dict.fromkeys(("password1", "password2"), "nibbler-eats-all")
            usable = {"usable_password": "true", "set-password": "1"}
            unusable = {"usable_password": "false", "unset-password": "1"}
            form |= unusable if what == "unusable" else usable
            answer = await sync_to_async(client.post)(f"{place}/password/", form)
            assert answer.status_code == 302
        assert await page.is_closed() == (SWITCHED_OFF if what == "off" else SIGNED_OUT)
    if what in {"password", "unusable"}:
        assert await sync_to_async(events)(Kind.PASSWORD) == [("password", owner.pk, fry.pk)]


def test_whose_password(owner: Person, hermes: Person) -> None:
    """Not of who is above."""
    form = dict.fromkeys(("password1", "password2"), "nibbler-eats-all")
    place = f"/admin/collab/person/{owner.pk}/password/"
    assert signed_in("hermes").post(place, form).status_code == 403
    owner.refresh_from_db()
    assert owner.check_password("planet-express")
    assert events(Kind.PASSWORD) == []


def test_a_new_account(hermes: Person) -> None:
    """Written down; with a role that one may give."""
    form = dict.fromkeys(("password1", "password2"), "nibbler-eats-all")
    form |= {"username": "amy", "usable_password": "true"}
    client = signed_in("hermes")
    assert client.post("/admin/collab/person/add/", {**form, "role": "owner"}).status_code == 200
    assert not Person.objects.filter(username="amy").exists()
    assert client.post("/admin/collab/person/add/", {**form, "role": "guest"}).status_code == 302
    amy = Person.objects.get(username="amy")
    assert (amy.role, amy.is_staff) == ("guest", False)
    assert events(Kind.ADDED) == [("added", hermes.pk, amy.pk)]


def test_nobody_shuts_themselves_out(owner: Person) -> None:
    """Nor gives away their own role."""
    client = signed_in("mom")
    assert changed(client, owner, role="guest", is_active="", display_name="Mum") == 302
    assert (owner.role, owner.is_active, owner.display_name) == ("owner", True, "Mum")
    answer = client.post(f"/admin/collab/person/{owner.pk}/delete/", {"post": "yes"})
    assert answer.status_code == 403


def test_deleting_erases(hermes: Person, fry: Person, owner: Person) -> None:
    """With what is personal; the log keeps that it happened. One or many."""
    client = signed_in("hermes")
    signed_in("fry")
    answer = client.post(f"/admin/collab/person/{fry.pk}/delete/", {"post": "yes"})
    assert answer.status_code == 302
    assert not Person.objects.filter(username="fry").exists()
    former = Person.objects.get(username=STAND_IN)
    assert events(Kind.ACTIVE) == [("active", hermes.pk, former.pk)]
    kif = Person.objects.create_user("kif")
    form = {"action": "delete_selected", "post": "yes"}
    both = {**form, "_selected_action": [str(kif.pk), str(owner.pk)]}
    client.post("/admin/collab/person/", both)
    assert Person.objects.filter(username__in=("kif", "mom")).count() == 2, "one is above"
    client.post("/admin/collab/person/", {**form, "_selected_action": [str(kif.pk)]})
    assert not Person.objects.filter(username="kif").exists()


def test_who_has_written_something_is_not_deleted_by_the_way(
    hermes: Person, leela: Person, document: Document
) -> None:
    """That takes the command, which asks."""
    client = signed_in("hermes")
    client.post(f"/admin/collab/person/{leela.pk}/delete/", {"post": "yes"})
    assert Person.objects.filter(pk=leela.pk).exists()
    assert Document.objects.filter(pk=document.pk).exists()


@pytest.mark.parametrize("name", [STAND_IN, STAND_IN.title(), STAND_IN.upper(), "ｆormer.member"])
@pytest.mark.parametrize("where", ["invitation", "added", "changed", "command"])
def test_nobody_takes_the_name_of_former_members(
    hermes: Person, fry: Person, owner: Person, name: str, where: str
) -> None:
    """Whichever form, whichever case: it would be an account that nobody can manage, and
    keep others from being erased."""
    form = {"username": name, "password1": "planet-express", "password2": "planet-express"}
    if where == "invitation":
        link = f"/invitation/{people.invite(Person.Role.MEMBER, actor=hermes.pk)}/"
        answer = Client(headers={"host": "127.0.0.1"}).post(link, form)
        assert answer.status_code == 422
    elif where == "command":
        with pytest.raises(CommandError, match="already exists"):
            call_command("createsuperuser", interactive=False, username=name, email="a@b.example")
    else:
        place = "add" if where == "added" else f"{fry.pk}/change"
        fields = {"usable_password": "true", "role": "member", "language": "en", "theme": "system"}
        fields |= {"colour": "teal", "is_active": "on"}
        answer = signed_in("hermes").post(f"/admin/collab/person/{place}/", {**form, **fields})
        assert answer.status_code == 200
        assert "already exists" in answer.content.decode()
    assert not Person.objects.filter(username__iexact=STAND_IN).exists()
    erasure.erase(fry.pk)


def test_nobody_signs_in_as_a_former_member(hermes: Person, fry: Person) -> None:
    """Not even after a mistake: no row of that name has a password, or is switched on."""
    erasure.erase(fry.pk)
    former = Person.objects.get(username=STAND_IN)
    former.is_active = True
    with pytest.raises(ValidationError):
        former.save()
    former.is_active = False
    former.set_password("planet-express")
    with pytest.raises(ValidationError):
        former.save()
    browser = Client(headers={"host": "127.0.0.1"})
    answer = browser.post("/login/", {"username": STAND_IN, "password": "planet-express"})
    assert answer.status_code == 200


@pytest.mark.parametrize(("kind", "seen"), [("hermes", False), ("mom", True)])
def test_the_log_tells_administrators_of_accounts_only(
    hermes: Person, leela: Person, owner: Person, fry: Person, kind: str, seen: bool
) -> None:
    """For whom a document is, and that it is there, is for its people and the owners."""
    made = documents.create(leela.pk, Content("Merger", ""))
    sharing.set_access(made.pk, Document.Access.NAMED, actor=leela.pk)
    sharing.give(made.pk, fry.pk, may_edit=True, actor=leela.pk)
    sharing.make_link(made.pk, leela.pk, 7)
    client = signed_in(kind)
    page = client.get("/admin/collab/securityevent/").content.decode()
    assert (f"{made.pk}: edit" in page) == seen
    assert (f"{made.pk}: 7 days" in page) == seen
    for event in SecurityEvent.objects.filter(kind__in=(Kind.ACCESS, Kind.LINK)):
        place = f"/admin/collab/securityevent/{event.pk}/change/"
        assert (client.get(place).status_code == 200) == seen
    assert "signed in" in page


def test_nobody_becomes_a_former_member(hermes: Person, fry: Person) -> None:
    """Who stands for those who were erased is nobody's account."""
    erasure.erase(fry.pk)
    former = Person.objects.get(username=STAND_IN)
    client = signed_in("hermes")
    assert STAND_IN not in client.get("/admin/collab/person/").content.decode()
    for page in ("change", "password", "delete"):
        answer = client.post(f"/admin/collab/person/{former.pk}/{page}/", {"post": "yes"})
        assert answer.status_code in (302, 404)
    former.refresh_from_db()
    assert not former.is_active


# What an administrator may not read cannot be asked for by the way.

REGISTERED = sorted(admin.site._registry.values(), key=str)
SECRET = "Merger with Mom"


def lookups(model: Any, deep: int = 3) -> Iterator[str]:
    """Every column and relation that a question about this model can go to."""
    for field in model._meta.get_fields():
        yield field.name
        yield f"{field.name}__startswith"
        if field.is_relation and field.related_model and deep:
            for further in lookups(field.related_model, deep - 1):
                yield f"{field.name}__{further}"


@pytest.mark.parametrize("of", REGISTERED, ids=str)
def test_a_list_is_asked_only_for_what_it_offers(of: Any, hermes: Person, fry: Person) -> None:
    """No way leads over relations to sessions, drafts or shares. What the list itself
    leads to works."""
    client, place = signed_in("hermes"), f"/admin/collab/{of.opts.model_name}/"
    assert [one for one in lookups(of.model) if of.lookup_allowed(one, "1")] == []
    for lookup in ("id", "pk__gt", "password__startswith", "sign_ins__session_key__startswith"):
        assert client.get(place, {lookup: "1"}).status_code == 400, lookup
    page = client.get(place).content.decode()
    offered = [unescape(one) for one in re.findall(r'href="(\?[^"]*)"', page)]
    assert len(offered) > 5
    for one in [*offered, "?q=fry&o=1", "?p=1&all="]:
        assert client.get(f"{place}{one}").status_code in (200, 302), one


def test_nothing_is_administered_unseen() -> None:
    """Whatever is registered keeps to what one may read."""
    for of in REGISTERED:
        assert isinstance(of, ForAdministrators), of


@pytest.fixture
def restricted(make_person: Any, fry: Person) -> Document:
    """Mom's document, shared with Fry, who has read it and made a link."""
    mom = make_person("mom", is_superuser=True)
    made = documents.create(mom.pk, documents.Content(SECRET, "Popplers."))
    sharing.set_access(made.pk, Document.Access.NAMED, actor=mom.pk)
    sharing.give(made.pk, fry.pk, may_edit=True, actor=mom.pk)
    sharing.make_link(made.pk, fry.pk, 7)
    reading.mark_current(made.pk, fry.pk)
    return made


@pytest.mark.parametrize("how", ["read", "edited", "saved"])
def test_a_deletion_names_nothing_that_is_for_others(
    hermes: Person, fry: Person, restricted: Document, how: str
) -> None:
    """Neither what goes with an account nor what stands in the way, for one or many."""
    if how != "read":
        fence = editing.take(restricted.pk, fry.pk)
        assert fence
        drafts.keep(restricted.pk, fry.pk, text="Mine.", fence=fence, version=1, sequence=1)
        if how == "saved":
            documents.save(restricted.pk, fry.pk, "Ours.", fence=fence, version=1)
    client, place = signed_in("hermes"), "/admin/collab/person/"
    many = {"action": "delete_selected", "_selected_action": [str(fry.pk)]}
    for answer in (client.get(f"{place}{fry.pk}/delete/"), client.post(place, many)):
        page = answer.content.decode()
        assert answer.status_code == 200
        assert ("Are you sure" in page) == (how == "read")
        assert ("There is work that others may need" in page) == (how != "read")
        for other in (SECRET, "Draft", "Share"):
            assert other not in page


def test_no_way_leads_to_the_address_of_a_document(hermes: Person, restricted: Document) -> None:
    """It has the title. Who may read it is led there."""
    kind = ContentType.objects.get_for_model(Document).pk
    answer = signed_in("hermes").get(f"/admin/r/{kind}/{restricted.pk}/")
    assert answer.status_code == 404
    page = signed_in("mom").get(f"/admin/collab/document/{restricted.pk}/change/")
    assert restricted.get_absolute_url() in page.content.decode()


# Its doors.


def test_signing_in_to_it(hermes: Person, fry: Person, stranger: Client) -> None:
    """By the form of the workspace, with its limit, and on to where one was going."""
    for going in ("/admin/", "/admin/collab/person/"):
        door = stranger.get(going, follow=True)
        assert door.redirect_chain[-1][0] == f"/login/?next={going}"
    form = {"username": "hermes", "password": "planet-express"}
    answer = stranger.post("/admin/login/?next=/admin/collab/person/", form)
    assert answer["Location"] == "/login/?next=/admin/collab/person/"
    assert "_auth_user_id" not in stranger.session
    answer = stranger.post("/login/", {**form, "next": "/admin/collab/person/"})
    assert answer["Location"] == "/admin/collab/person/"
    assert stranger.get("/admin/login/")["Location"] == "/admin/"
    away = Client(headers={"host": "127.0.0.1"})
    door = away.get("/admin/login/?next=https://evil.example/", follow=True)
    assert door.redirect_chain[-1][0].startswith("/login/?next=")
    there = {**form, "next": "https://evil.example/"}
    assert away.post("/login/", there)["Location"] == "/"


def test_it_is_no_place_for_members(fry: Person) -> None:
    """Who is signed in is told so, and not asked again and again."""
    client = signed_in("fry")
    assert client.get("/admin/", follow=True).status_code == 403
    assert client.get("/admin/login/").status_code == 403


def test_ones_own_password_is_changed_where_the_old_one_is_asked_for(owner: Person) -> None:
    """Whoever has found a session does not take the account; tries have their limit."""
    client = signed_in("mom")
    form = dict.fromkeys(("password1", "password2"), "nibbler-eats-all")
    form |= {"usable_password": "true", "set-password": "1"}
    places = (f"person/{owner.pk}/password/", f"person/0{owner.pk}/password/")
    for place in ("password_change/", *(f"collab/{one}" for one in places)):
        for answer in (client.get(f"/admin/{place}"), client.post(f"/admin/{place}", form)):
            assert answer["Location"] == "/password/"
    owner.refresh_from_db()
    assert owner.check_password("planet-express")
