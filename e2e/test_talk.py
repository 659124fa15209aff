"""The talk's three features, word by word, on both set-ups."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from e2e.conftest import both_stacks
from e2e.people import LEAVE, Person

pytestmark = both_stacks
Written = Callable[..., int]


def test_a_second_person_makes_it_two(leela: Person, fry: Person) -> None:
    """The first sees "1 active"; Fry signs in; at once it says "2 active"."""
    leela.opens_dashboard()
    leela.sees_active(1)
    fry.opens_dashboard()
    fry.sees_active(2)
    leela.sees_active(2)
