"""Who may read and change a document, and what follows when that changes."""

from __future__ import annotations

from django.db import transaction

from ..live import presence
from ..live.sessions import rights_changed, rights_changed_at
from ..live.topics import changed
from ..models import Document, Link, SecurityEvent, Share
from ..subjects import DOCUMENTS, content, heading, pen, subject_of
from . import audit, leases

Kind = SecurityEvent.Kind


@transaction.atomic
def set_access(pk: int, access: Document.Access, *, actor: int) -> None:
    """Make a document for the whole workspace, or for named people only."""
    if Document.objects.filter(pk=pk).exclude(access=access).update(access=access):
        audit.record(Kind.ACCESS, actor=actor, detail=f"{pk}: {access}")
        _follow(pk)
        rights_changed_at(*_topics(pk))  # nobody knows better than the pages who shows it


@transaction.atomic
def give(pk: int, person_id: int, *, may_edit: bool, actor: int) -> None:
    """Share a document with a person by name, for reading or for editing."""
    Share.objects.update_or_create(
        document_id=pk, person_id=person_id, defaults={"may_edit": may_edit}
    )
    detail = f"{pk}: {'edit' if may_edit else 'read'}"
    audit.record(Kind.ACCESS, actor=actor, person=person_id, detail=detail)
    _follow(pk)
    rights_changed(person_id)


@transaction.atomic
def take_back(pk: int, person_id: int, *, actor: int) -> None:
    """End what was shared with a person by name."""
    if not Share.objects.filter(document=pk, person=person_id).delete()[0]:
        return
    audit.record(Kind.ACCESS, actor=actor, person=person_id, detail=f"{pk}: none")
    _follow(pk)
    rights_changed(person_id)


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


def _follow(pk: int) -> None:
    """Whoever has a lease without a right loses it, and pages tell of the change."""
    leases.follow_document(pk)
    changed(*_topics(pk), DOCUMENTS, presence.EVERYBODY)


def _topics(pk: int) -> tuple[str, ...]:
    """Whatever shows a document depends on one of these."""
    return content(pk), pen(pk), heading(pk), presence.topic(subject_of(pk))
