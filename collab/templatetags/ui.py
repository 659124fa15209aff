"""Small pieces of the interface."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cache, lru_cache

from django import template
from django.templatetags.static import static
from django.utils.formats import date_format, time_format
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.timezone import localtime
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from .. import timings
from ..differences import Piece
from ..models import Document, Person
from ..models.person import initials_of

register = template.Library()

MARKS = {"same": "{}", "ins": "<ins>{}</ins>", "del": "<del>{}</del>"}


@register.simple_tag
@cache  # a page has a hundred of them, and a process one address of the sprite
def icon(name: str) -> SafeString:
    """A picture of the sprite, for the eye only: the text beside it says it all."""
    return format_html(
        '<svg class="icon" aria-hidden="true"><use href="{}#{}"></use></svg>',
        static("icons/sprite.svg"),
        name,
    )


@register.simple_tag
def face(person: Person) -> SafeString:
    """A person's initials on their colour; the name is always written nearby."""
    return _face(person.colour, person.name)


@lru_cache(maxsize=4096)  # the same people, in all rows and badges
def _face(colour: str, name: str) -> SafeString:
    return format_html(
        '<span class="face" data-colour="{}" aria-hidden="true" title="{}">{}</span>',
        colour,
        name,
        initials_of(name),
    )


@register.simple_tag
def duration(name: str) -> str:
    """One of the promised times, by its name, as htmx reads it."""
    seconds: float = getattr(timings, name)
    return f"{1000 * seconds:.0f}ms"


@register.simple_tag
def when(at: datetime) -> SafeString:
    """A moment: its day and time, or in other years its day."""
    return _moment(localtime(at).isoformat(), localtime().year, get_language() or "")


@lru_cache(maxsize=1000)  # a list has one in each row, and many people look at the same list
def _moment(machine_readable: str, this_year: int, language: str) -> SafeString:
    local = datetime.fromisoformat(machine_readable)
    if local.year == this_year:
        shown = f"{date_format(local, 'MONTH_DAY_FORMAT')}, {time_format(local)}"
    else:
        shown = date_format(local)
    title = date_format(local, "DATETIME_FORMAT")
    return format_html('<time datetime="{}" title="{}">{}</time>', machine_readable, title, shown)


@register.filter
def marked(pieces: Iterable[Piece]) -> SafeString:
    """What two texts share, and where they differ. There can be thousands of pieces,
    and a template takes ten times as long for each."""
    # Made safe here: each text is escaped, and the marks are ours.
    return mark_safe("".join(MARKS[piece.kind].format(escape(piece.shown)) for piece in pieces))  # noqa: S308


# -- Parts of sentences: a template translates whole ones, and puts these in.


@register.filter
def strong(text: str) -> SafeString:
    """A word that stands out in its sentence."""
    return format_html("<strong>{}</strong>", text)


@register.filter
def linked(document: Document) -> SafeString:
    """A document's title, leading to it."""
    return format_html('<a href="{}">{}</a>', document.get_absolute_url(), document.title)


@register.simple_tag
def names(people: Iterable[Person], you: int | None, more: int = 0) -> str:
    """ "You, Fry +2": people in a row, and how many are not named."""
    named = ", ".join(_("You") if person.pk == you else person.name for person in people)
    return f"{named} +{more}" if more else named
