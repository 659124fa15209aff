"""Drafts: autosave, and the page of a text that was not saved."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from .. import queries
from ..differences import difference
from ..errors import Refused, UnknownStay
from ..forms import DraftForm, EditForm
from ..models import Document, Draft
from ..operations import drafts, editing
from ..permissions import editable_document, followable_times
from ..turns import in_turn
from .addresses import to_editor
from .editing import so_far
from .late import begun_from, may_keep, now
from .limits import READS, counting, limited, with_wait
from .requests import PersonRequest, method_of, number_of

#: A field of the page with two texts, and one of the page with their passages.
UNDECIDED = {"decided", "seen"}


@counting("autosaves")
@require_POST
def autosave(request: PersonRequest, pk: int) -> HttpResponse:
    """What is in an editor now. 409 says that it is kept, but without the pen, or
    that the document is in the trash; 429 and 507 that the browser has to keep it for a
    while, see :mod:`.limits`.

    With ``kept``, it is what a browser had kept when the server was away; the
    answer is then the list of unsaved texts, and what is wrong with this one.
    ``discard`` says that it is not wanted any more."""
    document = followable_times(request.user, pk)
    if UNDECIDED & request.POST.keys():
        return _undecided(request, document)
    form = DraftForm(request.POST)
    try:
        may_keep(request)
    except Refused as error:
        return with_wait(_state(request, document, form, refusal=error), error)
    if "discard" in request.POST:
        return _state(request, document, DraftForm())
    if not form.is_valid():
        return _state(request, document, form, status=422)
    known = {name: form.cleaned_data[name] for name in ("text", "fence", "sequence")}
    version = begun_from(request, document, form)
    is_late = "kept" in request.POST
    try:
        draft, has_pen = drafts.keep(pk, request.user.pk, **known, version=version, is_late=is_late)
    except UnknownStay as error:
        form.add_error(None, str(error))
        return _state(request, document, form, status=422)
    state = {
        "draft": draft,
        "has_pen": has_pen,
        "saved": has_pen and draft.is_settled,
        "sequence": known["sequence"],
        "version": version,
    }
    status = 200 if has_pen or is_late else 409
    return _state(request, document, form, status=status, **state)


def _undecided(request: PersonRequest, document: Document) -> HttpResponse:
    """What is typed on a page with two texts belongs to the stay that it comes from, and
    is kept as its draft until the two are one."""
    form = EditForm(request.POST)
    context: dict[str, object] = {}
    if not form.is_valid():
        context["refusal"] = next(iter(form.errors.values()))[0]
        return render(request, "partials/kept_state.html", context, status=422)
    known = {**_typed(request, document, form), "sequence": now()}
    seen = number_of(request.POST.get("seen", "")) or 0
    if seen and queries.is_chosen(document.pk, request.user.pk, known["fence"], after=seen):
        return HttpResponse(status=204)  # the choices have been saved meanwhile
    try:
        may_keep(request)
        context["draft"] = drafts.keep(document.pk, request.user.pk, **known)[0]
    except (Refused, UnknownStay) as error:
        context["refusal"] = error
        answer = render(request, "partials/kept_state.html", context, status=422)
        return with_wait(answer, error) if isinstance(error, Refused) else answer
    return render(request, "partials/kept_state.html", context)


def _typed(request: PersonRequest, document: Document, form: EditForm) -> dict[str, Any]:
    """The text, and the stay that it belongs to."""
    data = form.cleaned_data
    if "seen" in request.POST:
        text = so_far(request, document, data["text"], data["version"])
        return {"text": text, "fence": data["fence"], "version": data["version"]}
    rescued = request.POST.getlist("rescued")
    stay = _own(request, document.pk, number_of(rescued[-1] if rescued else "") or 0)
    return {"text": data["text"], "fence": stay.fence, "version": stay.base_version}


def _state(
    request: PersonRequest, document: Document, form: DraftForm, status: int = 200, **known: Any
) -> HttpResponse:
    """Where the text is now, for whichever page has sent it."""
    context = {"document": document, "form": form, **known}
    if "kept" not in request.POST:
        return render(request, "partials/save_state.html", context, status=status)
    unsaved = queries.unsaved(document.pk, request.user.pk)
    context = {"document": document, "drafts": unsaved, "kept": context}
    return render(request, "includes/unsaved.html", context, status=status)


@limited("comparisons", READS)
@limited("changes")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def draft(request: PersonRequest, pk: int, draft: int) -> HttpResponse:
    """One unsaved text, for its writer: what it would change. ``POST`` goes on
    with it in the editor, ``DELETE`` throws it away."""
    document = editable_document(request.user, pk)
    found = _own(request, pk, draft)
    if method_of(request) == "DELETE":
        drafts.discard(found.pk, request.user.pk)
        if found.person == request.user:
            messages.success(request, _("Your unsaved text is discarded."))
        return redirect("document", pk)
    if request.method == "POST":
        return _go_on(request, found)
    with in_turn(len(found.text)):
        pieces = difference(document.text, found.text)
        context = {"document": document, "draft": found, "pieces": pieces}
        return render(request, "documents/draft.html", context)


def _own(request: PersonRequest, pk: int, draft: int) -> Draft:
    found = queries.unsaved(pk, request.user.pk).filter(pk=draft).first() if draft < 2**63 else None
    if found is None:
        raise Http404
    return found


def _go_on(request: PersonRequest, found: Draft) -> HttpResponse:
    pk, person = found.document_id, request.user.pk
    fence = editing.take(pk, person) or editing.move(pk, person)
    if fence is None:
        messages.error(request, _("Somebody else has the pen. Your text stays here until then."))
        return redirect("draft", pk, found.pk)
    found.refresh_from_db()  # it may have come along with one's own pen
    drafts.resume(found, person, fence)
    return to_editor(pk, fence)
