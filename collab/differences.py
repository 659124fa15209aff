"""How two texts differ: by word, in one column or in two, and in numbers.

Lines are compared first and words only within changed lines.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, groupby
from typing import NamedTuple

from .aligning import Run, runs
from .elsewhere import elsewhere

#: Only ``\\n`` ends a line here; ``str.splitlines`` also knows ends such as the
#: form feed, which are ordinary white space in a text.
LINES = re.compile(r"[^\n]*\n|[^\n]+")
#: A line with the blank ones that follow it.
PARAGRAPHS = re.compile(r"[^\n]*\n+|[^\n]+")
#: White space, and the word, the signs or the line ends that follow it.
WORDS = re.compile(r"([^\S\n]*)(\n+|\w+|[^\w\s]+|\Z)")
#: The end of a line without any word: it could belong to any line.
END = re.compile(r"([^\w\n]*)(\n+)")
#: With more pieces than these a page takes seconds, and nobody can read it.
MOST_PIECES = 30_000
#: This many unchanged rows are shown before and after a change...
CONTEXT = 2
#: ...and the others are folded, if there are at least so many.
FOLDED = 2


class WordCount(NamedTuple):
    """How much a save changed."""

    added: int
    removed: int


class Piece(NamedTuple):
    """A stretch of two compared texts: ``kind`` is "same", "ins" or "del"."""

    kind: str
    text: str

    @property
    def shown(self) -> str:
        """The text; line ends that came or went alone are made visible."""
        is_invisible = self.kind != "same" and self.text.isspace()
        return self.text.replace("\n", "¶\n") if is_invisible else self.text


class Row(NamedTuple):
    """Lines that stand side by side: pieces "same" and "del", "same" and "ins"."""

    old: Sequence[Piece]
    new: Sequence[Piece]

    @property
    def changed(self) -> bool:
        return any(piece.kind != "same" for piece in (*self.old, *self.new))


class Stretch(NamedTuple):
    """Rows one after the other that are shown, or folded to "12 unchanged lines"."""

    rows: Sequence[Row]
    folded: bool = False

    @property
    def text(self) -> str:
        """What is folded: it is the same on both sides."""
        return "".join(piece.text for row in self.rows for piece in row.old)

    @property
    def lines(self) -> int:
        return len(LINES.findall(self.text))


@elsewhere
def words_changed(before: str, after: str) -> WordCount:
    """Words added and removed between two texts."""
    return _words_in(_aligned(before, after))


@elsewhere
def difference(before: str, after: str) -> list[Piece]:
    """What changed between two texts, by word; by line where that would be too much.

    The pieces that are not "del" make up ``after``, those that are not "ins"
    make up ``before``, character for character.
    """
    return _pieces_of(_aligned(before, after))


@elsewhere
def compared(before: str, after: str) -> tuple[list[Piece], WordCount]:
    """:func:`difference` and :func:`words_changed` together, for less than both."""
    lines = _aligned(before, after)
    return _pieces_of(lines), _words_in(lines)


def _aligned(before: str, after: str) -> Sequence[Run]:
    return list(runs(LINES.findall(before), LINES.findall(after)))


def _words_in(aligned: Iterable[Run]) -> WordCount:
    added = removed = 0
    for lines in aligned:
        if lines.same:
            continue
        for words in runs("".join(lines.old).split(), "".join(lines.new).split()):
            if not words.same:
                added += len(words.new)
                removed += len(words.old)
    return WordCount(added, removed)


def _pieces_of(lines: Sequence[Run]) -> list[Piece]:
    pieces = list(_tidy(_shifted(_tidy(_by_line(lines, _by_word)))))
    if len(pieces) > MOST_PIECES:
        pieces = list(_tidy(_by_line(lines, _whole)))
    return pieces


def _by_line(
    lines: Sequence[Run], changed: Callable[[str, str], Iterator[Piece]]
) -> Iterator[Piece]:
    def differs(number: int) -> bool:
        """Blank lines between changed ones say nothing of what belongs together."""
        same, old, _ = lines[number]
        is_between = 0 < number < len(lines) - 1
        return not same or (is_between and not any(line.strip() for line in old))

    for different, group in groupby(range(len(lines)), differs):
        passage = [lines[number] for number in group]
        if different:
            yield from _passage(passage, changed)
        else:
            yield Piece("same", _old(passage))


def _passage(
    lines: Sequence[Run], changed: Callable[[str, str], Iterator[Piece]]
) -> Iterable[Piece]:
    """Changed lines and blank ones in turn: as one text, or if that tells nothing of
    what belongs together, one after the other."""
    pieces = list(changed(_old(lines), "".join(line for run in lines for line in run.new)))
    if len(lines) == 1 or any(piece.kind == "same" and "\n" in piece.text for piece in pieces):
        return pieces
    return chain.from_iterable(
        [Piece("same", _old([run]))] if run.same else _passage([run], changed) for run in lines
    )


def _old(lines: Iterable[Run]) -> str:
    return "".join(line for run in lines for line in run.old)


def _whole(before: str, after: str) -> Iterator[Piece]:
    yield from (Piece("del", before), Piece("ins", after))


def _by_word(before: str, after: str) -> Iterator[Piece]:
    """Words are aligned without the white space before them, which may differ."""
    old, new = WORDS.findall(before), WORDS.findall(after)
    i = j = 0
    for words in runs([word for _, word in old], [word for _, word in new]):
        old_words, new_words = old[i : i + len(words.old)], new[j : j + len(words.new)]
        i, j = i + len(words.old), j + len(words.new)
        if words.same:
            for (old_space, word), (new_space, _) in zip(old_words, new_words, strict=True):
                yield from _space(old_space, new_space)
                yield Piece("same", word)
        else:
            yield from _replaced(old_words, new_words)


def _replaced(old: Sequence[tuple[str, str]], new: Sequence[tuple[str, str]]) -> Iterator[Piece]:
    gone, come = ("".join(space + word for space, word in side) for side in (old, new))
    if old and new and old[0][0] == new[0][0]:
        space = old[0][0]
        yield Piece("same", space)
        gone, come = gone.removeprefix(space), come.removeprefix(space)
    yield from _whole(gone, come)


def _space(old: str, new: str) -> Iterator[Piece]:
    if old == new:
        yield Piece("same", old)
    else:
        yield from _whole(old, new)


def _shifted(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Where one line became several, or several became one, the end that they share
    is that of the first, so that the others came or went as whole lines."""
    changed = {"del": "", "ins": ""}
    for piece in pieces:
        if piece.kind != "same":
            changed[piece.kind] = piece.text
            continue
        yield from _with_end(changed["del"], changed["ins"], piece.text)
        changed = {"del": "", "ins": ""}
    yield from _whole(changed["del"], changed["ins"])


def _with_end(gone: str, come: str, after: str) -> Iterator[Piece]:
    end = END.match(after)
    kind, other = ("ins", "del") if "\n" in come else ("del", "ins")
    one, many = (gone, come) if kind == "ins" else (come, gone)
    if end is None or "\n" in one or end[2] not in many:
        yield from (*_whole(gone, come), Piece("same", after))
        return
    signs, line_end = end.groups()
    first, _, more = many.partition(line_end)
    if first.endswith(signs):
        yield from (Piece(other, one), Piece(kind, first.removesuffix(signs)))
        yield Piece("same", signs + line_end)
    else:
        yield from (Piece(other, one + signs), Piece(kind, first), Piece("same", line_end))
    yield from (Piece(kind, more + signs + line_end), Piece("same", after[end.end() :]))


def _tidy(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Neighbours of a kind together, what went before what came, none empty."""
    full = (piece for piece in pieces if piece.text)
    for same, group in groupby(full, key=lambda piece: piece.kind == "same"):
        neighbours = list(group)
        for kind in ("same",) if same else ("del", "ins"):
            if text := "".join(piece.text for piece in neighbours if piece.kind == kind):
                yield Piece(kind, text)


def side_by_side(pieces: Iterable[Piece]) -> list[Stretch]:
    """A :func:`difference` in two columns; unchanged rows far from any are folded."""
    stretches: list[Stretch] = []
    groups = [
        (changed, list(group)) for changed, group in groupby(_rows(pieces), lambda row: row.changed)
    ]
    for number, (changed, rows) in enumerate(groups):
        before = CONTEXT if number > 0 else 0
        after = CONTEXT if number < len(groups) - 1 else 0
        if changed or len(rows) < before + FOLDED + after:
            stretches.append(Stretch(rows))
            continue
        end = len(rows) - after
        parts = (
            Stretch(rows[:before]),
            Stretch(rows[before:end], folded=True),
            Stretch(rows[end:]),
        )
        stretches += (part for part in parts if part.rows)
    return stretches


def _rows(pieces: Iterable[Piece]) -> Iterator[Row]:
    """A row ends wherever both texts begin a line."""
    old: list[Piece] = []
    new: list[Piece] = []
    for piece in _by_paragraph(pieces):
        # What came in place of something stands beside it.
        replaces = piece.kind == "ins" and bool(old) and old[-1].kind == "del"
        if (old or new) and not replaces and _ends_line(old) and _ends_line(new):
            yield Row(old, new)
            old, new = [], []
        if piece.kind != "ins":
            old.append(piece)
        if piece.kind != "del":
            new.append(piece)
    if old or new:
        yield Row(old, new)


def _by_paragraph(pieces: Iterable[Piece]) -> Iterator[Piece]:
    for piece in pieces:
        if piece.kind == "same":
            yield from (Piece("same", text) for text in PARAGRAPHS.findall(piece.text))
        else:
            yield piece


def _ends_line(side: Sequence[Piece]) -> bool:
    return not side or side[-1].text.endswith("\n")
