"""Messages that are compressed once for all."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab.live.deflate import TAIL, WINDOW_BITS, deflated, inflated
from collab.live.transport import COMPRESSED, DEFLATED_BYTES, TEXT_FRAME, Frame, framed

FEWEST, MOST = DEFLATED_BYTES[0], DEFLATED_BYTES[-1]


@given(st.lists(st.binary(max_size=2_000), max_size=5))
def test_a_client_reads_what_was_compressed(payloads: list[bytes]) -> None:
    """With one stream for all messages, as a client may have it (RFC 7692, 7.2.2), and
    with one for each."""
    stream = zlib.decompressobj(-WINDOW_BITS)
    for payload in payloads:
        data = deflated(payload)
        assert stream.decompress(data + TAIL) == payload
        assert inflated(data) == payload
    assert not stream.eof


def test_no_message_refers_to_one_before() -> None:
    """Who has missed one, or got it as it is, can read the next."""
    assert deflated(b"the same words " * 100) == deflated(b"the same words " * 100)


@pytest.mark.parametrize("size", [FEWEST, 60_000, 70_000, MOST - 10])
def test_the_frame_of_a_compressed_message(size: int) -> None:
    """It has the bit RSV1, and its length in as few bytes as that takes."""
    # What is left of random digits is still long, so that each kind of length comes.
    text = "".join(str(pow(3, number, 1_000_003)) for number in range(size))[:size]
    frame = Frame(text)
    short = frame.deflated
    assert short.is_compressed
    assert not frame.is_compressed
    assert short.text == text
    assert short.size == len(short.wire) < frame.size
    assert short.wire == framed(deflated(text.encode()), TEXT_FRAME | COMPRESSED)
    assert short.wire[0] == 0xC1
    assert frame.deflated is short, "it is compressed twice"


@pytest.mark.parametrize("size", [0, 125, FEWEST - 5, MOST])
def test_what_is_too_short_or_too_long_stays_as_it_is(size: int) -> None:
    """The one is not worth it; the other would hold up everybody else."""
    frame = Frame("x" * size)
    assert frame.deflated is frame
