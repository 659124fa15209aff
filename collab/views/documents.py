"""Reading and creating documents."""

from __future__ import annotations

from django.contrib import messages
from django.core.files.storage import default_storage
from django.core.paginator import Paginator
from django.http import FileResponse, Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from .. import covers, queries
from ..errors import PenTaken, StaleSave
from ..forms import DocumentForm
from ..models import Document, Revision
from ..operations import documents, reading
from ..permissions import (
    editable_document,
    may_seize,
    may_trash,
    readable,
    readable_document,
)
from ..subjects import READING, subject_of
from ..text import difference, normalise, rendered
from ..timings import PAGE_SIZE, TEXT_BYTES
from .requests import PersonRequest


@require_safe
def document(request: PersonRequest, pk: int, slug: str = "") -> HttpResponse:
    """One document, for reading."""
    found = readable_document(request.user, pk)
    reading.mark(pk, request.user.pk, found.version)
    unsaved = queries.unsaved(pk, request.user.pk)
    context = {
        "document": found,
        "drafts": unsaved,
        "may_seize": may_seize(request.user, found),
        "may_trash": may_trash(request.user, found),
        "subject": subject_of(pk),
        "mode": READING,
    }
    return render(request, "documents/document.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def new(request: PersonRequest) -> HttpResponse:
    """Write a new document."""
    form = DocumentForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and (content := form.content()):
        made = documents.create(request.user.pk, content)
        reading.mark(made.pk, request.user.pk, made.version)
        return redirect(made)
    status = 422 if request.method == "POST" else 200
    return render(request, "documents/new.html", {"form": form}, status=status)


@require_safe
def history(request: PersonRequest, pk: int) -> HttpResponse:
    """A document's versions, newest first."""
    found = readable_document(request.user, pk)
    page = Paginator(queries.revisions(pk), PAGE_SIZE).get_page(request.GET.get("page"))
    return render(request, "documents/history.html", {"document": found, "page": page})


@require_http_methods(["GET", "HEAD", "POST"])
def revision(request: PersonRequest, pk: int, version: int) -> HttpResponse:
    """One version: what it changed, and how it read. ``POST`` restores it."""
    if request.method == "POST":
        return _restore(request, editable_document(request.user, pk), version)
    found = readable_document(request.user, pk)
    kept = _revision(pk, version)
    text = queries.text_of(kept)
    context = {
        "document": found,
        "revision": kept,
        "rendered": rendered(text),
        "pieces": difference(queries.text_before(kept), text),
    }
    return render(request, "documents/revision.html", context)


def _restore(request: PersonRequest, found: Document, version: int) -> HttpResponse:
    kept = _revision(found.pk, version)
    cover = kept.cover if covers.is_stored(kept.cover) else ""
    old = documents.Content(kept.title, queries.text_of(kept), cover)
    try:
        documents.restore(found.pk, request.user.pk, old)
    except (PenTaken, StaleSave) as error:
        messages.error(request, str(error))
        return redirect("revision", found.pk, version)
    messages.success(
        request, _("Version %(version)d is the present one again.") % {"version": version}
    )
    return redirect("document", found.pk)


def _revision(pk: int, version: int) -> Revision:
    kept = queries.revision(pk, version) if version < 2**31 else None
    if kept is None:
        raise Http404
    return kept


@require_POST
def preview(request: PersonRequest) -> HttpResponse:
    """Markdown as it will look. Renders only; nothing is stored."""
    text = normalise(request.POST.get("text", ""))
    too_long = len(text.encode()) > TEXT_BYTES
    context = {"rendered": None if too_long else rendered(text), "too_long": too_long}
    return render(request, "partials/preview.html", context)


@require_safe
def cover(request: PersonRequest, name: str) -> FileResponse:
    """A stored cover, for those who may read its document."""
    if not covers.NAME.match(name) or not readable(request.user).filter(cover=name).exists():
        raise Http404
    try:
        stored = default_storage.open(covers.path_of(name))
    except FileNotFoundError:  # it lies on another machine
        raise Http404 from None
    # The type is ours, not the uploader's; see ``covers``.
    response = FileResponse(stored, content_type="image/webp")
    response["Cache-Control"] = "private, max-age=31536000, immutable"
    return response
