"""The demo's people: the cast of the talk, and only in demo mode."""

from __future__ import annotations

from django.db import transaction

from ..models import Person

PASSWORD = "planet-express"  # noqa: S105  (public on purpose, and only in demo mode)
CAST = (
    ("leela", "Leela", Person.Colour.VIOLET),
    ("fry", "Fry", Person.Colour.ORANGE),
    ("bender", "Bender", Person.Colour.TEAL),
    ("zoidberg", "Zoidberg", Person.Colour.PINK),
    ("hermes", "Hermes", Person.Colour.BLUE),
)
ADMIN = "hermes"


@transaction.atomic
def people() -> dict[str, Person]:
    """Create the demo's people; returns them by user name."""
    return {username: _person(username, name, colour) for username, name, colour in CAST}


def _person(username: str, name: str, colour: str) -> Person:
    is_admin = username == ADMIN
    return Person.objects.create_user(
        username,
        email=f"{username}@planetexpress.example",
        password=PASSWORD,
        display_name=name,
        colour=colour,
        role=Person.Role.OWNER if is_admin else Person.Role.MEMBER,
    )
