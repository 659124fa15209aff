"""``{% live %}``, ``{% part %}``, ``{% live_prefetch %}`` and ``{% live_page %}``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import template
from django.template.context import Context
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from ..pages import live_page as page_of
from ..parts import wrapped

register = template.Library()


@register.simple_tag(takes_context=True)
def live(context: Context, name: str, target: object = None) -> SafeString:
    """Include a region, and keep it current from then on.

    ``{% live "lock_badge" document %}`` renders the region's template for that
    object. It renders nothing where the person may not see it.
    """
    page = page_of(context["request"])
    # The regions' HTML comes from Django's own auto-escaping templates.
    return mark_safe(page.render(name, target)) if page else SafeString()  # noqa: S308


@register.simple_block_tag
def part(content: str, name: object) -> SafeString:
    """Mark a part of a region's template, so that it can be sent by itself.

    ``{% part block.key %}{{ block.html }}{% endpart %}``, most often in a loop
    with nothing between one part and the next. A name stays with its content
    and is unique in the region: letters, digits and "_".

    Raises:
        ValueError: the name has other characters.
    """
    return mark_safe(wrapped(str(name), content))  # noqa: S308  # from an auto-escaping template


@register.simple_tag(takes_context=True)
def live_prefetch(context: Context, name: str, targets: Iterable[Any]) -> str:
    """Load a region for many objects at once, ahead of a loop that shows them.

    ``{% live_prefetch "lock_badge" documents %}`` asks the permission and loads
    the state once; the ``{% live %}`` tags of the loop then query nothing.
    """
    page = page_of(context["request"])
    if page:
        page.prefetch(name, targets)
    return ""


@register.simple_tag(takes_context=True)
def live_page(context: Context, subject: str = "", mode: str = "", claim: str = "") -> SafeString:
    """The page's resume form. The last thing in the body, after all regions.

    htmx submits it over the socket whenever that (re)connects. All regions'
    hidden inputs belong to it through their ``form`` attribute.

    Args:
        context: the template's.
        subject: what the page shows, as presence names it ("document:7").
        mode: what the person does there ("reading").
        claim: a right the page holds ("5", the fence of its lease).
    """
    page = page_of(context["request"])
    if page is None:
        return SafeString()
    # A form that htmx swaps in finds the socket open: it resumes at once.
    swapped_in = context["request"].headers.get("HX-Request") == "true"
    return format_html(
        '<form id="live" hx-ws:send hx-trigger="htmx:ws:after:connection from:body{}">'
        '<input type="hidden" name="page" value="{}"></form>',
        ", load" if swapped_in else "",
        page.token(subject, mode, str(claim)).sign(),
    )
