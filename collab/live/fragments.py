"""Fragments: what htmx swaps. Each is one or more ``<hx-partial>`` elements."""

from __future__ import annotations

from . import regions
from .regions import Rendering


def replaced(identifier: str, rendering: Rendering) -> str:
    """The fragment that brings a state region up to date. What is gone leaves its
    place empty, with a mark: it may come back."""
    is_gone = rendering is regions.GONE
    html = regions.mark_input(identifier, rendering.etag) if is_gone else rendering.html
    return f'<hx-partial hx-target="#{identifier}" hx-swap="innerMorph">{html}</hx-partial>'


def removed(identifier: str) -> str:
    """The fragment that takes an element away, if it is there."""
    return f'<hx-partial hx-target="#{identifier}" hx-swap="delete"></hx-partial>'


def appended(identifier: str, html: str) -> str:
    """The fragment that appends to a feed."""
    return f'<hx-partial hx-target="#{identifier}" hx-swap="beforeend">{html}</hx-partial>'


def moved_mark(identifier: str, mark: str) -> str:
    """The fragment that moves on the page's memory of a region."""
    return (
        f'<hx-partial hx-target="#{identifier}-mark" hx-swap="outerHTML">'
        f"{regions.mark_input(identifier, mark)}</hx-partial>"
    )
