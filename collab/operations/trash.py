"""The trash: documents that can be brought back, and the end of those that are not.

Moving, restoring and deleting may meet in the same moment. Each is one
conditional statement on the document's row (a deletion locks it first), so one
of them wins and the others have no effect.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from itertools import islice

from django.db import transaction
from django.db.models.functions import Now

from .. import covers
from ..live import presence
from ..live.topics import changed
from ..models import Activity, Document, Heading, Revision
from ..models.document import DocumentQuerySet
from ..subjects import DOCUMENTS, content, heading, pen
from . import activity

#: Covers are looked for by so many names at a time.
NAMES = 500


@transaction.atomic
def move(pk: int, person_id: int) -> bool:
    """Move a document to the trash, out of the hands of whoever edits it: what they
    have typed stays their unsaved text.

    Returns:
        Whether this call did it.
    """
    present = Document.objects.present().filter(pk=pk)
    if not present.revoke(trashed_at=Now(), trashed_by=person_id):
        return False
    Heading.objects.filter(pk=pk).revoke()
    _announce(pk, person_id, Activity.Verb.TRASHED)
    return True


@transaction.atomic
def restore(pk: int, person_id: int) -> bool:
    """Bring a document back, as it was; returns whether this call did it."""
    trashed = Document.objects.trashed().filter(pk=pk)
    if not trashed.update(trashed_at=None, trashed_by=None):
        return False
    _announce(pk, person_id, Activity.Verb.RESTORED)
    return True


def delete(pk: int) -> bool:
    """Delete a document of the trash for good; returns whether this call did it."""
    return _delete(Document.objects.trashed(), pk) is not None


def erase(pk: int) -> bool:
    """Delete a document for good, in the trash or not: for the administration."""
    return _delete(Document.objects.all(), pk) is not None


def purge() -> list[str]:
    """Delete for good what has been in the trash for
    :data:`~collab.timings.TRASH_DAYS`; returns the titles."""
    overdue = Document.objects.overdue()
    titles = [_delete(overdue, pk) for pk in overdue.values_list("pk", flat=True)]
    return [title for title in titles if title is not None]


def remove_unused_covers() -> int:
    """Delete the pictures of changes that never came about; returns how many."""
    covers.remove_stale_aside()
    return _remove_unused(covers.stale())


def _announce(pk: int, person_id: int, verb: Activity.Verb) -> None:
    activity.record(pk, person_id, verb)
    changed(content(pk), pen(pk), heading(pk), DOCUMENTS, presence.EVERYBODY)


@transaction.atomic
def _delete(rows: DocumentQuerySet, pk: int) -> str | None:
    """Delete a document with its revisions, drafts, activities and readings, if it is
    one of ``rows``; and then the covers that only it had."""
    # Locked, so that a restore comes before this or finds nothing.
    found: Document | None = (
        rows.select_for_update(of=("self",)).defer("text").filter(pk=pk).first()
    )
    if found is None:
        return None
    names = {found.cover, *found.revisions.values_list("cover", flat=True)} - {""}
    found.delete()  # the pages hear of it by data binding, see ``listeners``
    transaction.on_commit(partial(_remove_unused, names))
    return found.title


def _remove_unused(names: Iterable[str]) -> int:
    """Delete those of these covers that nothing names; returns how many."""
    names, removed = iter(names), 0
    while unused := set(islice(names, NAMES)):
        for users in (Heading, Revision):
            used = users.objects.filter(cover__in=unused).values_list("cover", flat=True)
            unused = unused.difference(used)
        for name in unused:
            covers.remove(name)
        removed += len(unused)
    return removed
