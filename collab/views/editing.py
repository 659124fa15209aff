"""The editor and the pen."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from .. import queries
from ..errors import StaleSave, TooLong
from ..forms import DraftForm, EditForm
from ..merging import LongResult, MissingChoice, Overlap, joined, merge
from ..models import Document, Draft, Revision
from ..operations import documents, drafts, editing
from ..operations.documents import Content
from ..permissions import editable_document, followable_document, may_seize, may_trash
from ..subjects import EDITING, READING, subject_of
from ..text import check_size, normalise
from ..timings import REASON_CHARACTERS
from . import late
from .requests import PersonRequest, method_of


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: PersonRequest, pk: int) -> HttpResponse:
    """The editor. Opening it takes the pen, if that is free."""
    if request.method == "POST":
        document = followable_document(request.user, pk)
        return late.trashed(request, document) if document.trashed_at else _save(request, document)
    document = editable_document(request.user, pk)
    shown = request.GET.get("pen", "")
    own_fence = int(shown) if shown.isdecimal() and len(shown) < 19 else None
    if own_fence is not None and _holds(request, document, own_fence):
        draft = queries.unsaved(pk, request.user.pk).filter(fence=own_fence).first()
        form = EditForm.of(document, own_fence, draft)
        return _editor(request, document, form, own_fence, draft=draft)
    if not _is_visit(request):
        return HttpResponse(status=204)
    fence = editing.take(pk, request.user.pk) or _bring(request, document)
    if fence is not None:
        return to_editor(pk, fence)
    context = {
        "document": document,
        "drafts": queries.unsaved(pk, request.user.pk),
        "subject": subject_of(pk),
        "mode": READING,
        "may_seize": may_seize(request.user, document),
        "may_trash": may_trash(request.user, document),
        "taken": True,
    }
    return render(request, "documents/document.html", context)


@require_http_methods(["POST"])
def pen(request: PersonRequest, pk: int) -> HttpResponse:
    """``POST``: bring one's pen here from another tab, or take a free one; or, by
    ``act``: ask, withdraw, keep, hand_over, seize. ``DELETE``: give it back."""
    person, act, number = request.user.pk, request.POST.get("act"), request.POST.get("fence", "")
    if act == "hand_over":  # the text comes along, wherever the document is by now
        return _hand_over(request, followable_document(request.user, pk))
    document = editable_document(request.user, pk)
    fence = int(number) if number.isdecimal() and len(number) < 19 else -1
    if method_of(request) == "DELETE":
        editing.release(pk, person, fence)
        return redirect("document", pk)
    if act == "ask":
        if not editing.ask(pk, person):
            messages.info(request, _("The pen is free now, or somebody else waits for it."))
        return redirect("document", pk)
    if act == "withdraw":
        editing.withdraw(pk, person)
        return redirect("document", pk)
    if act == "keep":
        editing.keep(pk, person, fence)
        return HttpResponse(status=204) if request.htmx else to_editor(pk, fence)
    if act == "seize":
        return _seize(request, document)
    fence_here = editing.move(pk, request.user.pk) or editing.take(pk, request.user.pk)
    return redirect("edit", pk) if fence_here is None else to_editor(pk, fence_here)


def _hand_over(request: PersonRequest, document: Document) -> HttpResponse:
    """What is in the editor is stored first; then the pen moves."""
    form = DraftForm(request.POST)
    draft = late.rescue(request, document, form) if form.is_valid() else None
    if draft is None:
        # It cannot be kept (too long, say): then it must not leave the page.
        return render(request, "partials/save_state.html", {"form": form}, status=422)
    editing.hand_over(document.pk, request.user.pk, form.cleaned_data["fence"])
    if request.htmx:
        sequence = form.cleaned_data.get("sequence")
        context = {"document": document, "form": form, "draft": draft, "sequence": sequence}
        return render(request, "partials/save_state.html", context)
    return redirect("document", document.pk)


def _seize(request: PersonRequest, document: Document) -> HttpResponse:
    if not may_seize(request.user, document):
        raise PermissionDenied
    reason = " ".join(request.POST.get("reason", "").replace("\x00", "").split())
    if not 0 < len(reason) <= REASON_CHARACTERS:
        messages.error(
            request,
            _("Say in up to %(limit)d characters why you take the pen: its holder will read it.")
            % {"limit": REASON_CHARACTERS},
        )
        return redirect("document", document.pk)
    fence = editing.seize(document.pk, request.user.pk, reason)
    return redirect("document", document.pk) if fence is None else to_editor(document.pk, fence)


def _is_visit(request: PersonRequest) -> bool:
    """Has a person gone to this page? A question (HEAD), a browser's guess, or an
    address that a text has as a picture must not take the pen."""
    return (
        request.method == "GET"
        and not request.headers.get("Sec-Purpose", "").startswith("prefetch")
        and request.headers.get("Sec-Fetch-Dest", "document") == "document"
    )


def _holds(request: PersonRequest, document: Document, fence: int) -> bool:
    """A reload (or the redirect after taking) shows the fence it already has."""
    if document.holder != request.user or document.fence != fence:
        return False
    editing.renew([(document.pk, fence)])
    return True


def _bring(request: PersonRequest, document: Document) -> int | None:
    """One's own pen, if the page that had it is no longer there."""
    if document.holder != request.user:
        return None
    if queries.is_connected(request.user.pk, document.pk, str(document.fence)):
        return None
    return editing.move(document.pk, request.user.pk)


def to_editor(pk: int, fence: int) -> HttpResponse:
    """The editor's own address, with the fence that it has."""
    return redirect(f"{reverse('edit', args=[pk])}?{urlencode({'pen': fence})}")


def _editor(
    request: PersonRequest,
    document: Document,
    form: EditForm,
    fence: int,
    *,
    draft: Draft | None = None,
    status: int = 200,
) -> HttpResponse:
    context = {
        "document": document,
        "form": form,
        "draft": draft,
        "has_pen": True,
        "drafts": queries.unsaved(document.pk, request.user.pk).exclude(fence=fence),
        "fence": fence,
        "region_key": f"{document.pk}_{fence}",
        "subject": subject_of(document.pk),
        "mode": EDITING,
        "claim": fence,
    }
    return render(request, "documents/edit.html", context, status=status)


def _save(request: PersonRequest, document: Document) -> HttpResponse:
    form = EditForm(request.POST, request.FILES)
    content = form.content(document.cover)
    done = "done" in request.POST
    if content is None:
        return _refused(request, document, form)
    stay = form.cleaned_data["fence"]
    page, sequence = form.cleaned_data["page"], form.cleaned_data["sequence"]
    version = late.begun_from(request, document, form)
    fence = form.cleaned_data["fence"] = _fence_to_save(request, document, stay, version)
    unchanged = (content.title, content.text, content.cover) == (
        document.title,
        document.text,
        document.cover,
    )
    merged_with = None
    if not (done and unchanged):
        try:
            if "seen" in request.POST:
                content, version = _chosen(request, document, content, version)
            version, merged_with = documents.publish(
                document.pk,
                request.user.pk,
                content,
                fence=fence,
                version=version,
                sequence=sequence,
                page=page,
            )
        except (Overlap, StaleSave) as error:
            return _not_saved(request, document, form, content, version, error)
        _settle_rescued(request)
    if done:
        editing.release(document.pk, request.user.pk, fence)
    elif request.htmx and not merged_with and fence == stay:
        document.refresh_from_db()
        context = {"document": document, "version": version, "saved": True, "sequence": sequence}
        return render(request, "partials/save_state.html", context)
    _tell(request, merged_with)
    if done:
        return redirect("document", document.pk)
    answer = to_editor(document.pk, fence)
    # Merged, or under another fence: the editor must show what holds now.
    return HttpResponse(headers={"HX-Redirect": answer["Location"]}) if request.htmx else answer


def _fence_to_save(request: PersonRequest, document: Document, fence: int, version: int) -> int:
    """The fence of the page, or a new one: when the person has decided, having seen
    both texts, and when the pen was away but nobody has written."""
    pk, person = document.pk, request.user.pk
    if "decided" in request.POST:
        return editing.take(pk, person, own_fence=fence) or fence
    return editing.take_back(pk, person, fence, version) or fence


def _tell(request: PersonRequest, merged_with: Revision | None) -> None:
    if merged_with is None:
        messages.success(request, _("Saved."))
        return
    at = date_format(localtime(merged_with.at), "TIME_FORMAT")
    merged = _("Merged with %(name)s’s save of %(time)s.")
    messages.info(request, merged % {"name": merged_with.author.name, "time": at})


def _not_saved(
    request: PersonRequest,
    document: Document,
    form: EditForm,
    content: Content,
    version: int,
    error: Overlap | StaleSave,
) -> HttpResponse:
    """What was typed is kept first; then a page to bring the two together."""
    if isinstance(error, MissingChoice):
        return _overlap(request, document, form, error, content, version)
    if Document.objects.trashed().filter(pk=document.pk).exists():  # at this very moment
        return late.trashed(request, followable_document(request.user, document.pk))
    result = {"title": content.title, "text": content.text, "version": version}
    draft = late.rescue(request, document, form, **result)
    if isinstance(error, Overlap):
        return _overlap(request, document, form, error, content, version)
    return _conflict(request, document, form, content=content, message=str(error), rescued=draft)


def _chosen(
    request: PersonRequest, document: Document, content: Content, base: int
) -> tuple[Content, int]:
    """The content as somebody chose it, and the version that it takes in.

    Raises:
        MissingChoice: for some passage there is none.
    """
    number = request.POST["seen"]
    seen = int(number) if number.isdecimal() and len(number) < 10 else 0
    before, other = queries.revision(document.pk, base), queries.revision(document.pk, seen)
    if before is None or other is None or seen <= base:
        return content, base  # it will be asked anew, from what there is
    passages = merge(queries.text_of(before), content.text, queries.text_of(other))
    texts: list[str] = []
    for number_, passage in enumerate((p for p in passages if p.overlaps), 1):
        choice, free = _choice(request, number_)
        sides = {"yours": passage.your_text, "theirs": passage.their_text, "free": free}
        if choice not in sides:
            raise MissingChoice(passages, seen)
        texts.append(sides[choice])
    try:
        text = check_size(joined(passages, texts))
    except TooLong as error:
        raise LongResult(passages, seen, error) from error
    title = other.title if content.title == before.title else content.title
    cover = other.cover if content.cover == before.cover else content.cover
    return Content(title, text, cover), seen


def _choice(request: PersonRequest, number: int) -> tuple[str, str]:
    """What somebody chose for a passage, and the text of their own beside it."""
    choice = request.POST.get(f"choice-{number}", "")
    return choice, normalise(request.POST.get(f"free-{number}", ""))


def _overlap(
    request: PersonRequest,
    document: Document,
    form: EditForm,
    overlap: Overlap,
    content: Content,
    base: int,
) -> HttpResponse:
    """The passages that both have changed, to choose one by one."""
    data, again = form.cleaned_data, isinstance(overlap, MissingChoice)
    passages = [passage for passage in overlap.passages if passage.overlaps]
    context = {
        "document": document,
        "message": str(overlap),
        # What was chosen and written before stays, as long as the passages do.
        "passages": [
            (passage, *(_choice(request, number) if again else ("", "")))
            for number, passage in enumerate(passages, 1)
        ],
        "other": queries.revision(document.pk, overlap.version),
        "yours": content,
        "kept_cover": content.cover if content.cover != document.cover else "",
        "remove_cover": document.cover and not content.cover,
        "fence": data["fence"],
        # What comes of the choices is newer than what they are about.
        "sequence": data["sequence"] and data["sequence"] + 1,
        "rescued": request.POST.getlist("rescued"),
        "base": base,
        "subject": subject_of(document.pk),
        "mode": EDITING,
        "claim": data["fence"],
    }
    status = 422 if again else 409
    response = render(request, "documents/overlap.html", context, status=status)
    response["HX-Retarget"], response["HX-Reswap"] = "body", "innerHTML"
    return response


def _settle_rescued(request: PersonRequest) -> None:
    """The conflict is over, and what was rescued in it is part of its result."""
    for rescued in request.POST.getlist("rescued"):
        if rescued.isdecimal() and len(rescued) < 19:
            drafts.discard(int(rescued), request.user.pk)


def _refused(request: PersonRequest, document: Document, form: EditForm) -> HttpResponse:
    """The form says what is wrong, and everything that was typed stays."""
    if "decided" in request.POST:
        return _conflict(request, document, form, status=422)
    if request.htmx:
        return render(request, "partials/save_state.html", {"form": form}, status=422)
    if form.has_error("version") or form.has_error("fence"):
        return _conflict(request, document, form, status=400)
    return _editor(request, document, form, form.cleaned_data["fence"], status=422)


def _conflict(
    request: PersonRequest,
    document: Document,
    form: EditForm,
    *,
    content: Content | None = None,
    message: str = "",
    rescued: Draft | None = None,
    status: int = 409,
) -> HttpResponse:
    """Both texts, whole: nothing that was typed, or chosen, is dropped."""
    fields = {name: request.POST.get(name, "") for name in ("title", "text", "kept_cover")}
    yours = content or Content(fields["title"], fields["text"], fields["kept_cover"])
    kept_cover = yours.cover if yours.cover != document.cover else ""
    document.refresh_from_db()
    context = {
        "document": document,
        "form": form,
        "message": message,
        "kept_cover": kept_cover,
        "rescued": [*request.POST.getlist("rescued"), *([rescued.pk] if rescued else [])],
        "yours": yours,
        "subject": subject_of(document.pk),
        "mode": READING,
    }
    response = render(request, "documents/conflict.html", context, status=status)
    # htmx replaces the whole page with it, as a plain form post would.
    response["HX-Retarget"], response["HX-Reswap"] = "body", "innerHTML"
    return response
