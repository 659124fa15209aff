"""Who is asking: signed in, and in which language. And where documents may be that
are not in their place."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import translation

from .permissions import InTrash
from .turns import in_turn


class LoginRequired(LoginRequiredMiddleware):
    """Pages lead to the form for signing in. A part of a page does not: the form
    would be swapped into its place, so it stays as it is, and the answer is 401."""

    def handle_no_permission(  # type: ignore[override]
        self, request: HttpRequest, view_func: Callable[..., HttpResponseBase]
    ) -> HttpResponseBase:
        if request.headers.get("HX-Request"):
            return HttpResponse(status=401, headers={"HX-Reswap": "none"})
        return super().handle_no_permission(request, view_func)


class Trash:
    """Who asks for a page of a document in the trash, and may restore it, is told
    where it is. Everybody else does not find it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, InTrash):
            return None
        context = {"document": exception.document, "may_trash": True}
        status = 200 if request.method in {"GET", "HEAD"} else 409
        return render(request, "documents/trashed.html", context, status=status)


def long_texts_in_turn(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """What brings a long text has its turn (see :mod:`.turns`). It comes
    before whatever reads a form."""

    def middleware(request: HttpRequest) -> HttpResponse:
        length = request.META.get("CONTENT_LENGTH") or ""
        with in_turn(int(length) if length.isdecimal() else 0):
            return get_response(request)

    return middleware


#: What no page here uses, and no page that frames or loads one may use through it.
PERMISSIONS = ", ".join(
    f"{feature}=()"
    for feature in ("camera", "microphone", "geolocation", "payment", "usb", "browsing-topics")
)


def headers(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Headers that Django has no setting for. A view's own come first."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        response.headers.setdefault("Permissions-Policy", PERMISSIONS)
        return response

    return middleware


def person_language(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """After Django has guessed from the browser, the person's choice counts."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated:
            translation.activate(request.user.language)
            request.LANGUAGE_CODE = translation.get_language()
        return get_response(request)

    return middleware
