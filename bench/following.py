"""Sockets that keep what they were sent, and when; and whether it was right."""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from .client import PATIENCE_SECONDS, Client, Clients, Failed, Reader

#: A badge in a frame: its document, and who holds the pen.
SHOWN = re.compile(rb'hx-target="#lock_badge-(\d+)".*?title="Editor (\d+)"', re.DOTALL)
FRAGMENT = b"<hx-partial"


@dataclass(frozen=True)
class Change:
    """One event: the document, its how-manieth event this is, when it was told."""

    at: float
    document: int
    turn: int


class Followers(Clients):
    """Sockets that keep what they were sent.

    Args:
        reader: reads them.
        are_alike: all of them get the same frames. They are compared as they come,
            which takes less than telling them apart.
    """

    def __init__(self, reader: Reader, *, are_alike: bool) -> None:
        super().__init__(reader, FRAGMENT)
        self.are_alike = are_alike
        #: By socket, the moments and texts of its frames.
        self.frames: dict[int, list[tuple[float, bytes]]] = {}
        self._alike: list[bytes] = []
        self._known: dict[bytes, bytes] = {}

    def note(self, client: Client, payload: bytes) -> None:
        frames = self.frames.setdefault(client.number, [])
        if self.are_alike and len(frames) < len(self._alike):
            known = self._alike[len(frames)]
            if known != payload:
                raise Failed("A socket got another frame than the others.")
            payload = known
        elif self.are_alike:
            self._alike.append(payload)
        else:
            payload = self._known.setdefault(payload, payload)
        frames.append((time.perf_counter(), payload))
        self.count += 1

    def forget(self) -> None:
        super().forget()
        self.frames.clear()
        self._alike.clear()
        self._known.clear()

    def await_fragments(self, number: int) -> None:
        """Read until so many fragments have come.

        Raises:
            Failed: they did not, or more did.
        """
        until = time.monotonic() + PATIENCE_SECONDS
        while (came := self.fragments) < number:
            self.reader.idle(0.2)
            if time.monotonic() > until:
                break
        if came != number:
            raise Failed(f"{came} of {number} fragments came.")

    @property
    def fragments(self) -> int:
        """How many fragments came, on all sockets together."""
        return sum(_fragments(text) for frames in self.frames.values() for _, text in frames)


@lru_cache(maxsize=4096)
def _fragments(text: bytes) -> int:
    return text.count(FRAGMENT)


@lru_cache(maxsize=4096)
def badges_in(text: bytes) -> Sequence[tuple[int, int]]:
    """The badges of a frame: document, and number of the holder."""
    return [(int(document), int(holder)) for document, holder in SHOWN.findall(text)]


def delays(
    frames: Sequence[tuple[float, bytes]],
    shown: Collection[int],
    changes: Mapping[int, Sequence[Change]],
    holders: int,
) -> list[float]:
    """How long after each change the page showed it or a later one, in seconds.

    Args:
        frames: what came on the page's socket.
        shown: the documents whose badges it has.
        changes: by document, in their order; turn after turn, the next of the
            ``holders`` has the pen.

    Raises:
        Failed: it got what it does not show, an older state after a newer one, or
            not the last.
    """
    turns = dict.fromkeys(shown, -1)
    waited: list[float] = []
    for at, text in frames:
        for document, holder in badges_in(text):
            if document not in turns:
                raise Failed("A page got a badge that it does not show.")
            before = turns[document]
            now = before + ((holder - before) % holders or holders)
            if now >= len(changes.get(document, ())):
                raise Failed(f"A page got an older badge ({holder}) after a newer one ({before}).")
            waited += (at - change.at for change in changes[document][before + 1 : now + 1])
            turns[document] = now
    for document, turn in turns.items():
        if turn != len(changes.get(document, ())) - 1:
            raise Failed("A page does not show the last state of a badge.")
    return waited
