"""Remembering what a person has read."""

from __future__ import annotations

from django.db.models import OuterRef, Subquery

from ..models import Document, Reading


def mark(document_id: int, person_id: int, version: int) -> None:
    """The person has seen this version."""
    Reading.objects.update_or_create(
        document_id=document_id, person_id=person_id, defaults={"version": version}
    )


def mark_current(document_id: int, person_id: int) -> None:
    """The person had the document open, and so has seen its present version."""
    current = Document.objects.filter(pk=OuterRef("document")).values("version")
    Reading.objects.filter(document=document_id, person=person_id).update(version=Subquery(current))
