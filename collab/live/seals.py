"""Positions that a page carries and cannot read.

The newest entry of a feed has a number that grows with whatever anybody does, also with
what is not for this page's person. In plain sight it would tell them that something has
happened, and how much. So pages get it sealed: enciphered with a nonce of its own, so
that it looks different each time, and authenticated, so that nobody can try numbers out.
It costs some microseconds and no query.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterator
from functools import lru_cache

from django.conf import settings
from django.utils.crypto import salted_hmac

SALT = "collab.live.seals"
#: Of the nonce, of the position and of the tag each.
BYTES = 8
#: Of what stands in the page, in hexadecimal.
CHARACTERS = 2 * 3 * BYTES


def sealed(position: int) -> str:
    """A position as it may stand in a page: :data:`CHARACTERS` hexadecimal digits."""
    key, nonce = next(_keys()), os.urandom(BYTES)
    hidden = _crossed(position.to_bytes(BYTES), _digest(key, b"pad", nonce))
    return (nonce + hidden + _digest(key, b"tag", nonce + hidden)).hex()


def opened(text: str) -> int | None:
    """The position that was sealed, or None if this is no seal of ours."""
    if len(text) != CHARACTERS:
        return None
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        return None
    nonce, hidden, tag = raw[:BYTES], raw[BYTES : 2 * BYTES], raw[2 * BYTES :]
    for key in _keys():
        if hmac.compare_digest(tag, _digest(key, b"tag", nonce + hidden)):
            return int.from_bytes(_crossed(hidden, _digest(key, b"pad", nonce)))
    return None


def _keys() -> Iterator[bytes]:
    """Of the present secret first, then of those before it."""
    return map(_key, [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS])


@lru_cache(maxsize=8)
def _key(secret: str) -> bytes:
    return salted_hmac(SALT, "key", secret=secret, algorithm="sha256").digest()


def _digest(key: bytes, what: bytes, data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=BYTES, key=key, person=what).digest()


def _crossed(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))
