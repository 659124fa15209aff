"""The dashboard: all documents, and who is in them."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from .. import queries
from ..permissions import readable
from ..timings import PAGE_SIZE
from .requests import PersonRequest


@require_safe
def dashboard(request: PersonRequest) -> HttpResponse:
    """Documents with search (``q``), filter (``show``), ``sort`` and ``page``."""
    search = request.GET.get("q", "").replace("\x00", "").strip()[:200]
    only = request.GET.get("show", "all")
    sort = request.GET.get("sort", "changed")
    newest = queries.newest_document_id()
    documents = queries.document_list(
        readable(request.user), request.user, search=search, only=only, sort=sort
    )
    page = Paginator(documents, PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "search": search,
        "only": only if only in queries.FILTERS else "all",
        "sort": sort if sort in queries.SORTS else "changed",
        "newest": newest,
        "filtered": bool(search) or only != "all",
    }
    return render(request, "dashboard.html", context)


@require_safe
def active(request: PersonRequest) -> HttpResponse:
    """Everybody who is here, with what they are doing."""
    return render(request, "active.html")
