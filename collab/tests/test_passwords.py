"""Passwords: which are taken, that the rules are known before, what a new one ends."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.contrib.auth.tokens import default_token_generator
from django.test import Client
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from pytest_django import Settings

from collab.live.testing import announced
from collab.models import Person, SecurityEvent, SignIn
from collab.operations import people
from collab.tests.test_people import events, signed_in
from project.hashers import MOST_AT_ONCE, Argon2InTurn

pytestmark = pytest.mark.django_db(transaction=True)
Kind = SecurityEvent.Kind

RULES = (
    "can’t be too similar to your other personal information",
    "must contain at least 10 characters",
    "can’t be a commonly used password",
    "can’t be entirely numeric",
)
#: Passwords that are refused, and what is said.
BAD = {
    "too short": ("tentacle9", "This password is too short."),
    "common": ("qwerty123456", "This password is too common."),
    "a number": ("92837465018273", "This password is entirely numeric."),
    "the username": ("turangaleela1", "too similar to the username"),
    "the name": ("wormholes-best", "too similar to the display name"),
    "the address": ("cyclops-ship1", "too similar to the email"),
}
GOOD = "nibbler-eats-all"


@pytest.fixture
def person(make_person: object) -> Person:
    made: Person = make_person(  # type: ignore[operator]
        "turangaleela", display_name="Wormholes Best", email="cyclops-ship@example.org"
    )
    return made


def reset_page(client: Client, person: Person) -> str:
    """By the link in the mail, which leads on to a page without the secret."""
    person.refresh_from_db()  # the link counts until the next sign-in
    uid = urlsafe_base64_encode(force_bytes(person.pk))
    token = default_token_generator.make_token(person)
    return str(client.get(f"/password/reset/{uid}/{token}/")["Location"])


def forms(person: Person, hermes: Person) -> dict[str, tuple[Client, str, tuple[str, str]]]:
    """Every page that takes a new password: who asks, where, and its fields."""
    token = people.invite(Person.Role.MEMBER, actor=hermes.pk)
    stranger = Client(headers={"host": "127.0.0.1"})
    new = ("new_password1", "new_password2")
    plain = ("password1", "password2")
    admin = signed_in("hermes")
    return {
        "invitation": (stranger, f"/invitation/{token}/", plain),
        "own": (signed_in(person.username), "/password/", new),
        "forgotten": (stranger, reset_page(stranger, person), new),
        "administration": (admin, f"/admin/collab/person/{person.pk}/password/", plain),
        "administration, new": (admin, "/admin/collab/person/add/", plain),
    }


FORMS = ("invitation", "own", "forgotten", "administration", "administration, new")


@pytest.fixture
def hermes(make_person: object) -> Person:
    made: Person = make_person("hermes", is_superuser=True)  # type: ignore[operator]
    return made


@pytest.mark.parametrize("form", FORMS)
def test_the_rules_stand_on_the_form(person: Person, hermes: Person, form: str) -> None:
    """Before anybody errs."""
    client, place, _ = forms(person, hermes)[form]
    page = client.get(place).content.decode()
    for rule in RULES:
        assert rule in page


@pytest.mark.parametrize(
    ("form", "bad"),
    # A new account has no other name and no address there yet.
    [
        (f, bad)
        for f in FORMS
        for bad in BAD
        if "new" not in f or bad not in {"the name", "the address"}
    ],
)
def test_a_bad_password_is_refused(person: Person, hermes: Person, form: str, bad: str) -> None:
    """Everywhere, with what is wrong; the old one stays."""
    client, place, fields = forms(person, hermes)[form]
    password, says = BAD[bad]
    answer = client.post(place, about(person, form, fields, password))
    assert answer.status_code in (200, 422)
    assert says in answer.content.decode()
    person.refresh_from_db()
    assert person.check_password("planet-express")
    assert Person.objects.count() == 2


def about(person: Person, form: str, fields: tuple[str, str], password: str) -> dict[str, str]:
    """What a form needs."""
    given = dict.fromkeys(fields, password) | {"old_password": "planet-express"}
    given |= {"usable_password": "true"}
    if form in {"invitation", "administration, new"}:
        who = {"username": "turangaleela2", "display_name": "Wormholes Best", "role": "member"}
        # Another account; its name is as near to the password.
        given |= {**who, "email": "cyclops-ship@example.org"}
    return given


def test_the_old_one_is_not_guessed(person: Person, settings: Settings) -> None:
    """With a session that was stolen there are as many tries as without. They are
    written down, and from elsewhere the person goes on."""
    client = signed_in(person.username)
    right = about(person, "own", ("new_password1", "new_password2"), GOOD)
    for _ in range(settings.AXES_FAILURE_LIMIT - 1):
        answer = client.post("/password/", {**right, "old_password": "wrong"})
        assert "was entered incorrectly" in answer.content.decode()
    assert client.post("/password/", {**right, "old_password": "wrong"}).status_code == 429
    assert client.post("/password/", right).status_code == 429
    person.refresh_from_db()
    assert person.check_password("planet-express")
    refused = events(Kind.REFUSED)
    assert refused[0] == ("refused", None, person.pk)
    assert len(refused) >= settings.AXES_FAILURE_LIMIT
    assert client.post("/password/", right, REMOTE_ADDR="192.0.2.7").status_code == 302


@pytest.mark.parametrize("form", ["own", "forgotten", "administration"])
def test_a_new_password_signs_out_everywhere_else(
    person: Person, hermes: Person, form: str
) -> None:
    """Other browsers are out, their open pages end, and the log knows who did it. Who
    has changed their own goes on."""
    other = signed_in(person.username, "Elsewhere")
    client, place, fields = forms(person, hermes)[form]
    with announced() as topics:
        answer = client.post(place, about(person, form, fields, GOOD))
    assert answer.status_code == 302
    assert f"live.person:{person.pk}" in topics
    assert not SignIn.objects.filter(agent="Elsewhere").exists(), "ended, not only useless"
    assert other.get("/").status_code == 302
    person.refresh_from_db()
    assert person.check_password(GOOD)
    if form == "own":
        assert client.get("/").status_code == 200
        assert SignIn.objects.filter(person=person).count() == 1
    actor = hermes.pk if form == "administration" else person.pk
    assert events(Kind.PASSWORD) == [("password", actor, person.pk)]
    assert GOOD not in repr(list(SecurityEvent.objects.values_list()))


@pytest.mark.parametrize("work", ["encode", "verify"])
def test_few_passwords_are_hashed_at_a_time(monkeypatch: pytest.MonkeyPatch, work: str) -> None:
    """Each takes a hundred megabytes meanwhile."""
    inside, may_go = threading.Semaphore(0), threading.Event()

    def hashed(hasher: object, password: str, salt: str) -> str:
        inside.release()
        assert may_go.wait(10)
        return "hash"

    monkeypatch.setattr(Argon2PasswordHasher, work, hashed)
    with ThreadPoolExecutor(2 * MOST_AT_ONCE) as people:
        asked = [people.submit(getattr(Argon2InTurn(), work), "x", "salt") for _ in range(4)]
        for _ in range(MOST_AT_ONCE):
            assert inside.acquire(timeout=10)
        assert not inside.acquire(timeout=0.1)
        may_go.set()
        assert [one.result(10) for one in asked] == ["hash"] * 4
