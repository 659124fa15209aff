"""Who is behind a socket, and when that ends.

A socket outlives the request that opened it (django/channels#718), so the end of
a session, a new password or a deactivation is an event of its own: every process
looks again at that person's sockets, and closes those without a right.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from django.conf import settings
from django.contrib.auth import SESSION_KEY, get_user, get_user_model
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db.models.signals import post_delete, post_save
from django.http import HttpRequest
from django.utils import timezone

from .topics import changed

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

#: Topics of the engine's own: look again at what this person may do; and at what those
#: may do whose page shows what depends on this topic.
PERSON = "live.person:"
RIGHTS = "live.rights:"


class SignedIn(NamedTuple):
    """A session that goes on.

    Attributes:
        person: whose it is; their account is active.
        session: what it says.
    """

    person: AbstractBaseUser
    session: SessionBase | dict[str, Any]

    @property
    def stamp(self) -> int:
        """Of all that the session and the account say. As long as it stays, whoever was
        let in would be let in again."""
        fields = self.person._meta.concrete_fields  # noqa: SLF001  (Django's documented API)
        account = [getattr(self.person, field.attname) for field in fields]
        return hash((repr(sorted(self.session.items())), repr(account)))


def session_of(session_key: str) -> SignedIn | None:
    """The session and its person, or None if it has ended. Reads the database."""
    request = HttpRequest()
    request.session = _store()(session_key)
    user = get_user(request)
    if not (user.is_authenticated and user.is_active):
        return None
    return SignedIn(user, request.session)


def person_of(session_key: str) -> AbstractBaseUser | None:
    """The active person a session belongs to, or None. Reads the database."""
    found = session_of(session_key)
    return found.person if found else None


def stamps_of(session_keys: Sequence[str]) -> dict[str, int]:
    """The stamps of those of these sessions that go on, by key. It reads the database twice
    for all of them, where sessions are in the database, and asks for each elsewhere."""
    store = _store()
    if not hasattr(store, "get_model_class"):
        found = {key: session_of(key) for key in session_keys}
        return {key: one.stamp for key, one in found.items() if one}
    rows = store.get_model_class().objects.filter(
        session_key__in=session_keys, expire_date__gt=timezone.now()
    )
    sessions = {
        key: store(key).decode(data)
        for key, data in rows.values_list("session_key", "session_data")
    }
    owners = {session.get(SESSION_KEY) for session in sessions.values()} - {None}
    accounts = get_user_model().objects.filter(pk__in=owners, is_active=True)
    people = {str(person.pk): person for person in accounts}
    return {
        key: SignedIn(people[session[SESSION_KEY]], session).stamp
        for key, session in sessions.items()
        if session.get(SESSION_KEY) in people
    }


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
