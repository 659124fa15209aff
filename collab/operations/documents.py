"""Creating documents, saving their texts, restoring what they were."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from .. import queries
from ..differences import WordCount, words_changed
from ..errors import HeadingTaken, PenTaken, StaleSave, TooLong
from ..live.topics import changed
from ..merging import Overlap, joined, merge
from ..models import Activity, Document, Heading, Revision
from ..models.document import EXCERPT_CHARACTERS
from ..subjects import DOCUMENTS, content, pen
from ..text import check_size, excerpt, normalise
from . import activity, drafts, editing, headings, revisions


@dataclass(frozen=True)
class Content:
    """What a document holds. ``cover`` is a stored file's name, or ""."""

    title: str
    text: str
    cover: str = ""


def create(author_id: int, new: Content) -> Document:
    """Make a document; the author is its first editor."""
    text = normalise(new.text)
    words, beginning = words_changed("", text), excerpt(text, EXCERPT_CHARACTERS)
    with transaction.atomic():
        document = Document.objects.create(
            text=text,
            excerpt=beginning,
            author_id=author_id,
            changed_by_id=author_id,
        )
        Heading.objects.create(document=document, title=new.title, cover=new.cover)
        revisions.record(document, author_id, words=words, new_cover=new.cover)
        activity.record(document.pk, author_id, Activity.Verb.CREATED, version=1, words=words)
        changed(DOCUMENTS)
    return document


def save(
    pk: int,
    person_id: int,
    text: str,
    *,
    fence: int,
    version: int,
    sequence: int | None = None,
    page: str = "",
) -> int:
    """Publish a new version of the text, if nobody else has written since.

    One conditional UPDATE on id, version, fence and holder decides. In the trash a
    document stays as it is.

    Args:
        pk: the document.
        person_id: who saves.
        text: the whole new text.
        fence: the fence under which the person has been editing.
        version: the version the person started from.
        sequence: of the editor's text, see :func:`.drafts.settle`.
        page: of the editor that holds just this text, see there.

    Returns:
        The new version.

    Raises:
        StaleSave: the fence or the version has moved on; nothing was written.
    """
    text = normalise(text)
    read = _read(pk, version, text)
    stay: dict[str, Any] = {"fence": fence, "sequence": sequence, "page": page}
    return _write(pk, person_id, text, read, version=version, **stay)


class Read(NamedTuple):
    """What has been found in a text that is about to be written."""

    words: WordCount
    excerpt: str


def _read(pk: int, version: int, text: str) -> Read:
    """Compare with the version that is to be replaced, and take the excerpt. Reading
    long texts takes a while, and SQLite lets nobody else write during a transaction: so
    this comes before it, and the UPDATE finds out if the version has moved on meanwhile.

    Raises:
        StaleSave: that version is not the present one.
    """
    known = Document.objects.filter(pk=pk, version=version)
    before = known.values_list("text", flat=True).first()
    if before is None:
        raise StaleSave
    return Read(words_changed(before, text), excerpt(text, EXCERPT_CHARACTERS))


@transaction.atomic
def _write(
    pk: int,
    person_id: int,
    text: str,
    read: Read,
    *,
    fence: int,
    version: int,
    sequence: int | None = None,
    page: str = "",
) -> int:
    present = Document.objects.present()
    saved = present.writable(pk, person_id, fence=fence, version=version).update(
        text=text,
        excerpt=read.excerpt,
        version=F("version") + 1,
        changed_at=Now(),
        changed_by=person_id,
    )
    if not saved:
        raise StaleSave
    document = Document.objects.defer("text").get(pk=pk)
    document.text = text
    revisions.record(document, person_id, words=read.words)
    activity.record(pk, person_id, Activity.Verb.SAVED, version=version + 1, words=read.words)
    drafts.settle(pk, person_id, fence, sequence, version=version + 1, page=page)
    changed(content(pk), pen(pk))
    return version + 1


def publish(
    pk: int,
    person_id: int,
    text: str,
    *,
    fence: int,
    version: int,
    sequence: int | None = None,
    page: str = "",
) -> tuple[int, list[Revision]]:
    """Like :func:`save`; what somebody else has saved meanwhile is merged.

    Returns:
        The new version, and the saves it was merged with, newest first, if there were
        any: another title is none.

    Raises:
        StaleSave: the fence has moved on, or the version was never there, or the
            two texts together are longer than a document may be.
        Overlap: both changed the same passages; nothing was written.
    """
    stay: dict[str, Any] = {"fence": fence, "sequence": sequence}
    try:
        return save(pk, person_id, text, version=version, page=page, **stay), []
    except StaleSave:
        if not Document.objects.unhindered(pk, person_id, fence).exists():
            raise
    present = Document.objects.get(pk=pk)
    base = queries.revision(pk, version)
    if base is None or base.version == present.version:
        raise StaleSave
    before = queries.text_of(base)
    if before == present.text:  # only the heading is another
        return save(pk, person_id, text, version=present.version, page=page, **stay), []
    passages = merge(before, normalise(text), present.text)
    if any(passage.overlaps for passage in passages):
        raise Overlap(passages, present.version)
    try:
        merged = check_size(joined(passages))
    except TooLong as error:
        raise StaleSave from error
    others = queries.text_saves(pk, after=version, to=present.version)
    return save(pk, person_id, merged, version=present.version, **stay), others


@transaction.atomic
def mark_template(pk: int, *, is_template: bool) -> None:
    """Let new documents start from this one, or no longer."""
    other = Document.objects.present().filter(pk=pk, is_template=not is_template)
    if other.update(is_template=is_template):
        changed(content(pk), DOCUMENTS)


def restore(pk: int, person_id: int, old: Content) -> int:
    """Make an earlier content the present one: a new version, like any save.

    Returns:
        The new version.

    Raises:
        PenTaken: somebody is editing; nothing was written.
        HeadingTaken: somebody is changing the title or the cover, and they would
            become others; nothing was written.
        StaleSave: somebody saved at the same moment; nothing was written.
    """
    text = normalise(old.text)
    version: int = Document.objects.values_list("version", flat=True).get(pk=pk)
    read = _read(pk, version, text)
    with transaction.atomic():
        fence = editing.take(pk, person_id, is_news=False)
        if fence is None:
            raise PenTaken
        if not headings.put_back(pk, person_id, title=old.title, cover=old.cover):
            raise HeadingTaken
        new_version = _write(pk, person_id, text, read, fence=fence, version=version)
        editing.release(pk, person_id, fence)
    return new_version
