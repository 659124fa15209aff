"""Error pages, in the same clothes as the rest."""

from __future__ import annotations

from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

#: A page that sends by itself what was refused tries again after this time.
RETRY_SECONDS = 60


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400, or 413 when the request was larger than the server takes. For a part of a
    page it says so by its status: the page has what was typed, and stays as it is."""
    too_large = isinstance(exception, RequestDataTooBig | TooManyFieldsSent)
    status = 413 if too_large else 400
    answer = render(request, f"{status}.html", status=status)
    if request.headers.get("HX-Request"):
        answer.headers["HX-Reswap"] = "none"
        answer.headers["Retry-After"] = str(RETRY_SECONDS)
    return answer


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "403.html", status=403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "404.html", status=404)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form came without its token: mostly a page from before signing in again."""
    return render(request, "403.html", {"csrf": True}, status=403)
