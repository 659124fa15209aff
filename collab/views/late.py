"""Texts that come too late: they are kept before anything else is said."""

from __future__ import annotations

import time
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render

from .. import queries
from ..errors import Refused, UnknownStay
from ..forms import EditForm
from ..limits import limits
from ..models import Document, Draft
from ..operations import drafts
from ..permissions import may_trash
from .limits import check_room, spend
from .requests import PersonRequest


def begun_from(request: PersonRequest, document: Document, form: EditForm) -> int:
    """The version that the text of this form begins from."""
    data = form.cleaned_data
    known = data["fence"], data["page"], data["version"]
    return queries.begun_from(document.pk, request.user.pk, *known)


def may_keep(request: PersonRequest) -> None:
    """Count a draft.

    Raises:
        Refused: it cannot be kept now.
    """
    spend(request, "autosaves")
    check_room(request.user.pk, beyond=limits().draft_megabytes)


def rescue(
    request: PersonRequest, document: Document, form: EditForm, **result: Any
) -> Draft | None:
    """Keep a late text (or what came of it: ``result``) as its writer's draft; None
    when it is of no stay here, or cannot be kept now."""
    data = form.cleaned_data
    kept = {name: data[name] for name in ("text", "fence")}
    kept["version"] = begun_from(request, document, form)
    kept["sequence"] = data["sequence"] or now()
    try:
        may_keep(request)
        return drafts.keep(document.pk, request.user.pk, **{**kept, **result})[0]
    except (Refused, UnknownStay):
        return None


def now() -> int:
    """A sequence of this moment, as editors have them: in milliseconds."""
    return int(time.time() * 1000)


def trashed(request: PersonRequest, document: Document) -> HttpResponse:
    """A save of a document that somebody has moved to the trash: 409, with the text
    kept and still to be seen; 422 when it cannot be kept."""
    form = EditForm(request.POST)
    draft = rescue(request, document, form) if form.is_valid() else None
    if draft is None and not form.errors:
        form.add_error(None, str(UnknownStay()))
    context = {
        "document": document,
        "form": form,
        "draft": draft,
        "sequence": request.POST.get("sequence", ""),
        "yours": request.POST.get("text", ""),
        "is_late": True,
        "may_trash": may_trash(request.user, document),
    }
    template = "partials/save_state.html" if request.htmx else "documents/trashed.html"
    return render(request, template, context, status=409 if draft else 422)
