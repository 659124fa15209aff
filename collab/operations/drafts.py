"""Drafts: keeping what is typed, until it is saved or its writer discards it."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from django.db import transaction
from django.db.models.functions import Now

from ..errors import UnknownStay
from ..live.metrics import meter
from ..live.topics import changed
from ..models import Document, Draft
from ..subjects import typing
from ..text import normalise


@transaction.atomic
def keep(
    pk: int,
    person_id: int,
    *,
    text: str,
    fence: int,
    version: int,
    sequence: int,
    is_late: bool = False,
) -> tuple[Draft, bool]:
    """Keep what is in an editor now, whoever has the pen meanwhile, and if the
    document is in the trash.

    Text that arrives in the wrong order, or twice, changes nothing; text that is
    what the document holds anyway counts as settled.

    Args:
        pk: the document.
        person_id: who types.
        text: the whole text.
        fence: the fence under which the editor was opened.
        version: the version that the text began from.
        sequence: rises with each change in that editor.
        is_late: a browser has kept it for a while. Then it is as old as its sequence
            says, which browsers take from their clocks (in milliseconds).

    Returns:
        The draft as it stands now, and whether this editor still has the pen.

    Raises:
        UnknownStay: no editor of this document can know such a fence or version, or
            the document has been deleted for good.
    """
    has_pen = Document.objects.touch(pk, person_id, fence)
    known = Document.objects.filter(pk=pk, version__gte=version, fence__gte=fence)
    saved = known.values_list("text", flat=True).first()
    if saved is None:
        raise UnknownStay
    text = normalise(text)
    content = {
        "text": text,
        "base_version": version,
        "sequence": sequence,
        "is_settled": text == saved,
        "saved_at": _typed_at(sequence) if is_late else Now(),
    }
    draft, is_new = Draft.objects.get_or_create(
        document_id=pk, person_id=person_id, fence=fence, defaults=content
    )
    if not is_new:
        Draft.objects.filter(pk=draft.pk, sequence__lt=sequence).update(**content)
    draft.refresh_from_db()
    meter.count("autosaves")
    if has_pen:
        changed(typing(pk))
    return draft, has_pen


def _typed_at(sequence: int) -> datetime:
    """No later than now, whatever a browser believes."""
    return datetime.fromtimestamp(min(sequence / 1000, time.time()), UTC)


def settle(
    pk: int, person_id: int, fence: int, sequence: int | None, *, version: int, page: str = ""
) -> None:
    """A stay's text has been saved. Call it in the transaction of the save.

    Args:
        version: what became of it.
        page: the page that has just this text, and so goes on from that version.
        sequence: of the text that was saved; what was typed later stays a draft.
            None (a page without JavaScript) settles whatever there is.
    """
    stay = Draft.objects.filter(document=pk, person=person_id, fence=fence)
    if page or sequence is not None:
        Draft.objects.get_or_create(
            document_id=pk,
            person_id=person_id,
            fence=fence,
            defaults={"sequence": sequence or 0, "base_version": version, "is_settled": True},
        )
    stay.update(saved_by=page, saved_version=version)
    settled = {"text": "", "is_settled": True}
    if sequence is None:
        stay.update(**settled)
    else:
        stay.filter(sequence__lte=sequence).update(**settled, sequence=sequence)


def offer(pk: int, person_id: int, fence: int, to: int) -> None:
    """Let the next holder of the pen go on from what the last one has typed."""
    stay = Draft.objects.filter(document=pk, person=person_id, fence=fence, is_settled=False)
    stay.update(offered_to=to)


@transaction.atomic
def resume(draft: Draft, person_id: int, fence: int) -> None:
    """Go on with an earlier draft in the person's stay under ``fence``. What that
    stay has of its own changes places with it, so nothing is lost. Somebody else's
    draft is copied, and stays theirs."""
    changed(typing(draft.document_id))
    if draft.person_id != person_id:
        Draft.objects.filter(pk=draft.pk).update(offered_to=None)
        # A fence is of one person, so the copy's place is free.
        draft, _ = Draft.objects.update_or_create(
            document_id=draft.document_id,
            person_id=person_id,
            fence=draft.fence,
            defaults={
                "sequence": draft.sequence,
                "base_version": draft.base_version,
                "text": draft.text,
                "is_settled": False,
            },
        )
    stay = Draft.objects.filter(document=draft.document_id, person=person_id, fence=fence)
    here = stay.exclude(pk=draft.pk).first()
    earlier = (draft.text, draft.base_version, max(draft.sequence, 0))
    if here is None:
        draft.fence = fence
        draft.save(update_fields=["fence"])
        return
    if here.is_settled:
        draft.delete()
    else:
        draft.text, draft.base_version = here.text, here.base_version
        draft.save(update_fields=["text", "base_version"])
    here.text, here.base_version, sequence = earlier
    here.sequence = max(here.sequence, sequence) + 1
    here.is_settled = False
    here.save()


@transaction.atomic
def discard(draft_id: int, person_id: int) -> None:
    """Throw a draft away. Only its writer can."""
    own = Draft.objects.filter(pk=draft_id, person=person_id)
    changed(*(typing(pk) for pk in own.values_list("document", flat=True)))
    own.delete()
