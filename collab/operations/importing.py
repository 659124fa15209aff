"""Bringing in Markdown files, all of a file or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from django.db import transaction
from django.utils.translation import gettext as _

from ..errors import BadMarkdown
from ..models import Document
from ..text import title_and_body
from ..timings import TEXT_BYTES, TITLE_CHARACTERS
from . import documents


def find(paths: list[Path]) -> Iterator[Path]:
    """The Markdown files among ``paths`` and below them, in order."""
    for path in paths:
        if path.is_dir():
            yield from sorted(p for p in path.rglob("*.md") if p.is_file())
        else:
            yield path


@transaction.atomic
def import_file(path: Path, author_id: int) -> Document:
    """Make a document of a Markdown file.

    The title is the first heading, or the file's name where there is none.

    Raises:
        BadMarkdown: the file cannot be read, is not UTF-8, or is too large;
            nothing was imported.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise BadMarkdown(_("cannot be read: %s") % error.strerror) from error
    if len(raw) > TEXT_BYTES:
        raise BadMarkdown(
            _("has %(size)d KB; a document holds up to %(limit)d KB")
            % {"size": len(raw) // 1000, "limit": TEXT_BYTES // 1000}
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadMarkdown(_("is not UTF-8 (at byte %d)") % error.start) from error
    if "\x00" in text:
        raise BadMarkdown(_("contains NUL bytes: it is not a text"))
    title, body = title_and_body(text)
    title = (title or path.stem.replace("-", " ").replace("_", " ").capitalize()).strip()
    return documents.create(author_id, documents.Content(title=title[:TITLE_CHARACTERS], text=body))
