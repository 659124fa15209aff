"""Writing down what happened."""

from __future__ import annotations

from datetime import timedelta

from django.db import connection, transaction
from django.db.models.functions import Now

from ..differences import WordCount
from ..live.topics import changed
from ..models import Activity, Document
from ..subjects import ACTIVITY
from ..timings import REOPEN_SECONDS

#: Key of the advisory lock below; any number, used for nothing else.
FEED_LOCK = 0x436F6C6C6162
NO_WORDS = WordCount(0, 0)


@transaction.atomic
def record(
    document_id: int,
    actor_id: int,
    verb: Activity.Verb,
    *,
    version: int | None = None,
    words: WordCount = NO_WORDS,
) -> None:
    """Add an event. Call it last in the transaction it belongs to: from here to
    its commit, nobody else can add one.

    Args:
        version: the one that came of it, if one did.
        words: by how many its text differs from the one before.
    """
    _in_order()
    Activity.objects.create(
        document_id=document_id,
        actor_id=actor_id,
        verb=verb,
        version=version,
        words_added=words.added,
        words_removed=words.removed,
    )
    changed(ACTIVITY)


@transaction.atomic
def record_opened(document_id: int, actor_id: int) -> None:
    """Add "opened", unless the person was here a moment ago, or the document is gone
    (its page is still open)."""
    _in_order()  # first: what another process is adding counts
    recent = Activity.objects.filter(
        document=document_id, actor=actor_id, at__gte=Now() - timedelta(seconds=REOPEN_SECONDS)
    )
    if not recent.exists() and Document.objects.present().filter(pk=document_id).exists():
        record(document_id, actor_id, Activity.Verb.OPENED)


def _in_order() -> None:
    """Make ids visible in their order: a feed remembers only the last one seen.

    PostgreSQL hands out ids at once but shows rows at commit; this lock, held to
    the end of the transaction, makes both the same order. SQLite has one writer.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [FEED_LOCK])
