"""Names that tie documents to the engine: presence subjects and topics."""

from __future__ import annotations

#: Modes of a page, as presence records them.
READING = "reading"
EDITING = "editing"
WATCHING = "watching"

#: Something happened that people may want to hear of.
ACTIVITY = "activity"
#: Somebody's name or face changed.
PEOPLE = "people"
#: Documents came, went, or got another title.
DOCUMENTS = "documents"


def subject_of(document_id: int) -> str:
    """How presence names a document."""
    return f"document:{document_id}"


def document_of(subject: str) -> int | None:
    """The document a presence subject names, or None."""
    kind, _, pk = subject.partition(":")
    return int(pk) if kind == "document" and pk.isdecimal() else None


def content(document_id: int) -> str:
    """The topic of a document's title, text and cover."""
    return f"document:{document_id}"


def typing(document_id: int) -> str:
    """The topic of what the holder of the pen is typing."""
    return f"typing:{document_id}"


def pen(document_id: int) -> str:
    """The topic of a document's edit lease."""
    return f"pen:{document_id}"


def renewal(document_id: int) -> str:
    """The topic of that lease's renewals, which matter to its holder alone."""
    return f"renewal:{document_id}"
