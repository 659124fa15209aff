"""The dashboard: all documents, and who is in them."""

from __future__ import annotations

from typing import cast

from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Count, Max
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.functional import cached_property
from django.views.decorators.http import require_safe

from .. import queries
from ..models.document import DocumentQuerySet
from ..permissions import may_create, readable
from ..timings import PAGE_SIZE
from .requests import PersonRequest


class DocumentPaginator(Paginator):  # type: ignore[type-arg]
    """Counts, and finds the newest id of what it counts, in one query."""

    newest = 0

    @cached_property
    def count(self) -> int:
        documents = cast("DocumentQuerySet", self.object_list)
        found = documents.aggregate(count=Count("pk"), newest=Max("pk"))
        self.newest = found["newest"] or 0
        return int(found["count"])


@require_safe
def dashboard(request: PersonRequest) -> HttpResponse:
    """Documents with search (``q``), filter (``show``), ``sort`` and ``page``."""
    search = request.GET.get("q", "").replace("\x00", "").strip()[:200]
    only = request.GET.get("show", "all")
    sort = request.GET.get("sort", "changed")
    documents = queries.document_list(
        readable(request.user), request.user, search=search, only=only, sort=sort
    )
    paginator = DocumentPaginator(documents, PAGE_SIZE)
    page = paginator.get_page(request.GET.get("page"))
    context = {
        "page": page,
        "search": search,
        "only": only if only in queries.FILTERS else "all",
        "sort": sort if sort in queries.SORTS else "changed",
        "newest": paginator.newest,
        "may_create": may_create(request.user),
        "filtered": bool(search) or only != "all",
    }
    return render(request, "dashboard.html", context)


@require_safe
def active(request: PersonRequest) -> HttpResponse:
    """Everybody who is here, with what they are doing. Not for guests."""
    if request.user.is_guest:
        raise PermissionDenied
    return render(request, "active.html")
