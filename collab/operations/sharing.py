"""Who may read and change a document, and what follows when that changes."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now

from ..live import presence
from ..live.models import Connection
from ..live.sessions import rights_changed
from ..live.topics import changed
from ..models import Document, Heading, Link, Person, Share
from ..models.share import digest_of
from ..permissions import changeable
from ..subjects import DOCUMENTS, content, heading, pen


@transaction.atomic
def set_access(pk: int, access: Document.Access) -> None:
    """Make a document for the whole workspace, or for named people only."""
    if Document.objects.filter(pk=pk).exclude(access=access).update(access=access):
        here = Connection.objects.live().values_list("user", flat=True).distinct()
        _follow(pk, list(here))


@transaction.atomic
def give(pk: int, person_id: int, *, may_edit: bool) -> None:
    """Share a document with a person by name, for reading or for editing."""
    Share.objects.update_or_create(
        document_id=pk, person_id=person_id, defaults={"may_edit": may_edit}
    )
    _follow(pk, [person_id])


@transaction.atomic
def take_back(pk: int, person_id: int) -> None:
    """End what was shared with a person by name."""
    Share.objects.filter(document=pk, person=person_id).delete()
    _follow(pk, [person_id])


def make_link(pk: int, person_id: int, days: int) -> str:
    """Make a secret address where anybody may read.

    Args:
        pk: the document.
        person_id: who makes it.
        days: how long it is good for.

    Returns:
        The secret. It is not stored, and cannot be shown again.
    """
    token = secrets.token_urlsafe(32)
    Link.objects.create(
        document_id=pk,
        made_by_id=person_id,
        digest=digest_of(token),
        expires_at=Now() + timedelta(days=days),
    )
    return token


def end_link(pk: int, link_id: int) -> None:
    """Take a link back: from now on it opens nothing."""
    Link.objects.filter(document=pk, pk=link_id).delete()


def _follow(pk: int, people: Collection[int]) -> None:
    """Open pages are asked again for their rights, and whoever has a lease without a
    right loses it; what they have typed stays their unsaved text."""
    for leases in (Document.objects.filter(pk=pk), Heading.objects.filter(pk=pk)):
        holder = Person.objects.filter(pk__in=leases.values("holder")).first()
        if holder is not None and not changeable(holder).filter(pk=pk).exists():
            leases.revoke()
    rights_changed(*people)
    changed(content(pk), pen(pk), heading(pk), DOCUMENTS, presence.EVERYBODY)
