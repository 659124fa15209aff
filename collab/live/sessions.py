"""Who is behind a socket, and when that ends.

A socket outlives the request that opened it (django/channels#718), so the end of
a session, a new password or a deactivation is an event of its own: every process
looks again at that person's sockets, and closes those without a right.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY, get_user, get_user_model
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db.models.signals import post_delete, post_save
from django.http import HttpRequest

from .topics import changed

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

#: Topics of the engine's own: look again at what this person may do; and at what those
#: may do whose page shows what depends on this topic.
PERSON = "live.person:"
RIGHTS = "live.rights:"


def person_of(session_key: str) -> AbstractBaseUser | None:
    """The active person a session belongs to, or None. Reads the database."""
    request = HttpRequest()
    request.session = _store()(session_key)
    user = get_user(request)
    return user if user.is_authenticated and user.is_active else None


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
