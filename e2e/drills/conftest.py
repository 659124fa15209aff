"""The stage of the drills."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from e2e.drills.crowd import Crowd
from e2e.stack import Stack


@pytest.fixture
def crowd(stack: Stack) -> Iterator[Crowd]:
    """Hundreds of visitors over plain sockets, and somebody who acts backstage."""
    with Crowd(stack) as one:
        yield one
