"""How long the long tests are: short in ``make test``, at full length in ``make drill``."""

from __future__ import annotations

import os

#: Set by ``make drill``.
IS_DRILL = os.environ.get("DRILL") == "1"


def length(short: int, *, full: int) -> int:
    """How many rounds, runs or seconds a test takes.

    Args:
        short: in ``make test``.
        full: in ``make drill``.
    """
    return full if IS_DRILL else short
