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
