"""Texts as people write them: Markdown made from the words of the project's guides.

Each word follows one that it follows there (a Markov chain), so the texts are as
uneven, and pack about as well, as the English they come from.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

from .processes import ROOT

#: Sentences in a paragraph, and paragraphs in a section: at most.
SENTENCES = 6
PARAGRAPHS = 5
#: Words of a sentence, at most.
WORDS = 25


@lru_cache(maxsize=1)
def _followers() -> dict[str, Sequence[str]]:
    """For each word of the guides, those that come after it; for "", first ones."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "collab" / "guides").glob("*.md")):
        for line in path.read_text().splitlines():
            if re.match(r"[A-Z]\w*,? [a-z]", line):  # prose, not code or a table
                for sentence in re.split(r"(?<=[.:?]) ", line):
                    for one, following in pairwise(["", *sentence.split()]):
                        found[one].append(following)
    return dict(found)


def sentence(chance: random.Random) -> str:
    """A sentence of at most :data:`WORDS` words."""
    followers = _followers()
    words = [chance.choice(followers[""])]
    while words[-1] in followers and len(words) < WORDS:
        words.append(chance.choice(followers[words[-1]]))
    return " ".join(words).rstrip(".,:;?") + "."


def paragraph(chance: random.Random) -> str:
    """A few sentences on one line."""
    return " ".join(sentence(chance) for _ in range(chance.randint(2, SENTENCES)))


def text(chance: random.Random, size: int) -> str:
    """A Markdown text of sections, their paragraphs apart by empty lines.

    Args:
        chance: where the words come from.
        size: how many characters it has.
    """
    parts: list[str] = []
    length = 0
    while length < size:
        heading = "## " + " ".join(sentence(chance).rstrip(".").split()[:5])
        section = [heading, *(paragraph(chance) for _ in range(chance.randint(1, PARAGRAPHS)))]
        parts += section
        length += sum(len(part) + 2 for part in section)
    return "\n\n".join(parts)[:size]


def reworded(chance: random.Random, line: str) -> str:
    """The line with one word changed, as by somebody who mends a mistake."""
    words = line.split(" ")
    words[chance.randrange(len(words))] = chance.choice(_followers()[""]).lower()
    return " ".join(words)


def edited(chance: random.Random, before: str) -> str:
    """The text after some minutes of work: mostly a word changes; sometimes a
    sentence or a paragraph comes, goes or is written anew."""
    parts = before.split("\n\n")
    place = chance.randrange(len(parts))
    act = chance.random()
    if act < 0.7:
        parts[place] = reworded(chance, parts[place])
    elif act < 0.8:
        parts[place] += " " + sentence(chance)
    elif act < 0.9:
        parts[place] = parts[place].rpartition(". ")[0] or sentence(chance)
    elif act < 0.95:
        parts[place] = paragraph(chance)
    elif len(parts) % 2:
        parts.insert(place, paragraph(chance))
    else:
        del parts[place]
    return "\n\n".join(parts)
