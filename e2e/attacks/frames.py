"""Frames of a WebSocket as no client library would send them.

What is right says RFC 6455: section 5.2 (the layout of a frame), 5.4 (fragments), 5.5
(control frames), 7.4 (codes of a close) and 8.1 (UTF-8). The kinds are those of the
Autobahn test suite (https://github.com/crossbario/autobahn-testsuite, chapters 1 to 7).
"""

from __future__ import annotations

import base64
import os
import random
import socket
import zlib
from dataclasses import dataclass, field

from collab.live.deflate import ACCEPTED, TAIL, WINDOW_BITS, deflated
from e2e.attacks.raw import PATIENCE
from e2e.services import LOCALHOST

CONTINUED, TEXT, BYTES, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
#: Longest message that the server reads (``inbound_bytes`` of the engine), in bytes.
LONGEST = 64 * 1024
#: The reserved bit of a compressed message, among the three.
RSV1 = 4
MASK = b"\x5a\xa5\x0f\xf0"


def frame(
    payload: bytes = b"",
    opcode: int = TEXT,
    *,
    final: bool = True,
    reserved: int = 0,
    mask: bytes | None = MASK,
    announced: int | None = None,
    width: int | None = None,
) -> bytes:
    """One frame, right or wrong.

    Args:
        payload: before it is masked.
        opcode: 0 to 15.
        final: is it the last of its message?
        reserved: the three bits that mean nothing, as a number.
        mask: four bytes; None for a frame as only a server may send it.
        announced: the length that its head tells; that of the payload if None.
        width: bytes of that length: 0 (in the second byte), 2 or 8; the least if None.
    """
    length = len(payload) if announced is None else announced
    if width is None:
        width = 0 if length < 126 else 2 if length < 1 << 16 else 8
    short = {0: length, 2: 126, 8: 127}[width]
    head = bytes((final << 7 | reserved << 4 | opcode, (mask is not None) << 7 | short))
    head += length.to_bytes(width, "big") if width else b""
    if mask is None:
        return head + payload
    return head + mask + bytes(byte ^ mask[n % 4] for n, byte in enumerate(payload))


def fragments(payload: bytes, size: int, opcode: int = TEXT) -> bytes:
    """One message in frames of ``size`` bytes at most."""
    parts = [payload[at : at + size] for at in range(0, len(payload), size)]
    return b"".join(
        frame(part, CONTINUED if number else opcode, final=number == len(parts) - 1)
        for number, part in enumerate(parts)
    )


def closing(code: int, reason: bytes = b"") -> bytes:
    return frame(code.to_bytes(2, "big") + reason, CLOSE)


#: What is not UTF-8: overlong, surrogates, beyond Unicode, cut off, out of place.
NOT_UTF8 = (
    *(b"\xff", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xed\xa0\x80", b"\x80"),
    *(b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xc3", b"\xe2\x82", b"{\xc3(}", b"\xfe\xfe"),
)
#: Codes that no close frame may have.
NO_CODES = (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535)


def against_the_protocol(good: bytes) -> dict[str, bytes]:
    """What RFC 6455 forbids, by name; ``good`` is a message that would be read."""
    found = {
        "unmasked": frame(good, mask=None),
        "unmasked ping": frame(b"", PING, mask=None),
        "continues nothing": frame(good, CONTINUED),
        "continues nothing, not final": frame(good, CONTINUED, final=False),
        "two beginnings": frame(good, final=False) + frame(good),
        "bytes within a text": frame(good, final=False) + frame(good, BYTES),
        "a ping of 126 bytes": frame(b"x" * 126, PING),
        "a pong of 64 KB": frame(b"x" * 65_000, PONG),
        "a close of 126 bytes": closing(1000, b"x" * 124),
        "a ping in fragments": frame(b"x", PING, final=False) + frame(b"x", CONTINUED),
        "a close in fragments": frame(b"\x03\xe8", CLOSE, final=False),
        "a close of one byte": frame(b"\x03", CLOSE),
        "a close with no text": closing(1000, b"\xff"),
        "a length in two bytes for one": frame(b"{}", width=2),
        "a length in eight bytes for one": frame(b"{}", width=8),
        "a length in eight bytes for two": frame(good.ljust(200), width=8),
        "a negative length": frame(announced=1 << 63),
        "the greatest length": frame(announced=(1 << 63) - 1),
        "a length of 4 GB": frame(announced=1 << 32),
        "a length one beyond the limit": frame(announced=LONGEST + 1),
        "one byte beyond the limit": frame(b" " * LONGEST + b"x"),
        "fragments beyond the limit": fragments(b" " * (LONGEST + 1), 8_000),
    }
    found |= {f"reserved bits {bits:03b}": frame(good, reserved=bits) for bits in range(1, 8)}
    unknown = [*range(3, 8), *range(11, 16)]
    found |= {f"opcode {opcode}": frame(good, opcode) for opcode in unknown}
    found |= {f"a close with {code}": closing(code) for code in NO_CODES}
    for wrong in NOT_UTF8:
        text = b'{"page": "' + wrong + b'"}'
        found[f"{wrong!r} in a text"] = frame(text)
        found[f"{wrong!r} in fragments"] = fragments(text, 1)
    return found


def compressed(payload: bytes, *, final: bool = True) -> bytes:
    """The frame of a compressed text, or its first (RFC 7692, section 6)."""
    return frame(deflated(payload), final=final, reserved=RSV1)


def against_compression(good: bytes) -> dict[str, bytes]:
    """What RFC 7692 forbids, or what would be too long for the server, by name."""
    data = deflated(good)
    later = zlib.compressobj(wbits=-WINDOW_BITS)
    bomb = deflated(b" " * (LONGEST - 4_000) * 1_000, level=9)
    assert len(bomb) < LONGEST, "it is refused for its own length"
    first = later.compress(good) + later.flush(zlib.Z_SYNC_FLUSH)
    second = later.compress(good) + later.flush(zlib.Z_SYNC_FLUSH)
    assert len(second) < len(first) / 2, "it does not look back"
    return {
        "a megabyte of nothing": compressed(b" " * 2**20),
        "sixty megabytes of nothing": frame(bomb, reserved=RSV1),
        "one byte beyond the limit": compressed(b" " * LONGEST + b"x"),
        "beyond the limit in fragments": compressed(b" " * 40_000, final=False)
        + frame(deflated(b" " * 40_000), CONTINUED),
        "a bomb that is not final": frame(bomb, final=False, reserved=RSV1),
        "no stream": frame(b"\xff" * 40, reserved=RSV1),
        "another kind of stream": frame(zlib.compress(good), reserved=RSV1),
        "a stream that is cut": frame(data[: len(data) // 2], reserved=RSV1),
        "a stream that looks back on the message before": compressed(good)
        + frame(second[: -len(TAIL)], reserved=RSV1),
        "the bit in a continuation": compressed(good[:40], final=False)
        + frame(deflated(good[40:]), CONTINUED, reserved=RSV1),
        "a compressed ping": frame(deflated(b"here?"), PING, reserved=RSV1),
        "a compressed close": frame(deflated(b"\x03\xe8"), CLOSE, reserved=RSV1),
        "other reserved bits": frame(data, reserved=RSV1 | 2),
        "no text": compressed(b'{"page": "\xff"}'),
    }


def against_the_application(good: bytes) -> dict[str, bytes]:
    """Messages in good order, of which none is a resume message."""
    return {
        "nothing": frame(b""),
        "nothing, in three fragments": frame(b"", final=False)
        + frame(b"", CONTINUED, final=False)
        + frame(b"", CONTINUED),
        "no bytes": frame(b"", BYTES),
        "bytes": frame(b"\x00\xff", BYTES),
        "bytes of a good message": frame(good, BYTES),
        "a good message, cut": frame(good[:-1]),
        "a good message, twice in one": frame(good + good),
        "a good message behind a mark of order": frame(b"\xef\xbb\xbf" + good),
        "a good message in UTF-16": frame(good.decode().encode("utf-16"), BYTES),
        "a deep list": frame(b"[" * 60_000),
        "a deep list that ends": frame(b"[" * 30_000 + b"]" * 30_000),
        "a deep object": frame(b'{"page":' * 7_000),
        "a deep list in a field": frame(b'{"page": ' + b"[" * 60_000),
        "a long number": frame(b"9" * 60_000),
        "a long number in a field": frame(b'{"page": ' + b"9" * 60_000 + b"}"),
        "numbers that are none": frame(b'{"page": NaN, "region": [Infinity, -1e999]}'),
        "a field too many": frame(good[:-1] + b', "act": "save"}'),
        "the same field twice": frame(good[:-1] + b', "page": 1}'),
        "marks of the wrong form": frame(b'{"page": "x", "region": ["\\u0000:1"]}'),
        "NUL": frame(b"\x00"),
        "the longest text": frame(b" " * LONGEST),
        "the longest text, in many fragments": fragments(b" " * 6_000, 3),
    }


def forged(token: str, other: str, seed: int) -> dict[str, str]:
    """Page tokens of which a part is not as it was signed.

    Args:
        token: a good one (``value:time:signature``).
        other: one of another page.
        seed: of what is chosen by chance.
    """
    chance = random.Random(seed)
    ours, theirs = token.split(":"), other.split(":")
    found = {
        "empty": "",
        "no colons": token.replace(":", ""),
        "colons": ":::",
        "no signature": ":".join(ours[:2]),
        "an empty signature": ":".join([*ours[:2], ""]),
        "a part too many": f"{token}:{ours[2]}",
        "a lone surrogate": f"{token}\ud800",
        "NUL": f"{token}\x00",
        "other digits": token.translate(
            {ord(digit): 0xFF10 + int(digit) for digit in "0123456789"}
        ),
        "compressed, or not": token[1:] if token.startswith(".") else f".{token}",
        "a space": f" {token}",
        "long": token * (60_000 // len(token)),
    }
    for number, name in enumerate(("value", "time", "signature")):
        if ours[number] != theirs[number]:
            exchanged = [*ours[:number], theirs[number], *ours[number + 1 :]]
            found[f"the {name} of another"] = ":".join(exchanged)
        for turn in range(12):
            part = list(ours[number])
            at = chance.randrange(len(part))
            part[at] = chance.choice([sign for sign in "aB3-_" if sign != part[at]])
            changed = [*ours[:number], "".join(part), *ours[number + 1 :]]
            found[f"{name} changed, {turn}"] = ":".join(changed)
    return found


def noise(good: bytes, seed: int, count: int) -> dict[str, bytes]:
    """Bytes by chance, good frames with some bytes exchanged, and frames whose parts are
    chosen by chance; a third each.

    Args:
        good: a message that would be read.
        seed: of the chance.
        count: how many.
    """
    chance = random.Random(seed)
    found: dict[str, bytes] = {}
    for turn in range(count // 3):
        found[f"bytes, {turn}"] = chance.randbytes(chance.randrange(1, 400))
        changed = bytearray(frame(good))
        for _ in range(chance.randrange(1, 6)):
            changed[chance.randrange(min(len(changed), 40))] = chance.randrange(256)
        found[f"a good frame, changed, {turn}"] = bytes(changed)
        found[f"frames, {turn}"] = b"".join(
            frame(
                chance.choice([good, b"", chance.randbytes(chance.randrange(200))]),
                chance.choice([CONTINUED, TEXT, BYTES, CLOSE, PING, PONG, chance.randrange(16)]),
                final=chance.random() < 0.7,
                reserved=chance.choice([0, 0, 0, 0, chance.randrange(8)]),
                mask=chance.choice([MASK, MASK, MASK, chance.randbytes(4), None]),
            )
            for _ in range(chance.randrange(1, 6))
        )
    return found


#: Whatever a server still waits for, this brings it to an end: more than the longest
#: message, of frames that say goodbye, and wherever one begins to read, an error.
END = frame(b"", CLOSE) * (LONGEST // 6 + 20)


@dataclass
class Heard:
    """What a server has sent until it ended the connection."""

    texts: list[str] = field(default_factory=list)
    pongs: list[bytes] = field(default_factory=list)
    #: Of its close frames.
    codes: list[int] = field(default_factory=list)


class RawSocket:
    """A socket that is open, without a page yet.

    Args:
        port: where the server listens.
        cookie: of somebody who is signed in.
        deflates: does it offer to compress messages?
    """

    def __init__(self, port: int, cookie: str, *, deflates: bool = False) -> None:
        self._line = socket.create_connection((LOCALHOST, port), PATIENCE)
        self._waiting = bytearray()
        key = base64.b64encode(os.urandom(16)).decode()
        host = f"{LOCALHOST}:{port}"
        lines = [
            "GET /live/ HTTP/1.1",
            f"Host: {host}",
            f"Origin: http://{host}",
            f"Cookie: {cookie}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
            *["Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"] * deflates,
        ]
        self._line.sendall("\r\n".join([*lines, "", ""]).encode())
        while b"\r\n\r\n" not in self._waiting:
            self._waiting += self._line.recv(65_536) or b"\r\n\r\n"
        head, _, rest = bytes(self._waiting).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        assert (ACCEPTED.encode() in head) == deflates
        self._waiting[:] = rest

    def sends(self, *sent: bytes) -> Heard:
        """Send it all, and hear the server out, to its goodbye or the end of the line.

        Raises:
            TimeoutError: it says neither goodbye nor ends the connection.
        """
        found = heard(self._waiting)
        try:
            with self._line:
                for part in sent:
                    self._line.sendall(part)
                while not found.codes and (received := self._line.recv(65_536)):
                    self._waiting += received
                    found = heard(self._waiting)
        except (ConnectionResetError, BrokenPipeError):
            pass  # it has ended it before all was read
        return found


def heard(received: bytes | bytearray) -> Heard:
    """Read a server's frames: whole, short or long, and never masked. Of one that has
    not come to its end yet, nothing."""
    found, data = Heard(), bytes(received)
    while len(data) > 1:
        opcode, length, start = data[0] & 15, data[1] & 127, 2
        if length > 125:
            start = 4 if length == 126 else 10
            length = int.from_bytes(data[2:start], "big")
        payload = data[start : start + length]
        if len(data) < start + length:
            break
        data = data[start + length :]
        if opcode == TEXT:
            found.texts.append(payload.decode())
        elif opcode == PONG:
            found.pongs.append(payload)
        elif opcode == CLOSE:
            found.codes.append(int.from_bytes(payload[:2], "big"))
    return found
