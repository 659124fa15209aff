"""Bringing two people's changes of one text together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import NamedTuple

from django.utils.translation import gettext as _
from merge3 import Merge3

from .aligning import Block, blocks
from .elsewhere import elsewhere
from .errors import CollabError

#: Nobody makes more choices than these. Where there would be more, those that stand
#: close together are one, whatever lies between.
MOST_OVERLAPS = 100


class _Alignment:
    """:func:`.aligning.blocks` in the shape of ``difflib``, as ``Merge3`` wants it."""

    def __init__(self, isjunk: None, a: Sequence[str], b: Sequence[str]) -> None:
        self._sides = a, b

    def get_matching_blocks(self) -> list[Block]:
        return blocks(*self._sides)


class Passage(NamedTuple):
    """Lines of the result, or, where both sides changed the same, of each side."""

    lines: Sequence[str]
    yours: Sequence[str] = ()
    theirs: Sequence[str] = ()
    overlaps: bool = False

    @property
    def your_text(self) -> str:
        return "\n".join(self.yours)

    @property
    def their_text(self) -> str:
        return "\n".join(self.theirs)


class Overlap(CollabError):
    """Two people changed the same passages; ``passages`` are those of the merge
    with version ``version``."""

    def __init__(self, passages: Sequence[Passage], version: int) -> None:
        super().__init__()
        self.passages = passages
        self.version = version

    def __str__(self) -> str:
        return _("You both changed the same passages. Choose what is to stand there.")


class MissingChoice(Overlap):
    """For some passage nobody has chosen yet."""

    def __str__(self) -> str:
        return _("Choose for every passage. Nothing you wrote is lost.")


class RefusedResult(MissingChoice):
    """What was chosen makes a text that no document holds, or not now."""

    def __init__(self, passages: Sequence[Passage], version: int, error: CollabError) -> None:
        super().__init__(passages, version)
        self.error = error

    def __str__(self) -> str:
        return str(self.error)


@elsewhere
def merge(base: str, yours: str, theirs: str) -> list[Passage]:
    """Three-way merge by line.

    Args:
        base: the text both began from.
        yours: what one person made of it.
        theirs: what another made of it.

    Returns:
        The passages of the result in order. Those that do not overlap are
        settled; for the others, a hundred at most, somebody has to choose.
    """
    before, mine, other = (text.split("\n") for text in (base, yours, theirs))
    three = Merge3(before, mine, other, sequence_matcher=_Alignment)  # type: ignore[arg-type]
    passages = [
        Passage((), group[2], group[3], overlaps=True)
        if group[0] == "conflict"
        else Passage(group[1])
        for group in three.merge_groups()
    ]
    gap = 1
    while sum(passage.overlaps for passage in passages) > MOST_OVERLAPS:
        passages = without_gaps(passages, gap)
        gap *= 2
    return passages


def without_gaps(passages: Iterable[Passage], lines: int) -> list[Passage]:
    """The same, with overlaps that stand close together made into one.

    Args:
        passages: of a merge.
        lines: so many settled lines between two overlaps, or fewer, become part of
            both sides.
    """
    groups: list[list[Passage]] = []
    for passage in passages:
        is_close = len(groups) > 1 and len(groups[-1][-1].lines) <= lines
        if passage.overlaps and is_close and groups[-2][-1].overlaps:
            between = groups.pop()
            groups[-1] += [*between, passage]
        else:
            groups.append([passage])
    return [group[0] if len(group) == 1 else _one(group) for group in groups]


def _one(group: Sequence[Passage]) -> Passage:
    yours = chain.from_iterable(p.yours if p.overlaps else p.lines for p in group)
    theirs = chain.from_iterable(p.theirs if p.overlaps else p.lines for p in group)
    return Passage((), list(yours), list(theirs), overlaps=True)


def joined(passages: Sequence[Passage], chosen: Sequence[str] = ()) -> str:
    """The result's text.

    Args:
        passages: as :func:`merge` gives them.
        chosen: a text for each passage that overlaps, in order.

    Raises:
        ValueError: ``chosen`` has too few or too many texts.
    """
    texts = list(chosen)
    if len(texts) != sum(passage.overlaps for passage in passages):
        raise ValueError("one text for each passage that overlaps")
    lines: list[str] = []
    for passage in passages:
        if not passage.overlaps:
            lines += passage.lines
        elif text := texts.pop(0):
            lines += text.split("\n")
    return "\n".join(lines)
