"""Bringing two people's changes of one text together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from django.utils.translation import gettext as _
from merge3 import Merge3

from .aligning import Block, blocks
from .elsewhere import elsewhere
from .errors import CollabError


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
        settled; for the others somebody has to choose.
    """
    before, mine, other = (text.split("\n") for text in (base, yours, theirs))
    three = Merge3(before, mine, other, sequence_matcher=_Alignment)  # type: ignore[arg-type]
    return [
        Passage((), group[2], group[3], overlaps=True)
        if group[0] == "conflict"
        else Passage(group[1])
        for group in three.merge_groups()
    ]


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
