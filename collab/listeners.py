"""What the workspace does when the engine tells it of pages and time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from django.dispatch import receiver

from . import queries
from .live.presence import Page
from .live.signals import heartbeat, joined, left, swept
from .live.topics import bind
from .models import Document
from .operations import activity, editing, headings, reading
from .subjects import DOCUMENTS, READING, Claim, content, document_of, pen
from .timings import RENEW_SECONDS

# The administration deletes through the models: data binding tells the pages.
bind(Document, lambda document: (content(document.pk), pen(document.pk), DOCUMENTS))


@receiver(joined)
def note_opened(pages: Sequence[Page], **kwargs: Any) -> None:
    """Somebody has opened a document: its author, and others, may want to know."""
    for page in pages:
        document = document_of(page.subject)
        if document is not None and page.mode == READING:
            activity.record_opened(document, page.user_id)


@receiver(joined)
def give_back_leases(pages: Sequence[Page], **kwargs: Any) -> None:
    """A page that was away (asleep, without a network) goes on where it was."""
    for document, page, claim in _claims(pages):
        if claim.pen:
            editing.regain(document, page.user_id, claim.pen)
        if claim.heading:
            headings.regain(document, page.user_id, claim.heading)


@receiver(left)
def note_read(pages: Sequence[Page], **kwargs: Any) -> None:
    """A page was live to its end: the person has seen all saves till then."""
    for page in pages:
        document = document_of(page.subject)
        if document is not None:
            reading.mark_current(document, page.user_id)


@receiver(left)
def free_leases(pages: Sequence[Page], **kwargs: Any) -> None:
    """What a page held that is gone for good returns at once, unless it was loaded
    again, or led to another that goes on: then that has the same claim."""
    for document, page, claim in _claims(pages):
        here = queries.claims(page.user_id, document)
        if claim.pen and all(other.pen != claim.pen for other in here):
            editing.release(document, page.user_id, claim.pen)
        if claim.heading and all(other.heading != claim.heading for other in here):
            headings.release(document, page.user_id, claim.heading)


def _claims(pages: Sequence[Page]) -> Iterator[tuple[int, Page, Claim]]:
    for page in pages:
        document = document_of(page.subject)
        if document is not None and page.claim:
            yield document, page, Claim.of(page.claim)


_renewed_at = 0.0


@receiver(heartbeat)
def keep_leases(pages: Sequence[Page], **kwargs: Any) -> None:
    """Renew the leases of the pages this process holds, together."""
    global _renewed_at
    if time.monotonic() - _renewed_at < RENEW_SECONDS:
        return
    _renewed_at = time.monotonic()
    claims = [(document, claim) for document, _, claim in _claims(pages)]
    editing.renew({(document, claim.pen) for document, claim in claims if claim.pen})
    headings.renew({(document, claim.heading) for document, claim in claims if claim.heading})


@receiver(swept)
def pass_leases_on(**kwargs: Any) -> None:
    """Leases whose time has run out are free for others, pens that were asked for in
    vain move on, and everybody sees it."""
    editing.expire()
    headings.expire()
    editing.pass_on()
