"""Differences: complete, readable, honestly counted, and never slow."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab import aligning, differences
from collab.aligning import blocks
from collab.differences import Piece, compared, difference, side_by_side, words_changed

TEXTS = st.text("ab \n.", max_size=60) | st.text(max_size=20)
ITEMS = st.lists(st.sampled_from("abcdefgh"), max_size=30)


def sides(pieces: Sequence[Piece]) -> tuple[str, str]:
    """The two texts that pieces make up."""
    old = "".join(piece.text for piece in pieces if piece.kind != "ins")
    return old, "".join(piece.text for piece in pieces if piece.kind != "del")


def shorthand(before: str, after: str) -> str:
    """A difference on one line: ``[-gone-]{+come+}``."""
    marks = {"same": "{}", "del": "[-{}-]", "ins": "{{+{}+}}"}
    return "".join(marks[piece.kind].format(piece.text) for piece in difference(before, after))


def columns(before: str, after: str) -> list[tuple[str, str]]:
    """Each row of the two columns, as plain text."""
    rows = [row for stretch in side_by_side(difference(before, after)) for row in stretch.rows]
    return [(sides(row.old)[0], sides(row.new)[1]) for row in rows]


@given(ITEMS, ITEMS)
def test_what_is_aligned_is_equal_and_in_order(old: list[str], new: list[str]) -> None:
    """Blocks grow on both sides, hold equal elements, and end with an empty one."""
    i = j = 0
    for block in blocks(old, new):
        assert block.old >= i
        assert block.new >= j
        i, j = block.old + block.size, block.new + block.size
        assert old[block.old : i] == new[block.new : j]
    assert (i, j) == (len(old), len(new))


@given(ITEMS)
def test_nothing_changed_is_one_block(items: list[str]) -> None:
    """However often its elements repeat."""
    assert sum(block.size for block in blocks(items, items)) == len(items)
    assert len(blocks(items, items)) == 1 + bool(items)


@given(TEXTS, TEXTS)
def test_comparing_is_the_difference_and_its_size(before: str, after: str) -> None:
    """The same as asked for one by one."""
    assert compared(before, after) == (difference(before, after), words_changed(before, after))


def test_comparing_aligns_the_lines_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the difference by word is too long, and is told by line."""
    monkeypatch.setattr(differences, "MOST_PIECES", 0)
    aligned: list[Sequence[str]] = []

    def runs(old: Sequence[str], new: Sequence[str]) -> Iterator[aligning.Run]:
        aligned.append(old)
        return aligning.runs(old, new)

    monkeypatch.setattr(differences, "runs", runs)
    compared("One line.\nAnother line.\n", "One line.\nAnother word.\n")
    assert aligned.count(["One line.\n", "Another line.\n"]) == 1


@pytest.mark.parametrize("limit", [{}, {"CELLS": 0}, {"CELLS": 0, "DEPTH": 0}])
@given(before=TEXTS, after=TEXTS)
def test_a_difference_holds_both_texts(before: str, after: str, limit: dict[str, int]) -> None:
    """Nothing that stands in either text is missing, also where it gives up early;
    no piece is empty, and none stands beside one of its kind."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in limit.items():
            patch.setattr(aligning, name, value)
        pieces = difference(before, after)
    assert sides(pieces) == (before, after)
    assert all(piece.text for piece in pieces)
    kinds = [piece.kind for piece in pieces]
    assert all(one != other for one, other in pairwise(kinds))


@given(TEXTS, TEXTS)
def test_two_columns_hold_both_texts(before: str, after: str) -> None:
    """Row for row; what is folded is equal on both sides."""
    stretches = side_by_side(difference(before, after))
    rows = [row for stretch in stretches for row in stretch.rows]
    assert "".join(sides(row.old)[0] for row in rows) == before
    assert "".join(sides(row.new)[1] for row in rows) == after
    assert not any(row.changed for one in stretches if one.folded for row in one.rows)


@pytest.mark.parametrize(
    ("before", "after", "marked"),
    [
        ("Good news.", "Bad news.", "[-Good-]{+Bad+} news."),
        ("one two", "one two three", "one two{+ three+}"),
        ("one two", "zero one two", "{+zero +}one two"),
        ("one two three", "uno due tre", "[-one two three-]{+uno due tre+}"),
        ("a b", "a  b", "a[- -]{+  +}b"),
        ("a\nb", "a b", "a[-\n-]{+ +}b"),
        ("a\fb c\n", "a\fb d\n", "a\fb [-c-]{+d+}\n"),
        ("a\u2028b\n", "a\u2028c\n", "a\u2028[-b-]{+c+}\n"),
    ],
)
def test_changes_are_marked_by_word(before: str, after: str, marked: str) -> None:
    """As a person would mark them; only a line feed ends a line."""
    assert shorthand(before, after) == marked


def test_rows_stand_beside_each_other() -> None:
    """Changed lines in pairs, new ones beside nothing, paragraphs with their gap."""
    before = "one\ntwo\n\nthree\nfour\n"
    after = "one\n2\n\nbetween\nthree\n4\n"
    assert columns(before, after) == [
        ("one\n", "one\n"),
        ("two\n\n", "2\n\n"),
        ("", "between\n"),
        ("three\n", "three\n"),
        ("four\n", "4\n"),
    ]
    assert columns("P one.\n\nP two.\n\nP three.", "Q uno.\n\nQ due.\n\nQ tre.") == [
        ("P one.\n\n", "Q uno.\n\n"),
        ("P two.\n\n", "Q due.\n\n"),
        ("P three.", "Q tre."),
    ]


def test_changed_paragraphs_find_their_like() -> None:
    """By their words, not by the blank lines around them."""
    before = "Leave at nine.\n\nCargo: two crates.\n\nBender cooks.\n\nEnd."
    after = "Leave at eight.\n\nSomething new.\n\nCargo: one crate.\n\nEnd."
    assert columns(before, after) == [
        ("Leave at nine.\n\n", "Leave at eight.\n\n"),
        ("", "Something new.\n\n"),
        ("Cargo: two crates.\n\n", "Cargo: one crate.\n\n"),
        ("Bender cooks.\n\n", ""),
        ("End.", "End."),
    ]


def test_paragraphs_written_anew_stand_beside_the_old_ones() -> None:
    """With no word in common, their blank lines say which goes with which."""
    before, after = (
        [" ".join(f"{letter}{number}" for _ in range(40)) for number in range(40)]
        for letter in "xy"
    )
    found = columns("\n\n".join(before), "\n\n".join(after))
    assert [(old.strip(), new.strip()) for old, new in found] == [*zip(before, after, strict=True)]


def test_long_unchanged_stretches_are_folded() -> None:
    """All but two rows on either side of a change; a single one is not worth it."""
    lines = [f"line {number}\n" for number in range(30)]
    changed = [*lines[:10], "changed\n", *lines[11:16], "changed\n", *lines[17:]]
    stretches = side_by_side(difference("".join(lines), "".join(changed)))
    assert [
        (one.folded, one.lines) for one in stretches if not any(r.changed for r in one.rows)
    ] == [
        (True, 8),
        (False, 2),
        (False, 5),
        (False, 2),
        (True, 11),
    ]


def test_a_line_end_that_went_alone_is_seen() -> None:
    """Two joined paragraphs: without a sign, nothing would show."""
    (gone,) = [piece for piece in difference("a\n\nb", "a\nb") if piece.kind == "del"]
    assert gone.shown == "¶\n"
    assert Piece("ins", "word\n").shown == "word\n"
    assert Piece("same", "\n").shown == "\n"


@pytest.mark.parametrize(
    ("before", "after", "added", "removed"),
    [
        ("", "", 0, 0),
        ("one two", "one two", 0, 0),
        ("one two", "one three two", 1, 0),
        ("one two three", "one", 0, 2),
        ("a\nb\nc", "a\nB B\nc", 2, 1),
    ],
)
def test_changed_words_are_counted(before: str, after: str, added: int, removed: int) -> None:
    """As a person would count them."""
    assert words_changed(before, after) == (added, removed)


# Hard cases: texts as large as they may be, made to have little to hold on to.


class Counted(str):
    """A string that counts how often any of its kind is compared."""

    __slots__ = ()
    comparisons = 0
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        Counted.comparisons += 1
        return str.__eq__(self, other)


def _words(alphabet: Sequence[str], size: int, seed: int) -> list[str]:
    chance = random.Random(seed)
    return [chance.choice(alphabet) for _ in range(size)]


BLANKS = ["\n"] * 60_000
HARD = {
    "two words in any order": (_words("ab", 40_000, 1), _words("ab", 40_000, 2)),
    "blank lines between changed ones": (
        [line for number in range(20_000) for line in (f"old {number}", "")],
        [line for number in range(20_000) for line in (f"new {number}", "")],
    ),
    "blank lines only": (["x", *BLANKS, "y"], [*BLANKS, "z"]),
    "nothing in common": (
        [f"a{number}" for number in range(40_000)],
        [f"b{number}" for number in range(40_000)],
    ),
}


@pytest.mark.parametrize("case", HARD)
def test_the_work_grows_with_the_length_only(case: str) -> None:
    """Counted, not timed: so many comparisons for each element at most."""
    old, new = ([Counted(item) for item in side] for side in HARD[case])
    Counted.comparisons = 0
    blocks(old, new)
    assert Counted.comparisons < 120 * (len(old) + len(new))


def test_one_change_in_every_line_is_found_in_a_long_text() -> None:
    """Also where words repeat so much that none stands out."""
    words = _words([f"word{number}" for number in range(40)], 30_000, 3)
    old = [" ".join(words[n : n + 10]) for n in range(0, 30_000, 10)]
    new = [f"{line} end" for line in old]
    assert words_changed("\n".join(old), "\n".join(new)) == (3_000, 0)
    assert words_changed(" ".join(old), " ".join(new)) == (3_000, 0)


def test_too_many_changes_are_marked_by_line() -> None:
    """A page of a hundred thousand marks helps nobody: whole lines went and came."""
    old = "same\n" + "".join(f"{number} a\n" for number in range(20_000)) + "end"
    new = old.replace(" a\n", " b\n")
    pieces = difference(old, new)
    assert [piece.kind for piece in pieces] == ["same", "del", "ins", "same"]
    assert sides(pieces) == (old, new)
    assert len(side_by_side(pieces)) == 3


def test_every_limit_has_its_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a gap is too long to search, elements at the same place are compared,
    unless hardly any is equal."""
    monkeypatch.setattr(aligning, "CELLS", 3)
    alike = ["a", "a", "x", "a", "a", "y"], ["b", "a", "x", "x", "a", "b"]
    assert [block.size for block in blocks(*alike)] != [0]
    monkeypatch.setattr(aligning, "ONE_IN", 1)
    monkeypatch.setattr(aligning, "DEPTH", 0)
    assert [block.size for block in blocks(*alike)] == [0]
    assert differences.words_changed(" ".join(alike[0]), " ".join(alike[1])) == (6, 6)
