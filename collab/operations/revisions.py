"""Keeping every version of a document, in little space."""

from __future__ import annotations

from ..differences import WordCount
from ..models import Revision
from ..packing import pack, unpack

#: A new key after this many revisions, so that differences stay small...
KEY_EVERY = 100
#: ...and wherever a difference is more than this part of its key.
WORTHWHILE = 0.5


def record(
    document_id: int,
    version: int,
    author_id: int,
    *,
    title: str,
    cover: str,
    text: str,
    words: WordCount,
) -> Revision:
    """Keep a version. Call it in the transaction that has written it: the
    document's row is locked there, so versions are recorded one by one."""
    key = _last_key(document_id)
    packed, key_version = pack(text), None
    if key is not None and version - key.version < KEY_EVERY:
        against = pack(text, unpack(bytes(key.packed)))
        if len(against) <= WORTHWHILE * len(packed):
            packed, key_version = against, key.version
    return Revision.objects.create(
        document_id=document_id,
        version=version,
        author_id=author_id,
        title=title,
        cover=cover,
        words_added=words.added,
        words_removed=words.removed,
        key_version=key_version,
        packed=packed,
    )


def rename(document_id: int, version: int, name: str) -> None:
    """Give a version a name, or take it away with ""."""
    Revision.objects.filter(document=document_id, version=version).update(name=name)


def _last_key(document_id: int) -> Revision | None:
    keys = Revision.objects.filter(document=document_id, key_version=None)
    return keys.order_by("-version").first()
