"""Parts: what of a large region has changed.

A region whose template marks *parts* is not sent as a whole when one of them
changes::

    {% for block in blocks %}{% part block.key %}{{ block.html }}{% endpart %}{% endfor %}

The hub remembers the *outline* of what it sent last: the names of the parts and
a digest of each. Pages that have that version get the steps from there to the
present one; a page that has any other gets the whole region.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

NAME = re.compile(r"[A-Za-z0-9_]{1,64}\Z")
PART = re.compile(r'<live-part name="([A-Za-z0-9_]{1,64})">(.*?)</live-part>', re.DOTALL)
#: Parts that stand next to each other, with nothing between them.
RUN = re.compile(r'(?:<live-part name="[A-Za-z0-9_]{1,64}">.*?</live-part>)+', re.DOTALL)


class Part(NamedTuple):
    """What must be known of a part to see whether it has changed."""

    name: str
    digest: bytes


class Link(NamedTuple):
    """A part that stays, and the one before it that does."""

    here: int
    there: int
    before: Link | None


@dataclass(frozen=True)
class Outline:
    """A rendering without its texts.

    Args:
        shell: a digest of all that stands outside of parts, and of where the
            runs of parts are in it.
        runs: the parts, in order; those of one run are neighbours.
    """

    shell: bytes
    runs: tuple[tuple[Part, ...], ...]


def wrapped(name: str, inner: str) -> str:
    """A part's element. It has no box of its own (``display: contents``).

    Raises:
        ValueError: the name has other characters than letters, digits and "_".
    """
    if not NAME.match(name):
        raise ValueError(f"A part cannot be named {name!r}.")
    return f'<live-part name="{name}">{inner}</live-part>'


def outline_of(html: str) -> Outline | None:
    """The outline of a rendering; None when it has no parts, or two of a name."""
    if "<live-part " not in html:
        return None
    runs = tuple(
        tuple(Part(name, _digest(inner)) for name, inner in PART.findall(run))
        for run in RUN.findall(html)
    )
    names = [part.name for run in runs for part in run]
    if len(set(names)) < len(names):
        return None
    return Outline(_digest(RUN.sub("<live-part>", html)), runs)


def steps(region: str, before: Outline, now: Outline, html: str) -> str | None:
    """The fragment that brings a page from one rendering to the next.

    htmx finds the targets of all partials of a frame before it swaps the first,
    so each names an element of the page as it was.

    Args:
        region: the region's id.
        before: the outline of what the page shows.
        now: the outline of what it shall show.
        html: what it shall show.

    Returns:
        ``<hx-partial>`` elements, or None when only the whole region will do.
    """
    if before.shell != now.shell:
        return None
    inner = dict(PART.findall(html))
    made: list[str] = []
    for old, new in zip(before.runs, now.runs, strict=True):
        i1 = j1 = 0
        for i2, j2 in [*kept(old, new), (len(old), len(new))]:
            fresh = [wrapped(part.name, inner[part.name]) for part in new[j1:j2]]
            if i1 < i2:
                made += _replaced(region, old[i1:i2], fresh)
            elif fresh:
                made.append(_inserted(region, old, i1, "".join(fresh)))
            i1, j1 = i2 + 1, j2 + 1
    return "".join(made)


def kept(old: Sequence[Part], new: Sequence[Part]) -> list[tuple[int, int]]:
    """The parts that stay as and where they are, as many as possible: their places on
    both sides. Since no two parts are equal, that is the longest increasing sequence of
    places, which takes n log n steps, however much has changed or moved."""
    places = {part: place for place, part in enumerate(old)}
    #: By length, of the sequences found so far, the one that ends first in ``old``.
    ends: list[int] = []
    best: list[Link] = []
    for there, part in enumerate(new):
        here = places.get(part)
        if here is not None:
            length = bisect_left(ends, here)
            link = Link(here, there, best[length - 1] if length else None)
            ends[length : length + 1] = [here]
            best[length : length + 1] = [link]
    found = []
    last = best[-1] if best else None
    while last:
        found.append((last.here, last.there))
        last = last.before
    return found[::-1]


def _inserted(region: str, old: tuple[Part, ...], place: int, fresh: str) -> str:
    if place < len(old):
        return _partial(region, old[place], "beforebegin", fresh)
    return _partial(region, old[-1], "afterend", fresh)


def _replaced(region: str, old: tuple[Part, ...], fresh: list[str]) -> list[str]:
    """Morph one into the other as far as both reach, so that a reader's selection
    survives; the last takes what is more, and what is left over goes."""
    both = min(len(old), len(fresh))
    made = []
    for number in range(both):
        rest = fresh[number:] if number == both - 1 else [fresh[number]]
        made.append(_partial(region, old[number], "outerMorph", "".join(rest)))
    return made + [_partial(region, part, "delete", "") for part in old[both:]]


def _partial(region: str, target: Part, swap: str, html: str) -> str:
    selector = f"#{region} live-part[name='{target.name}']"
    return f'<hx-partial hx-target="{selector}" hx-swap="{swap}">{html}</hx-partial>'


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=8).digest()
