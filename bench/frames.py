"""WebSocket frames as far as the measurements need them (RFC 6455, section 5.2)."""

from __future__ import annotations

TEXT, PING, PONG, CLOSE = 0x81, 0x89, 0x8A, 0x88
#: A text message that is compressed (RFC 7692, section 6).
DEFLATED = TEXT | 0x40
#: A masking key of zeros leaves the payload as it is.
MASK = bytes(4)


def head(opcode: int, size: int, *, masked: bool = False) -> bytes:
    """The header of a final frame whose payload has ``size`` bytes."""
    flag = 0x80 if masked else 0
    if size < 126:
        return bytes((opcode, flag | size))
    if size < 1 << 16:
        return bytes((opcode, flag | 126)) + size.to_bytes(2, "big")
    return bytes((opcode, flag | 127)) + size.to_bytes(8, "big")


def from_server(payload: bytes) -> bytes:
    """A text frame as a server sends it."""
    return head(TEXT, len(payload)) + payload


def from_client(payload: bytes, opcode: int = TEXT) -> bytes:
    """A frame as a client sends it."""
    return head(opcode, len(payload), masked=True) + MASK + payload


def split(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """Cut what a server sent into frames.

    Returns:
        The complete frames as (first byte, payload), and the bytes of the one
        that is not complete yet.
    """
    frames = []
    start, end = 0, len(data)
    while end - start >= 2:
        size, body = data[start + 1], start + 2
        if size == 126:
            size, body = int.from_bytes(data[body : body + 2], "big"), body + 2
        elif size == 127:
            size, body = int.from_bytes(data[body : body + 8], "big"), body + 8
        if body + size > end:
            break
        frames.append((data[start], data[body : body + size]))
        start = body + size
    return frames, data[start:]
