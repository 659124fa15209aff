"""Title and cover: changed under a lease of their own, beside whoever writes.

Whoever locks both a document's row and its heading's locks the document's first.
"""

from __future__ import annotations

from collections.abc import Collection

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from ..errors import StaleHeading
from ..live.topics import changed
from ..models import Activity, Document, Heading
from ..subjects import DOCUMENTS, content, heading
from . import activity, revisions


@transaction.atomic
def take(pk: int, person_id: int, *, own_fence: int | None = None) -> int | None:
    """Take a heading's lease if it is free, or if the page already has it.

    Args:
        pk: the document.
        person_id: who wants to change title or cover.
        own_fence: the fence under which this page holds it.

    Returns:
        The new fence, or None when somebody (perhaps oneself elsewhere) has it.
    """
    if not _present(pk) or not Heading.objects.take(pk, person_id, own_fence=own_fence):
        return None
    return _announce(pk)


@transaction.atomic
def move(pk: int, person_id: int) -> int | None:
    """Bring one's own lease from another tab to this one; returns the new fence."""
    if not _present(pk) or not Heading.objects.move(pk, person_id):
        return None
    return _announce(pk)


@transaction.atomic
def resume(pk: int, person_id: int, fence: int) -> None:
    """Take the lease up again for a page that has come, or is back, if nobody has taken it
    since, or has given it back."""
    if _present(pk) and Heading.objects.not_given_back().regain(pk, person_id, fence):
        _announce(pk)


@transaction.atomic
def release(pk: int, person_id: int, fence: int) -> None:
    """Give the lease back. Without effect if it has been taken over meanwhile."""
    if Heading.objects.release(pk, person_id, fence):
        _announce(pk)


@transaction.atomic
def lapse(pk: int, person_id: int, fence: int) -> None:
    """The page that has the lease is gone; if it comes back, it can :func:`resume`."""
    if Heading.objects.held_under(pk, person_id, fence).lapse():
        _announce(pk)


@transaction.atomic
def hold(pk: int, person_id: int) -> bool:
    """Hold the lease while somebody types a title in the editor: it is not the page's
    claim, so typing must renew it.

    Returns:
        Whether it is the person's, here or in another tab.
    """
    fence = Heading.objects.filter(pk=pk, holder=person_id).values_list("fence", flat=True).first()
    if fence is not None and _present(pk) and Heading.objects.touch(pk, person_id, fence):
        return True
    return take(pk, person_id) is not None


@transaction.atomic
def retitle(pk: int, person_id: int, *, title: str, version: int) -> None:
    """Change the title at once, and give the lease back.

    Args:
        pk: the document.
        person_id: who changes it.
        title: the new title. If it is what holds already, nothing changes.
        version: the version of the heading that the person has seen.

    Raises:
        StaleHeading: somebody else is changing the heading, or has changed it.
    """
    present = Heading.objects.values_list("title", "cover", "holder", "fence").filter(pk=pk).first()
    if present is not None and present[0] == title:
        release(pk, person_id, present[3])
        return
    fence = take(pk, person_id) or move(pk, person_id)
    if present is None or fence is None:
        raise StaleHeading
    change(pk, person_id, title=title, cover=present[1], fence=fence, version=version)
    release(pk, person_id, fence)


def renew(claims: Collection[tuple[int, int]]) -> None:
    """Keep the leases of connected pages: pairs of document and fence. Nobody can ask
    for one, so it ends when its page has been left alone for
    :data:`~collab.timings.IDLE_SECONDS`."""
    Heading.objects.in_use().renew(claims)


def expire() -> None:
    """Free the leases whose holders are gone, and say so."""
    for pk in Heading.objects.clear_expired():
        _announce(pk)


@transaction.atomic
def change(pk: int, person_id: int, *, title: str, cover: str, fence: int, version: int) -> int:
    """Give a document another title or cover: a new version of it, with the text that
    it has at that moment.

    Args:
        pk: the document.
        person_id: who changes it.
        title: the new title.
        cover: the new cover's stored name, or "".
        fence: the fence under which the person has been changing it.
        version: the version of the heading that the person has seen.

    Returns:
        The document's new version.

    Raises:
        StaleHeading: the fence or the version has moved on; nothing was written.
    """
    documents = Document.objects.present().filter(pk=pk)
    if not documents.update(version=F("version") + 1, changed_at=Now(), changed_by=person_id):
        raise StaleHeading
    old_title, old_cover = Heading.objects.values_list("title", "cover").get(pk=pk)
    seen = Heading.objects.writable(pk, person_id, fence=fence, version=version)
    if not seen.update(title=title, cover=cover, version=F("version") + 1, active_at=Now()):
        raise StaleHeading
    after = Document.objects.get(pk=pk)
    new_cover = cover if cover != old_cover else ""
    revisions.record(after, person_id, words=activity.NO_WORDS, new_cover=new_cover)
    verb = Activity.Verb.COVERED if title == old_title else Activity.Verb.RENAMED
    activity.record(pk, person_id, verb, version=after.version)
    changed(content(pk), heading(pk), DOCUMENTS)
    version_now: int = after.version
    return version_now


def put_back(pk: int, person_id: int, *, title: str, cover: str) -> bool:
    """Make an earlier heading the present one, within a transaction that keeps the
    version; False when it differs and somebody is changing it."""
    old = Heading.objects.filter(pk=pk).exclude(title=title, cover=cover)
    if not old.exists():
        return True
    fence = take(pk, person_id)
    if fence is None:
        return False
    old.update(title=title, cover=cover, version=F("version") + 1)
    release(pk, person_id, fence)
    changed(DOCUMENTS)
    return True


def _present(pk: int) -> bool:
    return Document.objects.present().filter(pk=pk).exists()


def _announce(pk: int) -> int:
    changed(heading(pk))
    fence: int = Heading.objects.values_list("fence", flat=True).get(pk=pk)
    return fence
