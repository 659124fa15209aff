"""What sockets get in one flush: fragments gathered, then joined into frames."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from .transport import WHOLE, Bundle, Frame, Wire
from .watches import CHUNK_BYTES, Cohort, Socket, bundled

#: Longest text joined of several fragments. A longer one has a frame of its own, however
#: long it is: no server or browser limits what a server sends.
FRAME_CHARACTERS = 256 * 1024
#: What so many pages get is compressed, once for all. Of badges, which are alike, that
#: costs as much as copying them to four pages, of prose to a hundred; but lines are
#: slower than memory.
DEFLATED_FOR = 16


class Batch:
    """Fragments that travel together. Whoever gets the same shares the object, and so
    its frames; a fan-out allocates nothing per socket."""

    __slots__ = ("_frames", "fragments", "longer", "receivers")

    def __init__(self, fragments: tuple[str, ...] = ()) -> None:
        self.fragments = fragments
        #: By fragment, the batch that has it at its end.
        self.longer: dict[str, Batch] = {}
        #: How many sockets get just these.
        self.receivers = 0
        self._frames: Sequence[Frame] = ()

    def plus(self, fragment: str) -> Batch:
        """The one batch that has ``fragment`` after these."""
        longer = self.longer.get(fragment)
        if longer is None:
            longer = self.longer[fragment] = Batch((*self.fragments, fragment))
        return longer

    @property
    def frames(self) -> Sequence[Frame]:
        """The fragments on the wire, made at the first delivery."""
        if not self._frames:
            self._frames = joined(self.fragments)
        return self._frames


class Letter(NamedTuple):
    """A batch, and who gets it."""

    bundle: Bundle
    batch: Batch

    @property
    def frames(self) -> Iterable[Frame]:
        """What the bundle is sent, each frame compressed when its turn comes."""
        if self.bundle.deflates and self.batch.receivers >= DEFLATED_FOR:
            return (frame.deflated for frame in self.batch.frames)
        return self.batch.frames


class Outbox:
    """What each socket gets in one flush, in the order it was put."""

    def __init__(self) -> None:
        self._empty = Batch()
        self._cohorts: dict[Cohort, Batch] = {}
        #: Those who get something else than their cohort, and by cohort, who they are.
        self._sockets: dict[Socket, Batch] = {}
        self._apart: dict[Cohort, set[Socket]] = {}

    def put(
        self, fragment: str, cohorts: Iterable[Cohort], *, but: Collection[Socket] = ()
    ) -> None:
        """Send ``fragment`` to everybody in ``cohorts``, but not to some of them."""
        for socket in but:
            self._part(socket)
        batches, empty = self._cohorts, self._empty
        for cohort in cohorts:
            batches[cohort] = batches.get(cohort, empty).plus(fragment)
            if self._apart:
                for socket in self._apart.get(cohort, set()).difference(but):
                    self._sockets[socket] = self._sockets[socket].plus(fragment)

    def put_one(self, fragment: str, socket: Socket) -> None:
        """Send ``fragment`` to one socket."""
        self._part(socket)
        self._sockets[socket] = self._sockets[socket].plus(fragment)

    def _part(self, socket: Socket) -> None:
        """From here on, this socket may get something else than its cohort."""
        if socket not in self._sockets and socket.cohort is not None:
            self._sockets[socket] = self._cohorts.get(socket.cohort, self._empty)
            self._apart.setdefault(socket.cohort, set()).add(socket)

    def letters(self) -> list[Letter]:
        """All that is to be sent. Who comes from here on is not among them."""
        letters = []
        for cohort, batch in self._cohorts.items():
            apart = self._apart.get(cohort)
            others = [s.wire for s in cohort.sockets if s not in apart] if apart else None
            bundles = cohort.bundles if others is None else bundled(others)
            letters += [Letter(bundle, batch) for bundle in bundles]
        alike: dict[Batch, list[Wire]] = {}
        for socket, batch in self._sockets.items():
            if batch.fragments:
                alike.setdefault(batch, []).append(socket.wire)
        for batch, wires in alike.items():
            letters += [Letter(bundle, batch) for bundle in bundled(wires)]
        for bundle, batch in letters:
            batch.receivers += len(bundle.wires)
        return letters


def pieces(frames: Iterable[Frame], wires: int) -> Iterator[tuple[Frame, slice]]:
    """What is written to a bundle at a time: a frame, to so many of its wires that the
    event loop does not wait long for its turn."""
    for frame in frames:
        most = max(1, CHUNK_BYTES // frame.size)
        if most >= wires:
            yield frame, WHOLE
        else:
            yield from ((frame, slice(start, start + most)) for start in range(0, wires, most))


def joined(fragments: Sequence[str]) -> list[Frame]:
    """Fragments as few frames, none longer than it must be."""
    frames: list[Frame] = []
    part: list[str] = []
    size = 0
    for fragment in fragments:
        if part and size + len(fragment) > FRAME_CHARACTERS:
            frames.append(Frame("".join(part)))
            part, size = [], 0
        part.append(fragment)
        size += len(fragment)
    frames.append(Frame("".join(part)))
    return frames
