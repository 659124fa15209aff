"""Who may see and do what. The lookup is the permission: views and live regions
start from the same query sets, so there is nothing to forget.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.http import Http404

from .models import Document

if TYPE_CHECKING:
    from .models.document import DocumentQuerySet

Viewer = AbstractBaseUser | AnonymousUser


class InTrash(Http404):
    """A page of a document in the trash was asked for by somebody who may restore
    it: there is more to say than that it is not here."""

    def __init__(self, document: Document) -> None:
        super().__init__(str(document))
        self.document = document


def followable(viewer: Viewer) -> DocumentQuerySet:
    """The documents a person has a right to, those in the trash included: all, for
    those who are signed in. A page that was open when its document went there
    still hears of it, and what was being typed is still kept."""
    if not viewer.is_authenticated or not viewer.is_active:
        return Document.objects.none()
    return Document.objects.all()


def readable(viewer: Viewer) -> DocumentQuerySet:
    """The documents a person may read. What is in the trash is nowhere else."""
    return followable(viewer).present()


def editable(viewer: Viewer) -> DocumentQuerySet:
    """The documents a person may change."""
    return readable(viewer)


def restorable(viewer: Viewer) -> DocumentQuerySet:
    """The documents in the trash that a person may bring back, or delete for good:
    those of :func:`may_trash`."""
    trashed = followable(viewer).trashed()
    return trashed if getattr(viewer, "is_staff", False) else trashed.filter(author=viewer.pk)


def readable_document(viewer: Viewer, pk: int) -> Document:
    """One readable document with its people, or Http404."""
    return _one(viewer, readable(viewer), pk)


def editable_document(viewer: Viewer, pk: int) -> Document:
    """One editable document with its people, or Http404."""
    return _one(viewer, editable(viewer), pk)


def followable_document(viewer: Viewer, pk: int) -> Document:
    """One document, in the trash or not, with its people, or Http404."""
    return _one(viewer, followable(viewer), pk)


def may_seize(viewer: Viewer, document: Document) -> bool:
    """May this person take the pen from whoever has it? Authors and administrators."""
    return _answers_for(viewer, document)


def may_trash(viewer: Viewer, document: Document) -> bool:
    """May this person move it to the trash, and out of it? Authors and administrators."""
    return _answers_for(viewer, document)


def _answers_for(viewer: Viewer, document: Document) -> bool:
    return document.author_id == viewer.pk or bool(getattr(viewer, "is_staff", False))


def _one(viewer: Viewer, documents: DocumentQuerySet, pk: int) -> Document:
    people = ("author", "changed_by", "holder", "trashed_by")
    found: Document | None = documents.select_related(*people).filter(pk=pk).first()
    if found is not None:
        return found
    trashed = restorable(viewer).select_related(*people).filter(pk=pk).first()
    raise InTrash(trashed) if trashed else Http404


# For live regions: which of these keys?


def readable_keys(viewer: AbstractBaseUser, keys: Sequence[str]) -> Collection[str]:
    """Keys that are ids of documents the person may read, or may again after a
    restore: until then their regions are empty, because nothing is loaded for them."""
    return _document_keys(followable(viewer), keys)


def version_keys(viewer: AbstractBaseUser, keys: Sequence[str]) -> Collection[str]:
    """Keys "<document>_<version>" of documents the person may read, or may again after
    a restore, as in :func:`readable_keys`."""
    return _keys_with_document(followable(viewer), keys)


def editor_keys(viewer: AbstractBaseUser, keys: Sequence[str]) -> Collection[str]:
    """Keys "<document>_<fence>" of documents the person may change, or could before
    they were moved to the trash: the editor has to say so."""
    return _keys_with_document(followable(viewer), keys)


def member_keys(viewer: AbstractBaseUser, keys: Sequence[str]) -> Collection[str]:
    """Every key, for everyone who works here."""
    return keys if viewer.is_active else ()


def staff_keys(viewer: AbstractBaseUser, keys: Sequence[str]) -> Collection[str]:
    """Every key, for administrators."""
    return keys if viewer.is_active and getattr(viewer, "is_staff", False) else ()


def _document_keys(documents: DocumentQuerySet, keys: Sequence[str]) -> set[str]:
    ids = [int(key) for key in keys if key.isdecimal()]
    return {str(pk) for pk in documents.filter(pk__in=ids).values_list("pk", flat=True)}


def _keys_with_document(documents: DocumentQuerySet, keys: Sequence[str]) -> list[str]:
    """Keys "<document>_<number>" of these documents."""
    wanted = {key: key.partition("_")[0] for key in keys}
    allowed = _document_keys(documents, list(wanted.values()))
    return [key for key, pk in wanted.items() if pk in allowed]
