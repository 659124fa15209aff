"""Documents as files to take away: Markdown, a page that stands by itself, or all
of them in one archive.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress

from django.core.files.storage import default_storage
from django.core.serializers.json import DjangoJSONEncoder
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from zipstream import ZipStream

from . import covers, personal, queries
from .models import Document, Draft, Person, Revision
from .models.document import DocumentQuerySet
from .text import rendered, title_and_body, without_images

#: Pieces of a file are handed on in parts of at least this size, in bytes.
PART_BYTES = 64 * 1024
PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")


def markdown(document: Document) -> str:
    """A document as a Markdown file, as the import reads it: the title is its first
    heading."""
    return f"{_heading(document.title)}{document.text}"


def page(document: Document) -> str:
    """A document as an HTML file that needs no other: its style and its cover are in
    it, and pictures of other documents are left out."""
    text = without_images(rendered(document.text).html)
    cover = base64.b64encode(b"".join(_cover(document.cover))).decode()
    context = {"document": document, "text": text, "cover": cover}
    return render_to_string("documents/standalone.html", context)


def archive(documents: DocumentQuerySet, folder: str = "") -> ZipStream:
    """Documents with their covers as an archive whose length is known before it is
    made. It reads one text at a time, while it is iterated.

    Whoever saves meanwhile changes nothing: what was the present version of a
    document at the beginning is what the archive gets. What has been deleted for good
    meanwhile cannot be had any more: a note to say so, or a cover without a picture,
    takes its place in the archive, and its length.

    Args:
        documents: which ones.
        folder: where in the archive they lie, with a slash at its end.
    """
    archived = ZipStream(sized=True)
    taken: set[str] = set()
    note = _("This document was deleted for good while the archive was made.").encode()
    found = documents.defer("text").order_by("heading__title", "pk")
    for document in found.iterator(chunk_size=500):
        name = _unused(document.slug, taken)
        head = _heading(document.title).encode()
        text = _text(head, document.pk, document.version, document.size, note)
        archived.add(text, f"{folder}{name}.md", size=len(head) + document.size)
        if covers.is_stored(document.cover):
            size = default_storage.size(covers.path_of(document.cover))
            archived.add(_cover(document.cover, size), f"{folder}{name}.webp", size=size)
    return archived


def person_archive(person: Person) -> ZipStream:
    """Everything the workspace holds of one person: their documents, those in the
    trash included, with covers; their unsaved texts; and a JSON file with all the
    rest (see :mod:`.personal`)."""
    archived = archive(Document.objects.filter(author=person), folder="documents/")
    unsaved = Draft.objects.filter(person=person, is_settled=False)
    for draft in unsaved.select_related("document__heading").order_by("pk"):
        name = f"drafts/{draft.document.slug}-{draft.pk}.md"
        archived.add(draft.text.encode(), name)
    records = json.dumps(
        personal.records(person), cls=DjangoJSONEncoder, ensure_ascii=False, indent=1
    )
    archived.add(records.encode(), "person.json")
    return archived


def in_parts(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in parts of :data:`PART_BYTES` or a little more; the last one is
    what remains."""
    gathered, size = [], 0
    for piece in pieces:
        gathered.append(piece)
        size += len(piece)
        if size >= PART_BYTES:
            yield b"".join(gathered)
            gathered, size = [], 0
    yield b"".join(gathered)


def _heading(title: str) -> str:
    title = " ".join(title.split())
    if title_and_body(f"# {title}")[0] != title:  # it would be read as Markdown
        title = PUNCTUATION.sub(r"\\\1", title)
    return f"# {title}\n\n"


def _unused(name: str, taken: set[str]) -> str:
    """``name``, or ``name-2`` and so on when that is taken; and it is taken from now."""
    number, unused = 1, name
    while unused in taken:
        number += 1
        unused = f"{name}-{number}"
    taken.add(unused)
    return unused


def _text(head: bytes, pk: int, version: int, size: int, note: bytes) -> Iterator[bytes]:
    """A document as it was at ``version``, or the note, in as many bytes, if it has been
    deleted for good."""
    yield head
    text = _text_of(pk, version)
    if text is not None:
        yield text.encode()
    else:  # without room for the note, an empty document has to say it
        yield (note if len(note) <= size else b"").ljust(size, b"\n")


def _text_of(pk: int, version: int) -> str | None:
    """A version's text, from its revision if somebody has saved since; None when the
    document is not there any more."""
    present = Document.objects.filter(pk=pk, version=version).values_list("text", flat=True)
    text: str | None = present.first()
    if text is None:
        with suppress(Revision.DoesNotExist):
            text = queries.text_of(queries.revisions(pk).get(version=version))
    return text


def _cover(name: str, size: int = 0) -> Iterator[bytes]:
    """A cover, or ``size`` empty bytes if it is not stored (any more)."""
    try:
        stored = default_storage.open(covers.path_of(name))
    except (ValueError, FileNotFoundError):
        yield bytes(size)
        return
    with stored:
        yield from stored.chunks()
