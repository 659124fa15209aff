"""Who is behind a socket, and when that ends.

A socket outlives the request that opened it (django/channels#718), so the end of
a session, a new password or a deactivation is an event of its own: every process
looks again at that person's sockets, and closes those without a right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from django.conf import settings
from django.contrib.auth import (
    BACKEND_SESSION_KEY,
    HASH_SESSION_KEY,
    SESSION_KEY,
    get_user,
    get_user_model,
    load_backend,
)
from django.contrib.auth.backends import ModelBackend
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db.models.signals import post_delete, post_save
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from .prepared import Prepared
from .topics import changed

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

#: Topics of the engine's own: look again at what this person may do; and at what those
#: may do whose page shows what depends on this topic.
PERSON = "live.person:"
RIGHTS = "live.rights:"
#: How Django's own backend looks for a person.
PLAIN = ModelBackend.get_user


class SignedIn(NamedTuple):
    """A session that goes on.

    Attributes:
        person: whose it is; their account is active.
        session: what it says.
    """

    person: AbstractBaseUser
    session: SessionBase | Mapping[str, Any]

    @property
    def stamp(self) -> int:
        """Of all that the session and the account say. As long as it stays, whoever was
        let in would be let in again."""
        fields = self.person._meta.concrete_fields  # noqa: SLF001  (Django's documented API)
        account = [getattr(self.person, field.attname) for field in fields]
        return hash((repr(sorted(self.session.items())), repr(account)))


def session_of(session_key: str) -> SignedIn | None:
    """The session and its person, or None if it has ended. Reads the database.

    A thousand pages that come back after a restart ask this two thousand times, and Django
    takes several times as long for it. So it is asked only what is not plain: its answer to
    all else would be the same (``django.contrib.auth.get_user``).
    """
    if _is_in_database():
        going_on = _going_on([session_key])
        if not going_on:
            return None
        found = _signed_in(going_on).get(session_key)
        if found is not None and _is_plain(found):
            return found
    return _as_django_says(session_key)


def person_of(session_key: str) -> AbstractBaseUser | None:
    """The active person a session belongs to, or None. Reads the database."""
    found = session_of(session_key)
    return found.person if found else None


def stamps_of(session_keys: Sequence[str]) -> dict[str, int]:
    """The stamps of those of these sessions that go on, by key. It reads the database twice
    for all of them, where sessions are in the database, and asks for each elsewhere."""
    if _is_in_database():
        return {key: one.stamp for key, one in _signed_in(_going_on(session_keys)).items()}
    found = {key: session_of(key) for key in session_keys}
    return {key: one.stamp for key, one in found.items() if one}


def _as_django_says(session_key: str) -> SignedIn | None:
    """Whoever is behind a session, by Django's own ways."""
    request = HttpRequest()
    request.session = _store()(session_key)
    user = get_user(request)
    if not (user.is_authenticated and user.is_active):
        return None
    return SignedIn(user, request.session)


def _is_plain(found: SignedIn) -> bool:
    """Is it beyond question that this is the person's session? (Another backend may ask
    for more; a password changes what a session must know; and a secret that was changed
    has a grace.)"""
    path = found.session.get(BACKEND_SESSION_KEY)
    if path not in settings.AUTHENTICATION_BACKENDS:
        return False
    backend: Any = load_backend(path)
    if getattr(type(backend), "get_user", None) is not PLAIN:
        return False
    known = str(found.session.get(HASH_SESSION_KEY, ""))
    is_same = constant_time_compare(known, found.person.get_session_auth_hash())
    return is_same and bool(backend.user_can_authenticate(found.person))


def _is_in_database() -> bool:
    return hasattr(_store(), "get_model_class")


def _going_on(session_keys: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """What those of these sessions say that are in the database and not over."""
    store, now = _store(), timezone.now()
    return {
        row.session_key: store(row.session_key).decode(row.session_data)
        for row in _rows_of(store.get_model_class()).objects(session_keys)
        if row.expire_date > now
    }


def _signed_in(sessions: Mapping[str, Mapping[str, Any]]) -> dict[str, SignedIn]:
    """Those of these sessions whose person is active. It is not asked whether they know the
    password that the person has now."""
    owners = {key: str(session.get(SESSION_KEY, "")) for key, session in sessions.items()}
    wanted = {int(owner) for owner in owners.values() if owner.isdecimal()}
    people = {str(person.pk): person for person in _PEOPLE.objects(list(wanted))}
    return {
        key: SignedIn(people[owners[key]], session)
        for key, session in sessions.items()
        if owners[key] in people and people[owners[key]].is_active
    }


@cache
def _rows_of(model: type[AbstractBaseSession]) -> Prepared:
    """The rows of sessions by their keys."""
    return Prepared(lambda keys: model._default_manager.filter(session_key__in=keys), str)  # noqa: SLF001


_PEOPLE = Prepared(lambda ids: get_user_model()._default_manager.filter(pk__in=ids))  # noqa: SLF001


def is_switched_off(user_id: int) -> bool:
    """Is there such an account, and is it of no use any more?"""
    return get_user_model().objects.filter(pk=user_id, is_active=False).exists()


def rights_changed(*user_ids: int) -> None:
    """After commit, look again at every open socket of these people.

    Those who are signed out (4401), switched off (4423) or may not have their page open
    any more (4403) are cut at once, in every process; regions that they may not see go.
    """
    changed(*(f"{PERSON}{user_id}" for user_id in user_ids))


def rights_changed_at(*topics: str) -> None:
    """The same for everybody whose page shows what depends on one of these topics, or is
    at the subject of one: whoever they are, each process knows its own."""
    changed(*(f"{RIGHTS}{topic}" for topic in topics))


def watch_sessions() -> None:
    """Notice ended sessions and changed accounts (called once, at start)."""
    if model := getattr(_store(), "get_model_class", None):  # sessions in the database
        post_delete.connect(_session_ended, sender=model(), dispatch_uid="live.session")
    person = get_user_model()
    post_save.connect(_person_saved, sender=person, dispatch_uid="live.person")
    post_delete.connect(_person_saved, sender=person, dispatch_uid="live.person.gone")


def _store() -> Any:
    return import_module(settings.SESSION_ENGINE).SessionStore


def _session_ended(instance: AbstractBaseSession, **kwargs: Any) -> None:
    user_id = instance.get_decoded().get(SESSION_KEY)
    if user_id is not None:
        rights_changed(int(user_id))


def _person_saved(instance: AbstractBaseUser, raw: bool = False, **kwargs: Any) -> None:
    if not raw and instance.pk:
        rights_changed(instance.pk)
