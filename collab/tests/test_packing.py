"""Packing texts, whole and against another one."""

from __future__ import annotations

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from collab.packing import pack, unpack

TEXTS = st.text(st.characters(codec="utf-8"), max_size=500)


@given(TEXTS, st.none() | TEXTS)
def test_nothing_is_lost(text: str, key: str | None) -> None:
    """What was packed comes back, whatever it was packed against."""
    assert unpack(pack(text, key), key) == text


def test_a_changed_word_costs_little() -> None:
    """A word changed in a long text costs bytes, wherever it stands: beyond 32 KB, too."""
    words = [f"word{number * 7919 % 10_007}" for number in range(8_000)]
    key = " ".join(words)
    words[100] = words[7_900] = "changed"
    assert len(key) > 60_000
    assert len(pack(" ".join(words), key)) < 100


def test_another_key_is_refused() -> None:
    """A text packed against one key is not silently unpacked with another."""
    packed = pack("one two three four five six seven eight" * 20, "one two three four " * 60)
    with pytest.raises((zstandard.ZstdError, UnicodeDecodeError)):
        unpack(packed, "")
