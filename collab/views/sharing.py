"""Who may read and change a document; and reading by a link, without an account."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.core.files.storage import default_storage
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from .. import covers, queries
from ..forms import AccessForm, LinkForm, ShareForm
from ..models import Document
from ..operations import sharing
from ..permissions import linked_document, may_share, readable_document
from ..text import rendered, without_images
from .limits import READS, limited
from .requests import PersonRequest, method_of, number_of


@limited("shares")
@require_http_methods(["GET", "HEAD", "POST"])
def share(request: PersonRequest, pk: int) -> HttpResponse:
    """Access, named people and links. ``POST`` with one of ``access``, ``person``,
    ``days``; ``DELETE`` with ``person`` or ``link``."""
    document = readable_document(request.user, pk)
    if not may_share(request.user, document):
        raise PermissionDenied
    if request.method != "POST":
        return _page(request, document)
    if method_of(request) == "DELETE":
        return _delete(request, document)
    if "access" in request.POST:
        return _access(request, document)
    return _give(request, document) if "person" in request.POST else _link(request, document)


def _delete(request: PersonRequest, document: Document) -> HttpResponse:
    if person := number_of(request.POST.get("person", "")):
        sharing.take_back(document.pk, person, actor=request.user.pk)
    elif link := number_of(request.POST.get("link", "")):
        sharing.end_link(document.pk, link, actor=request.user.pk)
        messages.success(request, _("The link opens nothing any more."))
    return redirect("share", document.pk)


def _access(request: PersonRequest, document: Document) -> HttpResponse:
    form = AccessForm(request.POST)
    if not form.is_valid():
        return _page(request, document, status=422)
    sharing.set_access(document.pk, form.cleaned_data["access"], actor=request.user.pk)
    return redirect("share", document.pk)


def _give(request: PersonRequest, document: Document) -> HttpResponse:
    form = ShareForm(request.POST, people=queries.people_to_name(document))
    if not form.is_valid():
        return _page(request, document, form, status=422)
    person = form.cleaned_data["person"]
    may_edit = form.cleaned_data["may_edit"] == "yes"
    sharing.give(document.pk, person.pk, may_edit=may_edit, actor=request.user.pk)
    return redirect("share", document.pk)


def _link(request: PersonRequest, document: Document) -> HttpResponse:
    form = LinkForm(request.POST)
    if not form.is_valid():
        return _page(request, document, status=422)
    token = sharing.make_link(document.pk, request.user.pk, int(form.cleaned_data["days"]))
    address = request.build_absolute_uri(reverse("shared", args=[token]))
    return _page(request, document, address=address)


def _page(
    request: PersonRequest,
    document: Document,
    form: ShareForm | None = None,
    *,
    address: str = "",
    status: int = 200,
) -> HttpResponse:
    context = {
        "document": document,
        "access_form": AccessForm(initial={"access": document.access}),
        "form": form or ShareForm(people=queries.people_to_name(document)),
        "link_form": LinkForm(),
        "shares": queries.shares(document.pk),
        "links": queries.links(document.pk),
        "address": address,
    }
    response = render(request, "documents/share.html", context, status=status)
    if address:
        response["Cache-Control"] = "no-store"  # the secret is shown this once
    return response


@limited("visits", READS)
@login_not_required
@require_safe
def shared(request: HttpRequest, token: str) -> HttpResponse:
    """A document for whoever has its link: to read, and nothing else."""
    document = _linked(token)
    # Pictures of other documents are not for this reader.
    found = rendered(document.text)
    text = without_images(found.html)
    context = {"document": document, "text": text, "rendered": found, "token": token}
    response = render(request, "documents/shared.html", context)
    return _private(response)


@limited("visits", READS)
@login_not_required
@require_safe
def shared_cover(request: HttpRequest, token: str) -> HttpResponse:
    """The cover of such a document."""
    document = _linked(token)
    if not covers.is_stored(document.cover):
        raise Http404
    stored = default_storage.open(covers.path_of(document.cover))
    return _private(FileResponse(stored, content_type="image/webp"))


def _linked(token: str) -> Document:
    document = linked_document(token)
    if document is None:
        raise Http404
    return document


def _private(response: HttpResponse | FileResponse) -> HttpResponse:
    """The address is a secret: it goes into no cache, no index, and no other site."""
    response["Cache-Control"] = "private, no-store"
    response["X-Robots-Tag"] = "noindex, nofollow"
    response["Referrer-Policy"] = "no-referrer"
    return response  # type: ignore[return-value]
