"""Changing people."""

from __future__ import annotations

from django.db import transaction

from ..live import presence
from ..live.topics import changed
from ..models import Person


@transaction.atomic
def update(person: Person) -> None:
    """Store a changed profile; counters show the new name at once."""
    person.save()
    changed(presence.EVERYBODY)
