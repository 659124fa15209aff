"""Title and cover: their page, beside whoever writes the text."""

from __future__ import annotations

from operator import attrgetter

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from .. import covers
from ..errors import Refused, StaleHeading
from ..forms import RenameForm, TitleForm
from ..models import Document, Heading
from ..operations import editing, headings
from ..permissions import changeable_document, editable_document
from ..subjects import RENAMING, Claim, subject_of
from . import leases
from .addresses import to_editor, to_rename
from .limits import check_room, counting, refusal, spend, with_wait
from .requests import PersonRequest, is_visit, method_of, number_of

HEADING = attrgetter("heading")


@counting("saves")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def rename(request: PersonRequest, pk: int) -> HttpResponse:
    """Another title or cover. Opening the page takes their lease, if that is free.

    ``POST``: change them; with ``move``, bring one's lease here from another tab;
    ``DELETE``: give it back. ``pen`` is the editor's fence, for who comes from there.
    """
    if request.method == "POST":
        return _post(request, changeable_document(request.user, pk))
    document = editable_document(request.user, pk)
    fence, pen = (number_of(request.GET.get(name, "")) for name in ("heading", "pen"))
    if fence and leases.keeps(request.user, document.heading, fence, headings.renew):
        return _page(request, document, _form(document, fence, pen), fence, pen)
    if not is_visit(request):
        return HttpResponse(status=204)
    person = request.user
    taken = headings.take(pk, person.pk) or leases.bring(
        person, document.heading, HEADING, headings.move
    )
    if taken is not None:
        return to_rename(pk, fence=taken, pen=pen)
    return _page(request, document, None, 0, pen)


def _post(request: PersonRequest, document: Document) -> HttpResponse:
    pen = number_of(request.POST.get("pen", ""))
    is_change = method_of(request) != "DELETE" and not {"hold", "move"} & request.POST.keys()
    try:
        spend(request, "saves" if is_change else "changes")
    except Refused as error:
        return _not_now(request, document, pen, error) if is_change else refusal(request, error)
    if method_of(request) == "DELETE":
        fence = number_of(request.POST.get("fence", "")) or 0
        headings.release(document.pk, request.user.pk, fence)
        return _back(document, pen)
    if request.htmx:
        return _in_editor(request, document)
    if "move" in request.POST:
        moved = headings.move(document.pk, request.user.pk)
        return to_rename(document.pk, fence=moved, pen=pen)
    return _change(request, document, pen)


def _in_editor(request: PersonRequest, document: Document) -> HttpResponse:
    """The title's field beside the text: ``hold`` its lease while somebody types there;
    when they leave it, the title is changed and the lease given back."""
    form = TitleForm(request.POST)
    if "hold" in request.POST:
        is_current = request.POST.get("title") == document.title
        if not headings.hold(document.pk, request.user.pk) or not is_current:
            return HttpResponse(status=204)  # the page has said who has it
        context = {"version": document.heading.version}
        return render(request, "partials/title_state.html", context)
    error = retitled(request, document, form)
    # Who is told what the title is now has seen that version.
    present = Heading.objects.get(pk=document.pk)
    answer = {"version": present.version, "present": present.title, "error": error}
    return render(request, "partials/title_state.html", answer, status=409 if error else 200)


def retitled(request: PersonRequest, document: Document, form: TitleForm) -> str:
    """Change the title to what the editor's field has; what is wrong, if it cannot."""
    if not form.is_valid():
        return " ".join(str(error) for errors in form.errors.values() for error in errors)
    title, version = form.cleaned_data["title"], form.cleaned_data["heading"]
    try:
        headings.retitle(document.pk, request.user.pk, title=title, version=version)
    except StaleHeading as error:
        return str(error)
    return ""


def _not_now(
    request: PersonRequest, document: Document, pen: int | None, error: Refused
) -> HttpResponse:
    """A limit is reached: what was typed stays where it is."""
    if request.htmx:
        seen = number_of(request.POST.get("heading", "")) or document.heading.version
        answer = {"version": seen, "present": document.title, "error": error}
        return with_wait(render(request, "partials/title_state.html", answer), error)
    form, fence = RenameForm(request.POST), number_of(request.POST.get("fence", "")) or 0
    return with_wait(_page(request, document, form, fence, pen, message=str(error)), error)


def _change(request: PersonRequest, document: Document, pen: int | None) -> HttpResponse:
    try:
        if request.FILES:
            spend(request, "uploads")
        check_room(request.user.pk)
    except Refused as error:
        return _not_now(request, document, pen, error)
    form = RenameForm(request.POST, request.FILES)
    cover = form.store(document.cover, request.user.pk)
    if cover is None:
        fence = number_of(request.POST.get("fence", "")) or 0
        return _page(request, document, form, fence, pen, status=422)
    person, title, version = request.user.pk, form.cleaned_data["title"], document.heading.version
    fence = form.cleaned_data["fence"]
    # Away for long, and nobody changed anything meanwhile: it is no conflict.
    if form.cleaned_data["version"] == version and document.heading.fence != fence:
        fence = headings.take(document.pk, person) or fence
    seen = {"fence": fence, "version": form.cleaned_data["version"]}
    if (title, cover) != (document.title, document.cover):
        try:
            headings.change(document.pk, person, title=title, cover=cover, **seen)
        except StaleHeading as error:
            return _late(request, document, form, cover, pen, error)
        messages.success(request, _("Saved."))
    headings.release(document.pk, person, fence)
    return _back(document, pen)


def _late(
    request: PersonRequest,
    document: Document,
    form: RenameForm,
    cover: str,
    pen: int | None,
    error: StaleHeading,
) -> HttpResponse:
    """What was typed and uploaded stays, beside what holds now; who saves it again
    has seen both."""
    fence = headings.take(document.pk, request.user.pk, own_fence=form.cleaned_data["fence"])
    new_cover = form.cleaned_data["kept_cover"]
    if cover and cover != document.cover:
        new_cover = cover
        covers.set_aside(cover, request.user.pk)
    document = changeable_document(request.user, document.pk)
    again = RenameForm(
        initial={
            **form.cleaned_data,
            "version": document.heading.version,
            "fence": fence or 0,
            "kept_cover": new_cover,
        }
    )
    trashed = _("The document is in the trash. What you typed stays here.")
    message = trashed if document.trashed_at else str(error)
    return _page(request, document, again, fence or 0, pen, message=message, status=409)


def _form(document: Document, fence: int, pen: int | None) -> RenameForm:
    version = document.heading.version
    known = {"title": document.title, "version": version, "fence": fence, "pen": pen}
    return RenameForm(initial=known)


def _page(
    request: PersonRequest,
    document: Document,
    form: RenameForm | None,
    fence: int,
    pen: int | None,
    *,
    message: str = "",
    status: int = 200,
) -> HttpResponse:
    # The pen that this page holds on to for the editor, if it is the person's.
    has_pen = pen and leases.keeps(request.user, document, pen, editing.renew)
    context = {
        "document": document,
        "form": form,
        "fence": fence,
        "pen": pen,
        "message": message,
        "region_key": f"{document.pk}_{fence}",
        "subject": subject_of(document.pk),
        "mode": RENAMING,
        "claim": Claim(pen if pen and has_pen else 0, fence),
    }
    return render(request, "documents/rename.html", context, status=status)


def _back(document: Document, pen: int | None) -> HttpResponse:
    return to_editor(document.pk, pen) if pen else redirect("document", document.pk)
