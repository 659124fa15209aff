"""Names that tie documents to the engine: presence subjects and topics."""

from __future__ import annotations

from typing import NamedTuple

#: Modes of a page, as presence records them.
READING = "reading"
EDITING = "editing"
WATCHING = "watching"
RENAMING = "renaming"

#: Something happened that people may want to hear of.
ACTIVITY = "activity"
#: Somebody's name or face changed.
PEOPLE = "people"
#: Documents came, went, or got another title.
DOCUMENTS = "documents"
#: A process has renewed the pens of its pages.
RENEWALS = "renewals"


def subject_of(document_id: int) -> str:
    """How presence names a document."""
    return f"document:{document_id}"


def document_of(subject: str) -> int | None:
    """The document a presence subject names, or None."""
    kind, _, pk = subject.partition(":")
    return int(pk) if kind == "document" and pk.isdecimal() else None


def content(document_id: int) -> str:
    """The topic of a document's text, title and cover."""
    return f"document:{document_id}"


def typing(document_id: int) -> str:
    """The topic of what the holder of the pen is typing."""
    return f"typing:{document_id}"


def pen(document_id: int) -> str:
    """The topic of a document's edit lease."""
    return f"pen:{document_id}"


def heading(document_id: int) -> str:
    """The topic of the lease of a document's title and cover."""
    return f"heading:{document_id}"


class Claim(NamedTuple):
    """What a page holds of its document: the fences of its leases, 0 for none."""

    pen: int = 0
    heading: int = 0

    @classmethod
    def of(cls, text: str) -> Claim:
        """From what presence keeps of it: "5", "5-3", "0-3" or ""."""
        pen, _, heading = text.partition("-")
        return cls(int(pen or 0), int(heading or 0))

    def __str__(self) -> str:
        return f"{self.pen}-{self.heading}" if self.heading else str(self.pen or "")
