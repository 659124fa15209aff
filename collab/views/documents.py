"""Reading and creating documents."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.core.files.storage import default_storage
from django.http import FileResponse, Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from .. import covers, queries
from ..errors import Refused
from ..forms import DocumentForm
from ..models import Document
from ..models.document import DocumentQuerySet
from ..operations import documents, reading
from ..permissions import (
    editable,
    editable_document,
    may_create,
    may_seize,
    may_share,
    may_trash,
    readable,
    readable_document,
)
from ..subjects import READING, WATCHING, subject_of
from ..text import normalise, rendered
from ..timings import PAGE_SIZE, TEXT_BYTES, TITLE_CHARACTERS
from .limits import check_new_document, counting, limited, refusal, spend, with_wait
from .requests import PersonRequest, method_of, number_of


@require_safe
def document(request: PersonRequest, pk: int, slug: str = "") -> HttpResponse:
    """One document, for reading."""
    found = readable_document(request.user, pk)
    reading.mark(pk, request.user.pk, found.version)
    return reading_page(request, found)


def reading_page(request: PersonRequest, found: Document, *, taken: bool = False) -> HttpResponse:
    """A document as one reads it, with what this person may do with it."""
    person = request.user
    context = {
        "document": found,
        "drafts": queries.unsaved(found.pk, person.pk),
        "may_edit": editable(person).filter(pk=found.pk).exists(),
        "may_create": may_create(person),
        "may_seize": may_seize(person, found),
        "may_share": may_share(person, found),
        "may_trash": may_trash(person, found),
        "subject": subject_of(found.pk),
        "mode": READING,
        "taken": taken,
    }
    return render(request, "documents/document.html", context)


@require_safe
def watch(request: PersonRequest, pk: int) -> HttpResponse:
    """What the holder of the pen is typing, as it comes."""
    found = readable_document(request.user, pk)
    context = {"document": found, "subject": subject_of(pk), "mode": WATCHING}
    return render(request, "documents/watch.html", context)


@counting("documents")
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: PersonRequest) -> HttpResponse:
    """Write a new document, perhaps one that starts ``from`` a template."""
    _must_create(request)
    templates = queries.templates(readable(request.user))
    template = _template(templates, request.GET.get("from", ""))
    if request.method != "POST":
        if template is None and "from" in request.GET:
            raise Http404
        given = {"title": template.title, "text": template.text} if template else None
        return _new(request, DocumentForm(initial=given), template)
    form = DocumentForm(request.POST, request.FILES)
    try:
        _may_create_now(request)
    except Refused as error:
        form.add_error(None, str(error))
        return with_wait(_new(request, form, template), error)
    # The template may be gone by now: what was made of it is not.
    content = form.content(template.cover if template else "")
    if content is None:
        return _new(request, form, template, status=422)
    return redirect(_create(request, content))


def _new(
    request: PersonRequest, form: DocumentForm, template: Document | None, status: int = 200
) -> HttpResponse:
    listed = queries.templates(readable(request.user)).defer("text", "excerpt")
    context = {"form": form, "templates": listed[:PAGE_SIZE], "document": template}
    return render(request, "documents/new.html", context, status=status)


def _template(templates: DocumentQuerySet, number: str) -> Document | None:
    found: Document | None = templates.filter(pk=number_of(number)).first()
    return found


def _must_create(request: PersonRequest) -> None:
    if not may_create(request.user):
        raise PermissionDenied


def _may_create_now(request: PersonRequest) -> None:
    spend(request, "documents")
    if request.FILES:
        spend(request, "uploads")
    check_new_document(request.user.pk)


def _create(request: PersonRequest, content: documents.Content) -> Document:
    made = documents.create(request.user.pk, content)
    reading.mark(made.pk, request.user.pk, made.version)
    return made


@counting("documents")
@require_POST
def duplicate(request: PersonRequest, pk: int) -> HttpResponse:
    """Make a document of one's own with the content of another."""
    _must_create(request)
    found = readable_document(request.user, pk)
    try:
        _may_create_now(request)
    except Refused as error:
        return refusal(request, error)
    title = _("Copy of %(title)s") % {"title": found.title}
    cover = found.cover if covers.is_stored(found.cover) else ""
    content = documents.Content(title[:TITLE_CHARACTERS], found.text, cover)
    return redirect(_create(request, content))


@limited("changes")
@require_POST
def template(request: PersonRequest, pk: int) -> HttpResponse:
    """``POST``: new documents may start from this one; ``DELETE``: no longer."""
    found = editable_document(request.user, pk)
    documents.mark_template(pk, is_template=method_of(request) != "DELETE")
    return redirect(found)


@limited("previews")
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
    if (
        not covers.NAME.match(name)
        or not readable(request.user).filter(heading__cover=name).exists()
    ):
        raise Http404
    try:
        stored = default_storage.open(covers.path_of(name))
    except FileNotFoundError:  # it lies on another machine
        raise Http404 from None
    # The type is ours, not the uploader's; see ``covers``.
    response = FileResponse(stored, content_type="image/webp")
    response["Cache-Control"] = "private, max-age=31536000, immutable"
    return response
