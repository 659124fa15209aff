"""What the workspace does when the engine tells it of pages and time."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

from django.dispatch import receiver

from . import queries
from .live.conf import conf
from .live.presence import Page
from .live.signals import heartbeat, joined, left, returned, swept
from .live.topics import bind
from .models import Document
from .operations import activity, editing, reading
from .subjects import DOCUMENTS, EDITING, READING, content, document_of, pen
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


@receiver([joined, returned])
def give_back_pens(pages: Sequence[Page], **kwargs: Any) -> None:
    """An editor that was away (asleep, without a network) goes on where it was, and
    whatever pen it has lasts for a whole time from now."""
    for page in pages:
        for document, fence in _claims([page]):
            editing.regain(document, page.user_id, fence)
    editing.renew(_claims(pages))


@receiver(left)
def note_read(pages: Sequence[Page], **kwargs: Any) -> None:
    """A page was live to its end: the person has seen all saves till then.

    The pen of an editor that has said goodbye returns now; that of one that was lost
    has no claim any more, and runs out in its own time: its page may be open still.
    """
    for page in pages:
        document = document_of(page.subject)
        if document is None:
            continue
        reading.mark_current(document, page.user_id)
        if page.mode != EDITING or not page.claim:
            continue
        # A page that was loaded again has the same claim, and is still here.
        if not queries.is_connected(page.user_id, document, page.claim):
            editing.release(document, page.user_id, int(page.claim))


_renewed_at = 0.0


@receiver(heartbeat)
def keep_pens(pages: Sequence[Page], **kwargs: Any) -> None:
    """Renew the pens of the pages this process holds, together."""
    global _renewed_at
    if time.monotonic() - _renewed_at + conf().heartbeat_seconds < RENEW_SECONDS:
        return  # the next heartbeat is early enough
    _renewed_at = time.monotonic()
    editing.renew(_claims(pages))


def _claims(pages: Iterable[Page]) -> set[tuple[int, int]]:
    """The documents that these pages edit, with their fences."""
    return {
        (document, int(page.claim))
        for page in pages
        if page.mode == EDITING
        and page.claim
        and (document := document_of(page.subject)) is not None
    }


@receiver(swept)
def free_pens(**kwargs: Any) -> None:
    """Pens whose time has run out are free for others, those that were asked for
    in vain move on, and everybody sees it."""
    editing.expire()
    editing.pass_on()
