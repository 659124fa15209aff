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
from ..models.document import DocumentQuerySet
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
from ..timings import PAGE_SIZE, TEXT_BYTES, TITLE_CHARACTERS
from .requests import PersonRequest, method_of


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
    """Write a new document, perhaps one that starts ``from`` a template."""
    templates = queries.templates(readable(request.user))
    template = _template(templates, request.GET.get("from", ""))
    if request.method != "POST":
        if template is None and "from" in request.GET:
            raise Http404
        given = {"title": template.title, "text": template.text} if template else None
        return _new(request, DocumentForm(initial=given), template)
    form = DocumentForm(request.POST, request.FILES)
    # The template may be gone by now: what was made of it is not.
    content = form.content(template.cover if template else "")
    if content is None:
        return _new(request, form, template, status=422)
    return redirect(_create(request, content))


def _new(
    request: PersonRequest, form: DocumentForm, template: Document | None, status: int = 200
) -> HttpResponse:
    listed = queries.templates(readable(request.user)).only("title")
    context = {"form": form, "templates": listed[:PAGE_SIZE], "document": template}
    return render(request, "documents/new.html", context, status=status)


def _template(templates: DocumentQuerySet, number: str) -> Document | None:
    if not (number.isdecimal() and len(number) < 19):
        return None
    found: Document | None = templates.filter(pk=int(number)).first()
    return found


def _create(request: PersonRequest, content: documents.Content) -> Document:
    made = documents.create(request.user.pk, content)
    reading.mark(made.pk, request.user.pk, made.version)
    return made


@require_POST
def duplicate(request: PersonRequest, pk: int) -> HttpResponse:
    """Make a document of one's own with the content of another."""
    found = readable_document(request.user, pk)
    title = _("Copy of %(title)s") % {"title": found.title}
    cover = found.cover if covers.is_stored(found.cover) else ""
    content = documents.Content(title[:TITLE_CHARACTERS], found.text, cover)
    return redirect(_create(request, content))


@require_POST
def template(request: PersonRequest, pk: int) -> HttpResponse:
    """``POST``: new documents may start from this one; ``DELETE``: no longer."""
    found = editable_document(request.user, pk)
    documents.mark_template(pk, is_template=method_of(request) != "DELETE")
    return redirect(found)


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
