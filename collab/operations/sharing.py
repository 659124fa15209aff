"""Who may read and change a document, and what follows when that changes."""

from __future__ import annotations

from collections.abc import Collection

from django.db import transaction

from ..live import presence
from ..live.models import Connection
from ..live.sessions import rights_changed
from ..live.topics import changed
from ..models import Document, Heading, Link, Person, SecurityEvent, Share
from ..permissions import changeable
from ..subjects import DOCUMENTS, content, heading, pen
from . import audit

Kind = SecurityEvent.Kind


@transaction.atomic
def set_access(pk: int, access: Document.Access, *, actor: int) -> None:
    """Make a document for the whole workspace, or for named people only."""
    if Document.objects.filter(pk=pk).exclude(access=access).update(access=access):
        here = Connection.objects.live().values_list("user", flat=True).distinct()
        audit.record(Kind.ACCESS, actor=actor, detail=f"{pk}: {access}")
        _follow(pk, list(here))


@transaction.atomic
def give(pk: int, person_id: int, *, may_edit: bool, actor: int) -> None:
    """Share a document with a person by name, for reading or for editing."""
    Share.objects.update_or_create(
        document_id=pk, person_id=person_id, defaults={"may_edit": may_edit}
    )
    detail = f"{pk}: {'edit' if may_edit else 'read'}"
    audit.record(Kind.ACCESS, actor=actor, person=person_id, detail=detail)
    _follow(pk, [person_id])


@transaction.atomic
def take_back(pk: int, person_id: int, *, actor: int) -> None:
    """End what was shared with a person by name."""
    if not Share.objects.filter(document=pk, person=person_id).delete()[0]:
        return
    audit.record(Kind.ACCESS, actor=actor, person=person_id, detail=f"{pk}: none")
    _follow(pk, [person_id])


@transaction.atomic
def make_link(pk: int, person_id: int, days: int) -> str:
    """Make a secret address where anybody may read.

    Args:
        pk: the document.
        person_id: who makes it.
        days: how long it is good for.

    Returns:
        The secret. It is not stored, and cannot be shown again.
    """
    token = Link.objects.make(days, document_id=pk, made_by_id=person_id)
    audit.record(Kind.LINK, actor=person_id, detail=f"{pk}: {days} days")
    return token


@transaction.atomic
def end_link(pk: int, link_id: int, *, actor: int) -> None:
    """Take a link back: from now on it opens nothing."""
    if Link.objects.filter(document=pk, pk=link_id).delete()[0]:
        audit.record(Kind.LINK, actor=actor, detail=f"{pk}: taken back")


def _follow(pk: int, people: Collection[int]) -> None:
    """Open pages are asked again for their rights, and whoever has a lease without a
    right loses it; what they have typed stays their unsaved text."""
    for leases in (Document.objects.filter(pk=pk), Heading.objects.filter(pk=pk)):
        holder = Person.objects.filter(pk__in=leases.values("holder")).first()
        if holder is not None and not changeable(holder).filter(pk=pk).exists():
            leases.revoke()
    rights_changed(*people)
    changed(content(pk), pen(pk), heading(pk), DOCUMENTS, presence.EVERYBODY)
