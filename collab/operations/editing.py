"""The pen: taking it, moving it, giving it back, keeping it alive."""

from __future__ import annotations

from collections.abc import Collection

from django.db import transaction

from ..live import presence
from ..live.topics import changed
from ..models import Activity, Document, Draft
from ..subjects import pen
from . import activity


@transaction.atomic
def take(
    pk: int, person_id: int, *, own_fence: int | None = None, is_news: bool = True
) -> int | None:
    """Take the pen if it is free, or if the page already has it.

    Args:
        pk: the document.
        person_id: who wants to write.
        own_fence: the fence under which this page holds the pen (a reload).
        is_news: tell the others that this person is editing.

    Returns:
        The new fence, or None when somebody (perhaps oneself elsewhere) has it.
    """
    if not Document.objects.take(pk, person_id, own_fence=own_fence):
        return None
    Draft.objects.filter(document=pk, is_settled=True).delete()
    fence = _announce(pk)
    if is_news and own_fence != fence - 1:  # a reload is no news
        activity.record(pk, person_id, Activity.Verb.EDITING)
    return fence


@transaction.atomic
def move(pk: int, person_id: int) -> int | None:
    """Bring one's own pen, with the draft, from another tab to this one; returns
    the new fence."""
    if not Document.objects.move(pk, person_id):
        return None
    fence = _announce(pk)
    Draft.objects.filter(document=pk, person=person_id, fence=fence - 1).update(fence=fence)
    return fence


@transaction.atomic
def release(pk: int, person_id: int, fence: int) -> None:
    """Give the pen back. Without effect if it has been taken over meanwhile."""
    if Document.objects.release(pk, person_id, fence):
        _announce(pk)


def renew(claims: Collection[tuple[int, int]]) -> None:
    """Keep the pens of connected pages: pairs of document and fence."""
    Document.objects.renew(claims)


def expire() -> None:
    """Free the pens whose holders are gone, and say so."""
    for pk in Document.objects.clear_expired():
        _announce(pk)


def _announce(pk: int) -> int:
    changed(pen(pk), presence.EVERYBODY)
    fence: int = Document.objects.values_list("fence", flat=True).get(pk=pk)
    return fence
