"""Reading and creating documents."""

from __future__ import annotations

from django.core.files.storage import default_storage
from django.http import FileResponse, Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from .. import covers, queries
from ..forms import DocumentForm
from ..operations import documents, reading
from ..permissions import may_seize, readable, readable_document
from ..subjects import READING, WATCHING, subject_of
from ..text import normalise, rendered
from ..timings import TEXT_BYTES
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
        "subject": subject_of(pk),
        "mode": READING,
    }
    return render(request, "documents/document.html", context)


@require_safe
def watch(request: PersonRequest, pk: int) -> HttpResponse:
    """What the holder of the pen is typing, as it comes."""
    found = readable_document(request.user, pk)
    context = {"document": found, "subject": subject_of(pk), "mode": WATCHING}
    return render(request, "documents/watch.html", context)


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
