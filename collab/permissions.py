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
    from .models.lease import LeaseQuerySet

Viewer = AbstractBaseUser | AnonymousUser


def readable(viewer: Viewer) -> LeaseQuerySet:
    """The documents a person may read: all, for those who are signed in."""
    if not viewer.is_authenticated or not viewer.is_active:
        return Document.objects.none()
    return Document.objects.all()


def editable(viewer: Viewer) -> LeaseQuerySet:
    """The documents a person may change."""
    return readable(viewer)


def readable_document(viewer: Viewer, pk: int) -> Document:
    """One readable document with its people, or Http404."""
    return _one(readable(viewer), pk)


def editable_document(viewer: Viewer, pk: int) -> Document:
    """One editable document with its people, or Http404."""
    return _one(editable(viewer), pk)


def may_seize(viewer: Viewer, document: Document) -> bool:
    """May this person take the pen from whoever has it? Authors and administrators."""
    return document.author_id == viewer.pk or bool(getattr(viewer, "is_staff", False))


def _one(documents: LeaseQuerySet, pk: int) -> Document:
    document = documents.select_related("author", "changed_by", "holder").filter(pk=pk).first()
    if document is None:
        raise Http404
    found: Document = document
    return found


# For live regions: which of these keys?


def readable_keys(viewer: AbstractBaseUser, keys: Sequence[str]) -> Collection[str]:
    """Keys that are ids of documents the person may read."""
    return _document_keys(readable(viewer), keys)


def version_keys(viewer: AbstractBaseUser, keys: Sequence[str]) -> Collection[str]:
    """Keys "<document>_<version>" of documents the person may read."""
    return _keys_with_document(readable(viewer), keys)


def editor_keys(viewer: AbstractBaseUser, keys: Sequence[str]) -> Collection[str]:
    """Keys "<document>_<fence>" of documents the person may change."""
    return _keys_with_document(editable(viewer), keys)


def member_keys(viewer: AbstractBaseUser, keys: Sequence[str]) -> Collection[str]:
    """Every key, for everyone who works here."""
    return keys if viewer.is_active else ()


def staff_keys(viewer: AbstractBaseUser, keys: Sequence[str]) -> Collection[str]:
    """Every key, for administrators."""
    return keys if viewer.is_active and getattr(viewer, "is_staff", False) else ()


def _document_keys(documents: LeaseQuerySet, keys: Sequence[str]) -> set[str]:
    ids = [int(key) for key in keys if key.isdecimal()]
    return {str(pk) for pk in documents.filter(pk__in=ids).values_list("pk", flat=True)}


def _keys_with_document(documents: LeaseQuerySet, keys: Sequence[str]) -> list[str]:
    """Keys "<document>_<number>" of these documents."""
    wanted = {key: key.partition("_")[0] for key in keys}
    allowed = _document_keys(documents, list(wanted.values()))
    return [key for key, pk in wanted.items() if pk in allowed]
