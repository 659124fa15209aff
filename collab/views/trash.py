"""The trash: into it, out of it, and out of this world."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from .. import queries
from ..models import Document
from ..operations import trash as operations
from ..permissions import editable_document, followable_document, may_trash, restorable
from ..timings import PAGE_SIZE, TRASH_DAYS
from .limits import limited
from .requests import PersonRequest, method_of


@require_safe
def trash(request: PersonRequest) -> HttpResponse:
    """The documents in the trash that the person may restore."""
    documents = queries.in_trash(restorable(request.user))
    page = Paginator(documents, PAGE_SIZE).get_page(request.GET.get("page"))
    return render(request, "trash.html", {"page": page, "days": TRASH_DAYS})


@limited("changes")
@require_POST
def move(request: PersonRequest, pk: int) -> HttpResponse:
    """Move a document to the trash. The dashboard then offers to undo it."""
    document = editable_document(request.user, pk)
    if not may_trash(request.user, document):
        raise PermissionDenied
    operations.move(pk, request.user.pk)
    moved = _("“%(title)s” is in the trash.") % {"title": document.title}
    # ``extra_tags`` of a message: where its "Undo" goes (see includes/messages.html).
    messages.success(request, moved, extra_tags=reverse("trashed", args=[pk]))
    return redirect("dashboard")


@limited("changes")
@require_POST
def trashed(request: PersonRequest, pk: int) -> HttpResponse:
    """``POST``: restore a document; ``DELETE``: delete it for good."""
    document = followable_document(request.user, pk)
    if not may_trash(request.user, document):
        raise Http404
    if method_of(request) == "DELETE":
        return _delete(request, document)
    title = {"title": document.title}
    if operations.restore(pk, request.user.pk):
        messages.success(request, _("“%(title)s” is back.") % title)
    else:
        messages.info(request, _("“%(title)s” is not in the trash any more.") % title)
    is_there = Document.objects.filter(pk=pk).exists()
    return redirect(document) if is_there else redirect("trash")


def _delete(request: PersonRequest, document: Document) -> HttpResponse:
    title = {"title": document.title}
    if operations.delete(document.pk):
        messages.success(request, _("“%(title)s” is deleted for good.") % title)
    else:
        gone = _("“%(title)s” is not in the trash any more. Nothing was deleted.")
        messages.info(request, gone % title)
    return redirect("trash")
