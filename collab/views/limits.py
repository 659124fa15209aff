"""Limits at the door: who has reached one is told when to go on, and loses nothing.

A view that takes no text gets the decorator :func:`limited`, and its answer is a page.
One that does calls :func:`spend` and :func:`check_room` itself, when it knows what to
keep and how to show it again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import wraps
from typing import Any

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

from .. import limits, queries
from ..errors import Full, Refused, TooManyDocuments, TooOften
from ..limits import limits as in_force
from ..live.rates import network, note_refusal

MEGABYTE = 1_000_000
#: While a person's work takes less than this part of their space, it is measured once
#: in so many seconds. The rest holds more than they can write meanwhile.
ROOMY, MEASURED_SECONDS = 0.9, 60
#: What is refused for want of space, as it is counted.
DOCUMENTS_KEPT, STORAGE = "documents_kept", "storage"
#: Methods that ask for something, and methods that change something.
READS, WRITES = ("GET", "HEAD"), ("POST",)

View = Callable[..., HttpResponseBase]


def limited(act: str, methods: Collection[str] = WRITES) -> Callable[[View], View]:
    """Count each use of a view; beyond the limit it is not asked.

    Args:
        act: one of :data:`collab.limits.ACTS`.
        methods: those that count.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if request.method in methods:
                try:
                    spend(request, act)
                except TooOften as error:
                    return refusal(request, error)
            return view(request, *args, **kwargs)

        return counting(act, methods)(guarded)

    return decorate


def counting(act: str, methods: Collection[str] = WRITES) -> Callable[[View], View]:
    """Write down that a view counts its uses, for the test that asks all of them."""

    def mark(view: View) -> View:
        view.limits = {**getattr(view, "limits", {}), **dict.fromkeys(methods, act)}  # type: ignore[attr-defined]
        return view

    return mark


def spend(request: HttpRequest, act: str) -> None:
    """Count a use, by person or, where nobody is signed in, by address.

    Raises:
        TooOften: that was one too many.
    """
    user = request.user
    address = network(request.META.get("REMOTE_ADDR") or "")
    limits.spend(act, f"person-{user.pk}" if user.is_authenticated else address)


def check_room(person_id: int, *, beyond: int = 0) -> None:
    """Is there room for more of a person's work?

    Args:
        person_id: whose.
        beyond: how much further than usual it may go, in millions of bytes.

    Raises:
        Full: there is none.
    """
    most = in_force().storage_megabytes
    if not most or cache.get(f"roomy-{person_id}-{most}"):
        return
    kept = queries.bytes_kept(person_id)
    if kept < ROOMY * most * MEGABYTE:
        cache.set(f"roomy-{person_id}-{most}", True, MEASURED_SECONDS)
    elif kept >= (most + beyond) * MEGABYTE:
        note_refusal(STORAGE)
        raise Full(most)


def check_new_document(person_id: int) -> None:
    """May a person write one more document?

    Raises:
        TooManyDocuments: they have as many as one may.
        Full: there is no room for it.
    """
    most = in_force().documents_per_person
    if most and queries.documents_written(person_id) >= most:
        note_refusal(DOCUMENTS_KEPT)
        raise TooManyDocuments(most)
    check_room(person_id)


def refusal(request: HttpRequest, error: Refused) -> HttpResponse:
    """The answer to who has reached a limit: a page, or for a part of one nothing to be
    swapped in."""
    if request.headers.get("HX-Request"):
        return with_wait(HttpResponse(status=error.status, headers={"HX-Reswap": "none"}), error)
    return with_wait(render(request, "429.html", {"error": error}, status=error.status), error)


def with_wait(response: HttpResponse, error: Refused) -> HttpResponse:
    """The same answer, with when to try again (RFC 9110, section 10.2.3)."""
    response.status_code = error.status
    response.headers["Retry-After"] = str(error.retry_seconds)
    return response
