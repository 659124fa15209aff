"""Invitations, roles, sign-ins, and the log of what happens to them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connections
from django.db.models.functions import Now
from django.test import Client

from collab.conftest import MakePerson
from collab.errors import CannotErase, UsedInvitation
from collab.live.testing import announced
from collab.models import Invitation, Person, SecurityEvent, SignIn
from collab.operations import erasure, people

pytestmark = pytest.mark.django_db(transaction=True)
Kind = SecurityEvent.Kind
FORM = {
    "username": "amy",
    "display_name": "Amy",
    "email": "amy@example.org",
    "password1": "nibbler-eats-all",
    "password2": "nibbler-eats-all",
}


@pytest.fixture
def hermes(make_person: object) -> Person:
    person: Person = make_person("hermes", is_staff=True)  # type: ignore[operator]
    return person


@pytest.fixture
def as_hermes(hermes: Person) -> Client:
    return signed_in("hermes")


def signed_in(username: str, agent: str = "Browser") -> Client:
    """By the form, as people do."""
    client = Client(headers={"host": "127.0.0.1", "user-agent": agent})
    form = {"username": username, "password": "planet-express"}
    assert client.post("/login/", form).status_code == 302
    return client


def events(*kinds: Kind) -> list[tuple[str, int | None, int | None]]:
    found = SecurityEvent.objects.filter(kind__in=kinds).order_by("pk")
    return list(found.values_list("kind", "actor", "person"))


# Invitations.


def invited(client: Client, role: str = "member") -> str:
    page = client.post("/people/", {"invite": role}).content.decode()
    found = re.search(r'value="http://[^/]+(/invitation/[^"]+)"', page)
    assert found
    return found[1]


def test_an_invitation_makes_one_account(as_hermes: Client, stranger: Client) -> None:
    """With its role, signed in at once; the second who comes is too late."""
    link = invited(as_hermes, "guest")
    assert "Hermes has invited you" in stranger.get(link).content.decode()
    assert stranger.post(link, FORM)["Location"] == "/"
    assert stranger.get("/").status_code == 200
    amy = Person.objects.get(username="amy")
    assert (amy.role, amy.display_name) == ("guest", "Amy")
    late = Client(headers={"host": "127.0.0.1"}).post(link, {**FORM, "username": "amy2"})
    assert late.status_code == 404
    assert not Person.objects.filter(username="amy2").exists()
    assert events(Kind.JOINED) == [("joined", amy.pk, amy.pk)]


def test_two_at_the_same_moment(hermes: Person) -> None:
    """One account comes of it."""
    token = people.invite(Person.Role.MEMBER, actor=hermes.pk)

    def joins(number: int) -> bool:
        try:
            people.join(token, Person(username=f"kif{number}", password="!"))
        except UsedInvitation:
            return False
        finally:
            connections.close_all()
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(joins, range(8))) == 1
    assert Person.objects.filter(username__startswith="kif").count() == 1


@pytest.mark.parametrize("what", ["ended", "taken back", "guessed"])
def test_an_invitation_that_is_not_good(as_hermes: Client, stranger: Client, what: str) -> None:
    """404, and what to do."""
    link = invited(as_hermes)
    if what == "ended":
        Invitation.objects.update(expires_at=Now() - timedelta(seconds=1))
    elif what == "taken back":
        made = Invitation.objects.get()
        as_hermes.post("/people/", {"_method": "delete", "invitation": made.pk})
    else:
        link = link[:-2] + "x/"
    for answer in (stranger.get(link), stranger.post(link, FORM)):
        assert answer.status_code == 404
        assert "Ask for another" in answer.content.decode()
    assert not Person.objects.filter(username="amy").exists()


def test_an_invitation_taken_back_is_written_down(as_hermes: Client, hermes: Person) -> None:
    """Once, whoever made it."""
    invited(as_hermes)
    made = Invitation.objects.get()
    for _ in range(2):
        as_hermes.post("/people/", {"_method": "delete", "invitation": made.pk})
    (event,) = SecurityEvent.objects.filter(detail="taken back")
    assert (event.kind, event.actor) == (Kind.INVITED, hermes)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("username", "hermes", "already exists"),
        ("username", "a b", "Enter a valid username"),
        ("password2", "other", "didn’t match"),
        ("password1", "1234", "didn’t match"),
    ],
)
def test_a_bad_form_keeps_the_invitation(
    as_hermes: Client, stranger: Client, field: str, value: str, says: str
) -> None:
    """422, and it can still be used."""
    link = invited(as_hermes)
    answer = stranger.post(link, {**FORM, field: value})
    assert answer.status_code == 422
    assert says in answer.content.decode()
    assert stranger.post(link, FORM).status_code == 302


@pytest.fixture
def mom(db: None) -> Person:
    """An owner, who may change everybody's account."""
    return Person.objects.create_user("mom", role=Person.Role.OWNER)


@pytest.mark.parametrize(("role", "may"), [("guest", False), ("member", False), ("admin", True)])
@pytest.mark.parametrize("given", ["member", "owner"])
def test_an_invitation_is_worth_what_its_maker_may_give(
    as_hermes: Client,
    hermes: Person,
    mom: Person,
    stranger: Client,
    role: str,
    may: bool,
    given: str,
) -> None:
    """When it is used: a demoted owner's invites no owner, and nobody's after that."""
    people.set_role(hermes.pk, Person.Role.OWNER, actor=mom.pk)
    link = invited(as_hermes, given)
    people.set_role(hermes.pk, Person.Role(role), actor=mom.pk)
    may = (role, given) == ("admin", "member")
    assert stranger.get(link).status_code == (200 if may else 404)
    assert stranger.post(link, FORM).status_code == (302 if may else 404)
    assert Person.objects.filter(username="amy").exists() == may


@pytest.mark.parametrize("role", ["member", "owner"])
def test_an_invitation_of_a_deactivated_person(
    as_hermes: Client, hermes: Person, mom: Person, stranger: Client, role: str
) -> None:
    """Makes no account; neither for who has its form open already."""
    people.set_role(hermes.pk, Person.Role.OWNER, actor=mom.pk)
    link = invited(as_hermes, role)
    people.set_active(hermes.pk, is_active=False, actor=mom.pk)
    assert stranger.get(link).status_code == 404
    assert stranger.post(link, FORM).status_code == 404
    token = link.strip("/").rpartition("/")[2]
    with pytest.raises(UsedInvitation):
        people.join(token, Person(username="kif", password="!"))
    assert not Person.objects.filter(username__in=("amy", "kif")).exists()


def test_no_secret_is_stored(as_hermes: Client) -> None:
    """Who reads the database joins nothing."""
    link = invited(as_hermes)
    rows = repr([*Invitation.objects.values_list(), *SecurityEvent.objects.values_list()])
    assert link.split("/")[2] not in rows


# Roles and accounts.


@pytest.mark.parametrize("role", ["owner", "admin", "nonsense", ""])
def test_nobody_invites_above_their_reach(as_hermes: Client, role: str) -> None:
    """403, and no invitation."""
    assert as_hermes.post("/people/", {"invite": role}).status_code == 403
    assert not Invitation.objects.exists()


def test_only_administrators_see_the_directory(as_fry: Client, fry: Person, leela: Person) -> None:
    """Members see nothing of it, and change nobody."""
    assert as_fry.get("/people/").status_code == 403
    assert as_fry.post("/people/", {"invite": "member"}).status_code == 403
    assert as_fry.post(f"/people/{leela.pk}/", {"role": "guest"}).status_code == 404
    assert as_fry.post(f"/people/{fry.pk}/", {"role": "owner"}).status_code == 404


def test_a_role_is_given_and_followed(as_hermes: Client, hermes: Person, fry: Person) -> None:
    """Open pages are asked again, and the log knows who did it."""
    with announced() as topics:
        as_hermes.post(f"/people/{fry.pk}/", {"role": "guest"})
    fry.refresh_from_db()
    assert fry.is_guest
    assert f"live.person:{fry.pk}" in topics
    as_hermes.post(f"/people/{fry.pk}/", {"role": "guest"})
    assert events(Kind.ROLE) == [("role", hermes.pk, fry.pk)]
    assert as_hermes.post(f"/people/{fry.pk}/", {"role": "owner"}).status_code == 403


def test_an_account_is_switched_off_and_on(as_hermes: Client, hermes: Person, fry: Person) -> None:
    """Signed out everywhere; the password opens nothing until it is on again."""
    browser = signed_in("fry")
    as_hermes.post(f"/people/{fry.pk}/", {"active": "no"})
    assert browser.get("/").status_code == 302
    assert not SignIn.objects.filter(person=fry).exists()
    form = {"username": "fry", "password": "planet-express"}
    assert browser.post("/login/", form).status_code == 200
    as_hermes.post(f"/people/{fry.pk}/", {"active": "yes"})
    assert browser.post("/login/", form).status_code == 302
    assert events(Kind.ACTIVE) == [("active", hermes.pk, fry.pk)] * 2


def test_nobody_changes_themselves_or_who_is_above(
    as_hermes: Client, hermes: Person, make_person: object
) -> None:
    """An administrator does not lock themselves out, nor an owner."""
    owner = make_person("mom", is_superuser=True)  # type: ignore[operator]
    for person in (hermes, owner):
        for form in ({"active": "no"}, {"role": "guest"}, {"sign_out": "1"}):
            assert as_hermes.post(f"/people/{person.pk}/", form).status_code == 403
    assert as_hermes.post("/people/4711/", {"active": "no"}).status_code == 404
    assert set(Person.objects.values_list("is_active", flat=True)) == {True}


@pytest.mark.parametrize("what", ["role", "active", "erased"])
def test_two_owners_who_take_each_others_place(make_person: MakePerson, what: str) -> None:
    """At the same moment: one of them remains."""
    pair = [make_person(name, is_superuser=True) for name in ("mom", "nixon")]

    def takes(number: int) -> bool:
        other, actor = pair[1 - number].pk, pair[number].pk
        try:
            if what == "role":
                people.set_role(other, Person.Role.MEMBER, actor=actor)
            elif what == "active":
                people.set_active(other, is_active=False, actor=actor)
            else:
                erasure.erase(other, actor=actor)
        except (PermissionDenied, CannotErase, Person.DoesNotExist):
            return False
        finally:
            connections.close_all()
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(takes, range(2))) == [False, True]
    assert Person.objects.filter(role=Person.Role.OWNER, is_active=True).count() == 1


def test_what_one_may_is_asked_when_it_is_done(
    hermes: Person, fry: Person, leela: Person, make_person: MakePerson
) -> None:
    """Not only when the page was asked for: somebody has become an owner meanwhile, or
    is no administrator any more."""
    make_person("mom", is_superuser=True)
    seen = Person.objects.get(pk=fry.pk)
    Person.objects.filter(pk=fry.pk).update(role=Person.Role.OWNER)
    late: Sequence[Callable[[], object]] = (
        lambda: people.set_role(seen.pk, Person.Role.GUEST, actor=hermes.pk),
        lambda: people.set_active(seen.pk, is_active=False, actor=hermes.pk),
        lambda: people.set_password(seen, actor=hermes.pk),
        lambda: people.update(seen, ["email"], actor=hermes.pk),
        lambda: people.set_role(leela.pk, Person.Role.OWNER, actor=hermes.pk),
        lambda: erasure.erase(seen.pk, actor=hermes.pk),
    )
    for does in late:
        with pytest.raises(PermissionDenied):
            does()
    Person.objects.filter(pk=hermes.pk).update(is_active=False)
    with pytest.raises(PermissionDenied):
        people.set_role(leela.pk, Person.Role.GUEST, actor=hermes.pk)
    leela.refresh_from_db()
    assert (leela.role, Person.objects.get(pk=fry.pk).is_active) == ("member", True)


# Sign-ins.


def test_where_one_is_signed_in(fry: Person) -> None:
    """Each browser, this one marked; everywhere else is one click."""
    here, there = signed_in("fry", "Netscape"), signed_in("fry", "<b>Mosaic</b>")
    page = here.get("/profile/").content.decode()
    assert page.count('data-testid="sign-in"') == 2
    assert "This browser" in page
    assert "&lt;b&gt;Mosaic&lt;/b&gt;" in page
    with announced() as topics:
        here.post("/profile/sign-out/")
    assert f"live.person:{fry.pk}" in topics, "open pages end at once"
    assert here.get("/").status_code == 200
    assert there.get("/").status_code == 302
    assert events(Kind.ENDED) == [("ended", fry.pk, fry.pk)]


def test_a_sign_in_of_somebody_else_is_not_seen(fry: Person, leela: Person) -> None:
    """Nor ended."""
    browser = signed_in("leela", "Mosaic")
    here = signed_in("fry")
    assert "Mosaic" not in here.get("/profile/").content.decode()
    here.post("/profile/sign-out/")
    assert browser.get("/").status_code == 200


def test_a_session_changes_its_key_at_the_sign_in(fry: Person) -> None:
    """A cookie that somebody has planted before opens nothing after."""
    client = Client(headers={"host": "127.0.0.1"})
    session = client.session
    session["planted"] = "yes"
    session.save()
    client.cookies["sessionid"] = planted = str(session.session_key)
    client.post("/login/", {"username": "fry", "password": "planet-express"})
    assert client.cookies["sessionid"].value != planted
    assert not SignIn.objects.filter(session_key=planted).exists()


def test_the_log_of_signing_in(fry: Person, stranger: Client) -> None:
    """In, refused, out; of a wrong name nothing is kept."""
    signed_in("fry").post("/logout/")
    for name in ("fry", "nobody-of-that-name"):
        stranger.post("/login/", {"username": name, "password": "wrong"})
    assert events(*Kind) == [
        ("signed_in", fry.pk, fry.pk),
        ("signed_out", fry.pk, fry.pk),
        ("refused", None, fry.pk),
        ("refused", None, None),
    ]
    rows = repr(list(SecurityEvent.objects.values_list()))
    assert "wrong" not in rows
    assert "nobody-of-that-name" not in rows
    assert set(SecurityEvent.objects.values_list("address", flat=True)) == {"127.0.0.1"}


def test_the_log_is_read_and_not_written(as_hermes: Client) -> None:
    """In the administration; by administrators only."""
    event = SecurityEvent.objects.get()
    place = f"/admin/collab/securityevent/{event.pk}/"
    assert as_hermes.get("/admin/collab/securityevent/").status_code == 200
    assert as_hermes.post(f"{place}change/", {"detail": "x"}).status_code == 403
    assert as_hermes.post(f"{place}delete/", {"post": "yes"}).status_code == 403
    assert as_hermes.get("/admin/collab/securityevent/add/").status_code == 403
