"""Who is behind a session: read by prepared queries, and never another than Django says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.backends import ModelBackend
from django.db import transaction
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from collab.live import sessions
from collab.models import Person, SignIn
from collab.models.sign_in import SessionStore

pytestmark = pytest.mark.django_db

PLAIN = "django.contrib.auth.backends.ModelBackend"


class Selective(ModelBackend):
    """One that finds people in its own way, and some not."""

    def get_user(self, user_id: int) -> Person | None:
        found = super().get_user(user_id)
        return found if found is not None and found.username != "kif" else None


class Wide(ModelBackend):
    """One that finds somebody for everybody."""

    def get_user(self, user_id: int) -> Person | None:
        return super().get_user(user_id) or Person.objects.get(username="kif")


class Strict(ModelBackend):
    """One that lets some people not in."""

    def user_can_authenticate(self, user: Any) -> bool:
        return super().user_can_authenticate(user) and user.username != "kif"


Happening = Callable[[Settings, str], object]


def account(**columns: object) -> Happening:
    """The account is another than it was when the session began."""
    return lambda settings, key: Person.objects.filter(username="kif").update(**columns)


def row(**columns: object) -> Happening:
    """The session's row is."""
    return lambda settings, key: SignIn.objects.filter(pk=key).update(**columns)


def content(**values: object) -> Happening:
    """The session says something else."""

    def happen(settings: Settings, key: str) -> None:
        store = SessionStore(key)
        store.update(values)
        store.save()

    return happen


def backend(backend: type[ModelBackend], *, of_nobody: bool = False) -> Happening:
    """The only backend is another one, which the session is of; perhaps of a person who
    is not there."""
    path = f"{__name__}.{backend.__name__}"

    def happen(settings: Settings, key: str) -> None:
        settings.AUTHENTICATION_BACKENDS = [path]
        content(**{BACKEND_SESSION_KEY: path})(settings, key)
        if of_nobody:
            of_a_stranger(settings, key)

    return happen


def of_a_stranger(settings: Settings, key: str) -> None:
    """The session is of a person who never was. (A row with such an owner cannot be.)"""
    values = {**SessionStore(key).load(), SESSION_KEY: "123456789"}
    row(session_data=SessionStore().encode(values))(settings, key)


def secret(*, has_grace: bool) -> Happening:
    """The secret is another one. (Sessions are signed with it, too: so the row is written
    anew, and only what it knows of the password is from before.)"""

    def happen(settings: Settings, key: str) -> None:
        values = SessionStore(key).load()
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY] if has_grace else []
        settings.SECRET_KEY = "another"
        content(**values)(settings, key)

    return happen


#: What may be the matter with a session, and whether there is somebody behind it.
CASES: Mapping[str, tuple[Happening, bool]] = {
    "nothing": (lambda settings, key: None, True),
    "it is over": (row(expire_date=timezone.now() - timedelta(seconds=1)), False),
    "it has ended": (lambda settings, key: SignIn.objects.get(pk=key).delete(), False),
    "it cannot be read": (row(session_data="odd"), False),
    "nobody's": (content(**{SESSION_KEY: None}), False),
    "somebody's who never was": (of_a_stranger, False),
    "of no backend": (content(**{BACKEND_SESSION_KEY: ""}), False),
    "of a backend that is no more": (content(**{BACKEND_SESSION_KEY: "a.Backend"}), False),
    "it knows no password": (content(**{HASH_SESSION_KEY: ""}), False),
    "it knows another password": (account(password="!"), False),
    "the account is off": (account(is_active=False), False),
    "another secret": (secret(has_grace=False), False),
    "another secret, with a grace": (secret(has_grace=True), True),
    "a backend that finds them not": (backend(Selective), False),
    "a backend that finds more": (backend(Wide, of_nobody=True), True),
    "a backend that lets them not in": (backend(Strict), False),
}


def key_of(name: str) -> str:
    """The key of a session that has just begun."""
    client = Client()
    client.force_login(Person.objects.create_user(name, password="a long password"), PLAIN)
    return str(client.session.session_key)


@pytest.mark.parametrize("case", CASES)
def test_it_is_who_django_says(settings: Settings, case: str) -> None:
    """Whatever is the matter with it; and a session that Django ends for that has ended."""
    happen, is_somebody = CASES[case]
    key = key_of("kif")
    happen(settings, key)
    with transaction.atomic():
        theirs = sessions._as_django_says(key)
        left = SignIn.objects.count()
        transaction.set_rollback(True)
    ours = sessions.session_of(key)
    assert (ours is not None) is (theirs is not None) is is_somebody
    if ours is not None and theirs is not None:
        assert ours.person == theirs.person
    assert SignIn.objects.count() == left


def test_what_is_plain_takes_two_queries(django_assert_num_queries: Any) -> None:
    """And both are built once, which is what it is for."""
    key = key_of("kif")
    found = sessions.session_of(key)
    assert found is not None
    with django_assert_num_queries(2):
        assert sessions.session_of(key) == found
    with django_assert_num_queries(1):
        assert sessions.session_of("x" * 32) is None


def test_sessions_elsewhere_are_asked_for_by_django(settings: Settings) -> None:
    """Such as in a cache."""
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"
    key = key_of("kif")
    assert sessions.person_of(key) == Person.objects.get(username="kif")
    assert sessions.person_of("x" * 32) is None
