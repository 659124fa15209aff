"""A document's history: its versions, any two compared, named and restored."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from .. import covers, queries
from ..errors import HeadingTaken, PenTaken, Refused, StaleSave
from ..forms import CompareForm, RevisionNameForm
from ..models import Document, Revision
from ..operations import documents, revisions
from ..permissions import editable_document, readable_document
from ..queries import Comparison
from ..text import rendered
from ..timings import PAGE_SIZE
from ..turns import in_turn
from .limits import READS, check_room, counting, limited, refusal, spend
from .requests import PersonRequest


@require_safe
def history(request: PersonRequest, pk: int) -> HttpResponse:
    """A document's versions, newest first; with ``show=named`` those with a name."""
    found = readable_document(request.user, pk)
    named = request.GET.get("show") == "named"
    versions = Paginator(queries.revisions(pk, named=named), PAGE_SIZE)
    context = {
        "document": found,
        "named": named,
        "newest": f"{pk}_{found.version}",
        "versions": versions.get_page(request.GET.get("page")),
    }
    return render(request, "documents/history.html", context)


@require_safe
def compare(request: PersonRequest, pk: int) -> HttpResponse:
    """From a form that chooses two versions (``old`` and ``new``) to their page."""
    readable_document(request.user, pk)
    form = CompareForm(request.GET)
    chosen = sorted(form.cleaned_data.values()) if form.is_valid() else []
    if not chosen:
        messages.error(request, _("Choose two versions to compare."))
    elif missing := [one for one in chosen if queries.revision(pk, one) is None]:
        messages.error(request, _("There is no version %(version)d.") % {"version": missing[0]})
    else:
        return redirect("comparison", pk, *chosen)
    return redirect("history", pk)


@limited("comparisons", READS)
@require_safe
def comparison(request: PersonRequest, pk: int, old: int, new: int) -> HttpResponse:
    """What changed between any two versions, the older one first."""
    found = readable_document(request.user, pk)
    if old > new:
        query = request.META["QUERY_STRING"]
        url = reverse("comparison", args=[pk, new, old])
        return redirect(f"{url}?{query}" if query else url)
    with in_turn(len(found.text)):
        compared = queries.comparison(_revision(pk, old), _revision(pk, new))
        context = {"document": found, **_changes(request, compared)}
        return render(request, "documents/comparison.html", context)


@limited("comparisons", READS)
@counting("saves")
@require_http_methods(["GET", "HEAD", "POST"])
def revision(request: PersonRequest, pk: int, version: int) -> HttpResponse:
    """One version: what it changed, and how it read. ``POST`` restores it; with a
    ``name`` it names it."""
    if request.method == "POST":
        found = editable_document(request.user, pk)
        act = _name if "name" in request.POST else _restore
        kept = _revision(pk, version)
        try:
            spend(request, "saves")
            check_room(request.user.pk)
        except Refused as error:
            return refusal(request, error)
        return act(request, found, kept)
    found, kept = readable_document(request.user, pk), _revision(pk, version)
    return _shown(request, found, kept, RevisionNameForm(initial={"name": kept.name}))


def _name(request: PersonRequest, found: Document, kept: Revision) -> HttpResponse:
    form = RevisionNameForm(request.POST)
    if not form.is_valid():
        return _shown(request, found, kept, form, status=422)
    name = form.cleaned_data["name"]
    revisions.rename(found.pk, kept.version, name)
    done = _("The version is named.") if name else _("The version has no name any more.")
    messages.success(request, done)
    return redirect("revision", found.pk, kept.version)


def _restore(request: PersonRequest, found: Document, kept: Revision) -> HttpResponse:
    cover = kept.cover if covers.is_stored(kept.cover) else ""
    old = documents.Content(kept.title, queries.text_of(kept), cover)
    try:
        documents.restore(found.pk, request.user.pk, old)
    except (HeadingTaken, PenTaken, StaleSave) as error:
        messages.error(request, str(error))
        return redirect("revision", found.pk, kept.version)
    messages.success(
        request, _("Version %(version)d is the present one again.") % {"version": kept.version}
    )
    return redirect("document", found.pk)


def _shown(
    request: PersonRequest,
    found: Document,
    kept: Revision,
    form: RevisionNameForm,
    status: int = 200,
) -> HttpResponse:
    with in_turn(len(found.text)):
        compared = queries.comparison(queries.revision_before(kept), kept)
        context = {
            "document": found,
            "revision": kept,
            "form": form,
            "rendered": rendered(compared.new_text),
            **_changes(request, compared),
        }
        return render(request, "documents/revision.html", context, status=status)


def _changes(request: PersonRequest, compared: Comparison) -> dict[str, Any]:
    """The context of ``includes/changes.html``."""
    return {"comparison": compared, "sides": request.GET.get("view") == "sides"}


def _revision(pk: int, version: int) -> Revision:
    kept = queries.revision(pk, version)
    if kept is None:
        raise Http404
    return kept
