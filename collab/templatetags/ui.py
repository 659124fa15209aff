"""Small pieces of the interface."""

from __future__ import annotations

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ..models import Person

register = template.Library()


@register.simple_tag
def icon(name: str) -> SafeString:
    """A picture of the sprite, for the eye only: the text beside it says it all."""
    return format_html(
        '<svg class="icon" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        static("icons/sprite.svg"),
        name,
    )


@register.simple_tag
def face(person: Person) -> SafeString:
    """A person's initials on their colour; the name is always written nearby."""
    return format_html(
        '<span class="face" data-colour="{}" aria-hidden="true" title="{}">{}</span>',
        person.colour,
        person.name,
        person.initials,
    )
