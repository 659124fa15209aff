"""How much one person (or, without an account, one address) may do and keep here.

Nobody who works by hand reaches a limit; a program that does stops being served and not
the others with it. A limit refuses, it never deletes, and what was typed stays: see
:mod:`collab.views.limits`. Sockets have theirs in :mod:`collab.live.conf`.

An installation overrides any of them with the ``LIMITS`` setting, for example
``LIMITS = {"saves_per_minute": 60}``. An unknown name is an error at start; 0 switches
a limit off.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed

from .errors import TooOften
from .live.rates import spend as count


@dataclass(frozen=True)
class Limits:
    """The values in force. What is done is counted in windows of a minute or an hour,
    by person, and by address where nobody is signed in."""

    #: Saving a text, a title or a cover, restoring a version.
    saves_per_minute: int = 120
    #: Drafts. An editor sends one 0.4 s after each pause at the earliest, so 150 in a
    #: minute of nothing but pauses: this is for six of them at once.
    autosaves_per_minute: int = 900
    #: Renderings of what is being typed, beside the editor; as often as drafts.
    previews_per_minute: int = 900
    #: New documents, copies included.
    documents_per_minute: int = 60
    #: Pictures; each is decoded and encoded anew.
    uploads_per_minute: int = 20
    #: A document as a file.
    exports_per_minute: int = 60
    #: All documents in one file.
    archives_per_minute: int = 6
    #: Pages that show what differs between two texts.
    comparisons_per_minute: int = 120
    #: Giving access to a document, by name or by a link.
    shares_per_minute: int = 60
    #: Invitations, roles and whatever else administrators do to accounts.
    invitations_per_minute: int = 60
    #: Whatever else changes something: the pen, the trash, the profile.
    changes_per_minute: int = 300
    #: Tries to sign in. Of one account, django-axes allows far fewer; this is for
    #: somebody who tries many accounts. A whole office may share an address.
    sign_ins_per_minute: int = 120
    #: Mails for a forgotten password.
    mails_per_hour: int = 20
    #: Pages behind a secret address: shared documents, invitations.
    visits_per_minute: int = 300
    #: Reports of the Content Security Policy.
    reports_per_minute: int = 60

    #: Documents that a person has written, with those in the trash.
    documents_per_person: int = 10_000
    #: What a person's work takes, in millions of bytes: texts of their documents, the
    #: versions they have saved (as they are stored, packed), with the pictures that
    #: came with them, and their drafts.
    storage_megabytes: int = 1_000
    #: How much further drafts may go than saves, in millions of bytes, so that what is
    #: typed is kept by the server even then.
    draft_megabytes: int = 20


SECONDS = {"minute": 60, "hour": 3600}
#: What is counted: the name of its limit, and the window in seconds.
ACTS = {
    found[1]: (field.name, SECONDS[found[2]])
    for field in fields(Limits)
    if (found := re.fullmatch(r"(\w+)_per_(minute|hour)", field.name))
}


@lru_cache(maxsize=1)
def limits() -> Limits:
    """The defaults with ``settings.LIMITS`` laid over them."""
    overrides: dict[str, Any] = getattr(settings, "LIMITS", {})
    return Limits(**overrides)


def spend(act: str, who: str) -> None:
    """Count that somebody does something.

    Args:
        act: one of :data:`ACTS`.
        who: the person or the address.

    Raises:
        TooOften: they have done it too often; nothing was counted but that.
    """
    name, seconds = ACTS[act]
    if wait := count(act, who, getattr(limits(), name), seconds):
        raise TooOften(wait)


def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting == "LIMITS":
        limits.cache_clear()


setting_changed.connect(_forget)
