"""What the workspace does when the engine tells it of pages and time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone

from . import queries
from .live.conf import conf
from .live.presence import Page
from .live.signals import heartbeat, joined, left, returned, swept
from .live.topics import bind
from .models import Document, Person, SecurityEvent
from .models.sign_in import DEVICE
from .operations import activity, audit, editing, headings, reading
from .permissions import writers
from .subjects import DOCUMENTS, READING, Claim, content, document_of, pen
from .timings import RENEW_SECONDS

Kind = SecurityEvent.Kind
#: Before any renewal, by the monotonic clock.
LONG_AGO = float("-inf")
_renewed_at = LONG_AGO

#: A document, a page of it, and what that holds.
Claimed = tuple[int, Page, Claim]

# The administration deletes through the models: data binding tells the pages.
bind(Document, lambda document: (content(document.pk), pen(document.pk), DOCUMENTS))


@receiver(joined)
def note_opened(pages: Sequence[Page], **kwargs: Any) -> None:
    """Somebody has opened a document: its author, and others, may want to know."""
    for page in pages:
        document = document_of(page.subject)
        if document is not None and page.mode == READING:
            activity.record_opened(document, page.user_id)


@receiver([joined, returned])
def give_back_leases(pages: Sequence[Page], **kwargs: Any) -> None:
    """A page that was away (asleep, without a network) goes on where it was, and
    whatever it holds lasts for a whole time from now, if its person may still hold it
    and has not given it back: of a page that was left right after it was entered this
    may be the first, and the last, that is heard.
    Its editor is told soon: the next heartbeat renews all pens, since news of one must
    not be taken for news of another."""
    global _renewed_at
    rightful = _rightful(pages)
    for document, page, claim in rightful:
        if claim.pen:
            editing.resume(document, page.user_id, claim.pen)
            _renewed_at = LONG_AGO
        if claim.heading:
            headings.resume(document, page.user_id, claim.heading)
    pens, others = _held(rightful)
    editing.renew(pens)
    headings.renew(others)


@receiver(left)
def note_read(pages: Sequence[Page], **kwargs: Any) -> None:
    """A page was live to its end: the person has seen all saves till then."""
    for page in pages:
        document = document_of(page.subject)
        if document is not None:
            reading.mark_current(document, page.user_id)


@receiver(left)
def free_leases(pages: Sequence[Page], **kwargs: Any) -> None:
    """What a page held that has said goodbye returns now, unless it was loaded again,
    or led to another that goes on: then that has the same claim. A page that was lost
    has no claim any more, and its leases run out in their own time: it may be open
    still."""
    for document, page, claim in _claims(pages):
        here = queries.claims(page.user_id, document)
        if claim.pen and all(other.pen != claim.pen for other in here):
            editing.lapse(document, page.user_id, claim.pen)
        if claim.heading and all(other.heading != claim.heading for other in here):
            headings.lapse(document, page.user_id, claim.heading)


@receiver(left)
def withdraw_questions(pages: Sequence[Page], **kwargs: Any) -> None:
    """The pen must not go to somebody who is not there to take it."""
    gone = {(document_of(page.subject), page.user_id) for page in pages}
    editing.forget_questions({(pk, person) for pk, person in gone if pk is not None})


def _claims(pages: Sequence[Page]) -> Iterator[Claimed]:
    for page in pages:
        document = document_of(page.subject)
        if document is not None and page.claim:
            yield document, page, Claim.of(page.claim)


def _rightful(pages: Sequence[Page]) -> Sequence[Claimed]:
    """Claims of those who may change the document."""
    claims = list(_claims(pages))
    allowed = writers({(page.user_id, document) for document, page, _ in claims})
    return [claimed for claimed in claims if (claimed[1].user_id, claimed[0]) in allowed]


def _held(claims: Sequence[Claimed]) -> tuple[set[tuple[int, int]], set[tuple[int, int]]]:
    """The pens and the headings' leases that are claimed, as pairs of document and fence."""
    return (
        {(document, claim.pen) for document, _, claim in claims if claim.pen},
        {(document, claim.heading) for document, _, claim in claims if claim.heading},
    )


@receiver(heartbeat)
def keep_leases(pages: Sequence[Page], **kwargs: Any) -> None:
    """Renew the leases of the pages this process holds, together, if their people may
    still hold them. If that fails, the next heartbeat tries again."""
    global _renewed_at
    now = time.monotonic()
    if now - _renewed_at + conf().heartbeat_seconds < RENEW_SECONDS:
        return  # the next heartbeat is early enough
    pens, others = _held(_rightful(pages))
    editing.renew_all(pens)
    headings.renew(others)
    _renewed_at = now


@receiver(swept)
def pass_leases_on(**kwargs: Any) -> None:
    """Leases whose time has run out are free for others, pens that were asked for in
    vain move on, and everybody sees it."""
    if not queries.is_a_lease_due():
        return
    editing.expire()
    headings.expire()
    editing.pass_on()


@receiver(user_logged_in)
def note_sign_in(request: HttpRequest, user: Person, **kwargs: Any) -> None:
    """The session knows its browser from now on, for its list in the profile."""
    address = request.META.get("REMOTE_ADDR") or None
    agent = request.headers.get("User-Agent", "")
    at = timezone.now().isoformat()
    request.session[DEVICE] = {"agent": agent, "address": address, "at": at}
    audit.record(Kind.SIGNED_IN, actor=user.pk, person=user.pk, address=address)


@receiver(user_logged_out)
def note_sign_out(request: HttpRequest, user: Person | None, **kwargs: Any) -> None:
    if user is not None:
        address = request.META.get("REMOTE_ADDR") or None
        audit.record(Kind.SIGNED_OUT, actor=user.pk, person=user.pk, address=address)


@receiver(user_login_failed)
def note_refusal(
    credentials: Mapping[str, Any], request: HttpRequest | None = None, **kwargs: Any
) -> None:
    """Of the name that was tried only whether there is such an account."""
    found = Person.objects.filter(username=str(credentials.get("username", ""))[:150])
    address = request.META.get("REMOTE_ADDR") if request else None
    person = found.values_list("pk", flat=True).first()
    audit.record(Kind.REFUSED, person=person, address=address or None)
