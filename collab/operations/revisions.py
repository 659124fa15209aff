"""Keeping every version of a document, in little space."""

from __future__ import annotations

from .. import covers
from ..differences import WordCount
from ..models import Document, Revision
from ..packing import pack, unpack

#: A new key after this many revisions, so that differences stay small...
KEY_EVERY = 100
#: ...and wherever a difference is more than this part of its key.
WORTHWHILE = 0.5


def record(
    document: Document, author_id: int, *, words: WordCount, new_cover: str = ""
) -> Revision:
    """Keep the present version. Call it in the transaction that has written it: the
    document's row is locked there, so versions are recorded one by one.

    Args:
        document: as it is now.
        author_id: who has made this version; what it takes is of their space.
        words: by how many its text differs from the one before.
        new_cover: the name of the picture that came with it, if one did.
    """
    key = _last_key(document.pk)
    packed, key_version = b"", None
    if key is not None and document.version - key.version < KEY_EVERY:
        whole = bytes(key.packed)
        packed, key_version = pack(document.text, unpack(whole)), key.version
        if len(packed) > WORTHWHILE * len(whole):
            key_version = None
    if key_version is None:
        packed = pack(document.text)
    return Revision.objects.create(
        document=document,
        version=document.version,
        author_id=author_id,
        title=document.title,
        cover=document.cover,
        words_added=words.added,
        words_removed=words.removed,
        key_version=key_version,
        packed=packed,
        cover_bytes=covers.size_of(new_cover),
    )


def rename(document_id: int, version: int, name: str) -> None:
    """Give a version a name, or take it away with ""."""
    Revision.objects.filter(document=document_id, version=version).update(name=name)


def _last_key(document_id: int) -> Revision | None:
    keys = Revision.objects.filter(document=document_id, key_version=None)
    return keys.order_by("-version").first()
