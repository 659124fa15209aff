"""Aligning two sequences: what of the one is still there in the other.

``difflib`` needs minutes where elements repeat, as blank lines do. Here the time
grows with the length in every case, at the price of a less than perfect result
where little is alike: elements that occur once on both sides are the anchors
("patience diff", Bram Cohen), and only short gaps between them are searched in
full.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

#: Anchors are searched between anchors this often...
DEPTH = 8
#: ...first by single elements, then by this many in a row, which repeat less.
GRAMS = (1, 4)
#: A gap without anchors is searched in full up to this size (old times new).
CELLS = 10_000
#: In a longer one, elements at the same place are compared: worth it if at least
#: one in so many is equal.
ONE_IN = 3

Pair = tuple[int, int]


class Block(NamedTuple):
    """``size`` elements from ``old`` on equal those from ``new`` on."""

    old: int
    new: int
    size: int


class Run(NamedTuple):
    """A stretch of both sequences, equal or not."""

    same: bool
    old: Sequence[str]
    new: Sequence[str]


def runs(old: Sequence[str], new: Sequence[str]) -> Iterator[Run]:
    """Both sequences from beginning to end, equal stretches and others in turn."""
    i = j = 0
    for block in blocks(old, new):
        if i < block.old or j < block.new:
            yield Run(False, old[i : block.old], new[j : block.new])
        i, j = block.old + block.size, block.new + block.size
        if block.size:
            yield Run(True, old[block.old : i], new[block.new : j])


def blocks(old: Sequence[str], new: Sequence[str]) -> list[Block]:
    """The equal stretches in order; at the end an empty one, as ``difflib`` has it."""
    found: list[Block] = []
    for i, j in _Alignment(old, new).pairs:
        last = found.pop() if found else Block(i, j, 0)
        if (i, j) == (last.old + last.size, last.new + last.size):
            found.append(last._replace(size=last.size + 1))
        else:
            found += (last, Block(i, j, 1))
    return [*found, Block(len(old), len(new), 0)]


class _Gap(NamedTuple):
    """What is still to be aligned: old[i:i_end] with new[j:j_end]."""

    i: int
    i_end: int
    j: int
    j_end: int

    @property
    def old_size(self) -> int:
        return self.i_end - self.i

    @property
    def new_size(self) -> int:
        return self.j_end - self.j


class _Alignment:
    """Fills ``pairs`` with the places of equal elements, growing on both sides."""

    def __init__(self, old: Sequence[str], new: Sequence[str]) -> None:
        self._old, self._new = old, new
        self.pairs: list[Pair] = []
        self._align(_Gap(0, len(old), 0, len(new)), DEPTH)

    def _align(self, gap: _Gap, depth: int) -> None:
        start = _common(self._old, self._new, gap)
        self.pairs += ((gap.i + n, gap.j + n) for n in range(start))
        gap = gap._replace(i=gap.i + start, j=gap.j + start)
        end = _common_at_the_end(self._old, self._new, gap)
        gap = gap._replace(i_end=gap.i_end - end, j_end=gap.j_end - end)
        if gap.old_size and gap.new_size:
            self._between(gap, depth)
        self.pairs += ((gap.i_end + n, gap.j_end + n) for n in range(end))

    def _between(self, gap: _Gap, depth: int) -> None:
        for size in GRAMS if depth else ():
            if anchors := self._anchors(gap, size):
                self._by_anchors(gap, anchors, depth - 1)
                return
        if gap.old_size * gap.new_size <= CELLS:
            self.pairs += _longest_common(self._old, self._new, gap)
        else:
            self.pairs += _at_the_same_place(self._old, self._new, gap)

    def _by_anchors(self, gap: _Gap, anchors: Sequence[Pair], depth: int) -> None:
        i, j = gap.i, gap.j
        for i_anchor, j_anchor in anchors:
            self._align(_Gap(i, i_anchor, j, j_anchor), depth)
            self.pairs.append((i_anchor, j_anchor))
            i, j = i_anchor + 1, j_anchor + 1
        self._align(_Gap(i, gap.i_end, j, gap.j_end), depth)

    def _anchors(self, gap: _Gap, size: int) -> list[Pair]:
        """Where ``size`` elements in a row stand that occur once on either side."""
        old = _grams(self._old, gap.i, gap.i_end, size)
        new = _grams(self._new, gap.j, gap.j_end, size)
        in_old, in_new = Counter(old), Counter(new)
        place = {gram: j for j, gram in enumerate(new, gap.j) if in_new[gram] == 1}
        shared = [
            (i, place[gram])
            for i, gram in enumerate(old, gap.i)
            if in_old[gram] == 1 and gram in place
        ]
        return _longest_growing(shared)


def _common(old: Sequence[str], new: Sequence[str], gap: _Gap) -> int:
    most, n = min(gap.old_size, gap.new_size), 0
    while n < most and old[gap.i + n] == new[gap.j + n]:
        n += 1
    return n


def _common_at_the_end(old: Sequence[str], new: Sequence[str], gap: _Gap) -> int:
    most, n = min(gap.old_size, gap.new_size), 0
    while n < most and old[gap.i_end - 1 - n] == new[gap.j_end - 1 - n]:
        n += 1
    return n


def _grams(items: Sequence[str], start: int, end: int, size: int) -> list[tuple[str, ...]]:
    return [tuple(items[n : n + size]) for n in range(start, end - size + 1)]


def _longest_growing(pairs: Sequence[Pair]) -> list[Pair]:
    """As many of these pairs as grow on both sides; the left sides already do."""
    tops: list[int] = []  # by length: the lowest j in which such a row ends
    ends: list[int] = []  # and the pair it belongs to
    before: list[int] = []
    for number, (_, j) in enumerate(pairs):
        length = bisect_left(tops, j)
        before.append(ends[length - 1] if length else -1)
        tops[length : length + 1] = [j]
        ends[length : length + 1] = [number]
    longest: list[Pair] = []
    number = ends[-1] if ends else -1
    while number >= 0:
        longest.append(pairs[number])
        number = before[number]
    return longest[::-1]


def _longest_common(old: Sequence[str], new: Sequence[str], gap: _Gap) -> Iterator[Pair]:
    """A longest common subsequence, in old times new steps."""
    a, b = old[gap.i : gap.i_end], new[gap.j : gap.j_end]
    if not set(a) & set(b):
        return
    lengths = [[0] * (len(b) + 1)]  # the last element first
    for x in reversed(a):
        below, row = lengths[-1], [0]
        for n, y in enumerate(reversed(b)):
            row.append(below[n] + 1 if x == y else max(below[n + 1], row[n]))
        lengths.append(row)
    i = j = 0
    while i < len(a) and j < len(b):
        row, below = lengths[len(a) - i], lengths[len(a) - i - 1]
        if a[i] == b[j]:
            yield gap.i + i, gap.j + j
            i, j = i + 1, j + 1
        elif below[len(b) - j] >= row[len(b) - j - 1]:
            i += 1
        else:
            j += 1


def _at_the_same_place(old: Sequence[str], new: Sequence[str], gap: _Gap) -> list[Pair]:
    size = min(gap.old_size, gap.new_size)
    places = ((gap.i + n, gap.j + n) for n in range(size))
    equal = [(i, j) for i, j in places if old[i] == new[j]]
    return equal if len(equal) * ONE_IN >= size else []
