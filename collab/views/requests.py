"""What the views know of a request."""

from __future__ import annotations

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails

from ..models import Person


class PersonRequest(HttpRequest):
    """A request of somebody who is signed in (LoginRequiredMiddleware sees to it)."""

    user: Person
    htmx: HtmxDetails


def method_of(request: HttpRequest) -> str:
    """The method a form means: HTML forms know only GET and POST, so DELETE is
    sent as a POST with ``_method=delete``."""
    if request.method == "POST" and request.POST.get("_method") == "delete":
        return "DELETE"
    return request.method or ""


def number_of(text: str) -> int | None:
    """The number that this stands for, if it is one that a fence or a key can be."""
    return int(text) if text.isdecimal() and len(text) < 19 else None


def is_visit(request: HttpRequest) -> bool:
    """Has a person gone to this page? A question (HEAD), a browser's guess, or an
    address that a text has as a picture must not take a lease."""
    return (
        request.method == "GET"
        and not request.headers.get("Sec-Purpose", "").startswith("prefetch")
        and request.headers.get("Sec-Fetch-Dest", "document") == "document"
    )
