"""Changing people."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction

from ..live.topics import changed
from ..models import Person
from ..subjects import PEOPLE


@transaction.atomic
def update(person: Person, fields: Sequence[str] | None = None) -> None:
    """Store changed fields of an account; the new name is shown everywhere at once.

    Args:
        person: the changed account.
        fields: the columns to write, and no others: what somebody else has
            changed meanwhile (a deactivation, say) must stand.
    """
    person.save(update_fields=fields)
    changed(PEOPLE)
