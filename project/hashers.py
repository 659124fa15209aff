"""Passwords, hashed a few at a time.

Argon2 takes 100 MB for each: a hundred who sign in at once would take 10 GB.
"""

from __future__ import annotations

import threading

from django.contrib.auth.hashers import Argon2PasswordHasher

#: So many at once in a process; who comes later waits.
MOST_AT_ONCE = 2

_turn = threading.BoundedSemaphore(MOST_AT_ONCE)


class Argon2InTurn(Argon2PasswordHasher):
    """Django's, with the same hashes."""

    def encode(self, password: str, salt: str) -> str:
        with _turn:
            return super().encode(password, salt)

    def verify(self, password: str, encoded: str) -> bool:
        with _turn:
            return super().verify(password, encoded)
