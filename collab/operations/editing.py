"""The pen: taking it, moving it, giving it back, keeping it alive."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from .. import queries
from ..live import presence
from ..live.topics import changed
from ..models import Activity, Document, Draft
from ..permissions import writers
from ..subjects import RENEWALS, pen
from . import activity, drafts

_renewed_at = timezone.now()


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
    if not Document.objects.present().take(pk, person_id, own_fence=own_fence):
        return None
    Draft.objects.filter(document=pk, is_settled=True).delete()
    fence = _announce(pk)
    if is_news and own_fence != fence - 1:  # a reload is no news
        activity.record(pk, person_id, Activity.Verb.EDITING)
    return fence


@transaction.atomic
def regain(pk: int, person_id: int, fence: int) -> bool:
    """Take the pen up again for who asks for it, if nobody has taken it since. That the
    person edits is no news."""
    return _told(pk, is_changed=Document.objects.present().regain(pk, person_id, fence))


@transaction.atomic
def resume(pk: int, person_id: int, fence: int) -> bool:
    """The same for a page that has come, or is back, and was not asked. What somebody has
    given back stays so: a page can be left before it is heard of."""
    rows = Document.objects.present().not_given_back()
    return _told(pk, is_changed=rows.regain(pk, person_id, fence))


@transaction.atomic
def take_back(pk: int, person_id: int, fence: int, version: int) -> int | None:
    """Take the pen for a page that has lost it, with its draft, if nobody has
    written since.

    Args:
        pk: the document.
        person_id: whose page it is.
        fence: the page's, which has passed.
        version: the one that the page's text begins from.

    Returns:
        The new fence; None when somebody has the pen, or has saved.
    """
    passed = Document.objects.filter(pk=pk, fence__gt=fence).exists()
    if not passed or queries.is_rewritten(pk, since=version):
        return None
    taken = take(pk, person_id)
    if taken is not None:
        Draft.objects.filter(document=pk, person=person_id, fence=fence).update(fence=taken)
    return taken


@transaction.atomic
def move(pk: int, person_id: int) -> int | None:
    """Bring one's own pen, with the draft, from another tab to this one; returns
    the new fence."""
    # Handed over, and not begun yet: that the person edits is news.
    is_news = Document.objects.filter(pk=pk, holder=person_id, active_at=None).exists()
    if not Document.objects.present().move(pk, person_id):
        return None
    fence = _announce(pk)
    if is_news:
        activity.record(pk, person_id, Activity.Verb.EDITING)
    Draft.objects.filter(document=pk, person=person_id, fence=fence - 1).update(fence=fence)
    return fence


@transaction.atomic
def release(pk: int, person_id: int, fence: int) -> None:
    """Give the pen back. Without effect if it has been taken over meanwhile."""
    if Document.objects.release(pk, person_id, fence):
        _announce(pk)


@transaction.atomic
def lapse(pk: int, person_id: int, fence: int) -> None:
    """The page that has the pen is gone; if it comes back, and the pen is still free, it
    can :func:`resume`."""
    if Document.objects.held_under(pk, person_id, fence).lapse():
        _announce(pk)


@transaction.atomic
def ask(pk: int, person_id: int) -> bool:
    """Ask the holder for the pen; False when somebody else waits already, or when
    there is nobody to ask."""
    return _told(pk, is_changed=Document.objects.ask(pk, person_id))


@transaction.atomic
def withdraw(pk: int, person_id: int) -> bool:
    """Not wait for the pen any more."""
    return _told(pk, is_changed=Document.objects.withdraw(pk, person_id))


@transaction.atomic
def keep(pk: int, person_id: int, fence: int) -> bool:
    """Answer that one keeps the pen."""
    return _told(pk, is_changed=Document.objects.keep(pk, person_id, fence))


@transaction.atomic
def hand_over(pk: int, person_id: int, fence: int) -> bool:
    """Give the pen to the person who has asked for it, with an offer to go on from
    the text that the holder has not saved. Who may not change the document (any more)
    does not get it, and does not wait for it either.

    Args:
        pk: the document.
        person_id: the holder.
        fence: the holder's.
    """
    held = Document.objects.held_under(pk, person_id, fence)
    asked_by = held.values_list("asked_by", flat=True).first()
    if asked_by is None:
        return False
    if not writers({(asked_by, pk)}):
        _told(pk, is_changed=bool(held.filter(asked_by=asked_by).unask()))
        return False
    if not Document.objects.hand_over(pk, fence):
        return False
    drafts.offer(pk, person_id, fence, asked_by)
    return _told(pk, is_changed=True)


@transaction.atomic
def seize(pk: int, person_id: int, reason: str) -> int | None:
    """Take the pen, whatever its holder wants; they will read the reason. If their page
    is here, it first stores what is in it, like before a handover, and then the pen
    moves.

    Returns:
        The new fence; None when the pen is still to come, or has moved at the same moment.
    """
    holder, fence = Document.objects.values_list("holder", "fence").get(pk=pk)
    present = Document.objects.present()
    here = queries.claims(holder, pk) if holder and holder != person_id else []
    if any(claim.pen == fence for claim in here) and present.demand(pk, person_id, fence, reason):
        _announce(pk)
        return None
    if not present.seize(pk, person_id, fence, reason):
        return None
    if holder and holder != person_id:
        drafts.offer(pk, holder, fence, person_id)
    activity.record(pk, person_id, Activity.Verb.EDITING)
    return _announce(pk)


@transaction.atomic
def forget_questions(gone: Collection[tuple[int, int]]) -> None:
    """Who has left a document does not wait for its pen any more.

    Args:
        gone: pairs of document and person, of whose pages there one has gone.
    """
    waiting = Document.objects.waited_for({pk for pk, _ in gone})
    for pk, person_id in set(waiting.values_list("pk", "asked_by")).intersection(gone):
        if not queries.is_here(person_id, pk):
            withdraw(pk, person_id)


def pass_on() -> None:
    """Let go the pens whose holders have not answered, in two steps: their pages
    store what is in them, and then the pen moves."""
    for pk in Document.objects.begin_yield():
        _announce(pk)
    for pk, holder, fence in Document.objects.yielded().values_list("pk", "holder", "fence"):
        hand_over(pk, holder, fence)


def renew(claims: Collection[tuple[int, int]]) -> None:
    """Keep the pens of pages that have just come: pairs of document and fence. It says
    nothing of any other pen, so nobody is told."""
    Document.objects.renew(claims)


def renew_all(claims: Collection[tuple[int, int]]) -> None:
    """Keep the pens of all pages that are connected to this process, and tell its
    editors, all in one. They rely on it: so only when it is written, and of no later
    time than the oldest of these pens was renewed at."""
    global _renewed_at
    begun_at = timezone.now()
    if Document.objects.renew(claims):
        _renewed_at = begun_at
        changed(RENEWALS)


def renewed_at() -> datetime:
    """When this process has last renewed all its pens; until then, when it has begun."""
    return _renewed_at


def expire() -> None:
    """Free the pens whose holders are gone, and say so."""
    for pk in Document.objects.clear_expired():
        _announce(pk)


def _told(pk: int, *, is_changed: bool) -> bool:
    if is_changed:
        _announce(pk)
    return is_changed


def _announce(pk: int) -> int:
    changed(pen(pk), presence.EVERYBODY)
    fence: int = Document.objects.values_list("fence", flat=True).get(pk=pk)
    return fence
