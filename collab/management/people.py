"""What commands about one person share."""

from __future__ import annotations

from django.core.management.base import CommandError

from ..models import Person


def named(username: str) -> Person:
    """The person with this username.

    Raises:
        CommandError: there is nobody (any more).
    """
    person = Person.objects.filter(username=username).first()
    if person is None:
        raise CommandError(
            f"There is nobody with the username {username!r}; nothing was done. "
            "Who has been erased has none any more."
        )
    return person
