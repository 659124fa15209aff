"""The editor and the pen."""

from __future__ import annotations

from operator import attrgetter

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from .. import queries
from ..errors import Refused, StaleSave, TooLong, UnknownStay
from ..forms import DraftForm, EditForm, TitleForm
from ..merging import MissingChoice, Overlap, Passage, RefusedResult, joined, merge
from ..models import Document, Draft, Revision
from ..operations import documents, drafts, editing
from ..permissions import changeable_document, editable_document, may_seize
from ..subjects import EDITING, READING, Claim, subject_of
from ..text import check_size, normalise
from ..timings import REASON_CHARACTERS
from . import late, leases, renaming
from .addresses import to_editor, to_rename
from .documents import reading_page
from .limits import check_room, counting, refusal, spend, with_wait
from .requests import PersonRequest, is_visit, method_of, number_of

PEN = attrgetter("pen")


@counting("saves")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: PersonRequest, pk: int) -> HttpResponse:
    """The editor. Opening it takes the pen, if that is free."""
    if request.method == "POST":
        document = changeable_document(request.user, pk)
        if document.trashed_at:
            return late.trashed(request, document)
        return (
            _to_rename(request, document) if "rename" in request.POST else _save(request, document)
        )
    document = editable_document(request.user, pk)
    own_fence = number_of(request.GET.get("pen", ""))
    if own_fence and leases.keeps(request.user, document, own_fence, editing.renew):
        draft = queries.unsaved(pk, request.user.pk).filter(fence=own_fence).first()
        form = EditForm.of(document, own_fence, draft)
        return _editor(request, document, form, own_fence, draft=draft)
    if not is_visit(request):
        return HttpResponse(status=204)
    fence = editing.take(pk, request.user.pk) or leases.bring(
        request.user, document, PEN, editing.move
    )
    if fence is not None:
        return to_editor(pk, fence)
    return reading_page(request, document, taken=True)


@counting("changes")
@require_http_methods(["POST"])
def pen(request: PersonRequest, pk: int) -> HttpResponse:
    """``POST``: bring one's pen here from another tab, or take a free one; or, by
    ``act``: ask, withdraw, keep, hand_over, take_back, seize. ``DELETE``: give it back."""
    with_text = {"hand_over": _hand_over, "take_back": _take_back}.get(request.POST.get("act", ""))
    if with_text:
        # The text comes along, wherever the document is by now; it counts as a draft.
        return with_text(request, changeable_document(request.user, pk))
    try:
        spend(request, "changes")
    except Refused as error:
        return refusal(request, error)
    return _pen(request, pk)


def _pen(request: PersonRequest, pk: int) -> HttpResponse:
    person, act = request.user.pk, request.POST.get("act")
    document = editable_document(request.user, pk)
    fence = number_of(request.POST.get("fence", "")) or -1
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


def _take_back(request: PersonRequest, document: Document) -> HttpResponse:
    """Go on writing in a page that has lost the pen, if nobody has it now and nobody
    has written. Otherwise the text is offered, on whatever page is the right one now."""
    form = EditForm(request.POST)
    if not _is_kept(request, document, form):
        return _refused(request, document, form)
    pk, person, fence = document.pk, request.user.pk, form.cleaned_data["fence"]
    if editing.regain(pk, person, fence):
        return to_editor(pk, fence)
    version = late.begun_from(request, document, form)
    taken = editing.take_back(pk, person, fence, version)
    return to_editor(pk, taken) if taken else redirect("edit", pk)


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
        "claim": Claim(fence),
    }
    return render(request, "documents/edit.html", context, status=status)


def _to_rename(request: PersonRequest, document: Document) -> HttpResponse:
    """From the editor to title and cover. What is in the editor waits as a draft, and
    the next page holds on to the pen."""
    form = EditForm(request.POST)
    if not _is_kept(request, document, form):
        return _refused(request, document, form)
    return to_rename(document.pk, pen=form.cleaned_data["fence"])


def _is_kept(request: PersonRequest, document: Document, form: EditForm) -> bool:
    """Keep what is in the editor as a draft; if that fails it must not leave the page,
    and the form says why."""
    if not form.is_valid():
        return False
    if late.rescue(request, document, form) is None:
        form.add_error(None, str(UnknownStay()))
        return False
    return True


def _save(request: PersonRequest, document: Document) -> HttpResponse:
    form = EditForm(request.POST)
    done = "done" in request.POST
    if not form.is_valid():
        return _refused(request, document, form)
    text, stay = form.cleaned_data["text"], form.cleaned_data["fence"]
    page, sequence = form.cleaned_data["page"], form.cleaned_data["sequence"]
    version = late.begun_from(request, document, form)
    fence = form.cleaned_data["fence"] = _fence_to_save(request, document, stay, version)
    merged_with: list[Revision] = []
    if not (done and text == document.text):
        try:
            spend(request, "saves")
            check_room(request.user.pk)
            if "seen" in request.POST:
                text, version = _chosen(request, document, text, version)
            version, merged_with = documents.publish(
                document.pk,
                request.user.pk,
                text,
                fence=fence,
                version=version,
                sequence=sequence,
                page=page,
            )
        except (Overlap, StaleSave) as error:
            return _not_saved(request, document, form, text, version, error)
        except Refused as error:
            return _not_now(request, document, form, version, error)
        _settle_rescued(request)
    _retitle(request, document)
    if done:
        editing.release(document.pk, request.user.pk, fence)
    elif request.htmx and not merged_with and fence == stay:
        document.refresh_from_db(fields=["changed_at"])
        context = {"document": document, "version": version, "saved": True, "sequence": sequence}
        return render(request, "partials/save_state.html", context)
    _tell(request, merged_with)
    if done:
        return redirect("document", document.pk)
    answer = to_editor(document.pk, fence)
    # Merged, or under another fence: the editor must show what holds now.
    return HttpResponse(headers={"HX-Redirect": answer["Location"]}) if request.htmx else answer


def _retitle(request: PersonRequest, document: Document) -> None:
    """A plain form has the title beside the text; htmx sends it by itself."""
    title = request.POST.get("title", document.title)
    if request.htmx or title == document.title:
        return
    error = renaming.retitled(request, document, TitleForm(request.POST))
    if error:
        what = {"title": title, "why": error}
        messages.error(request, _("The title was not changed to “%(title)s”. %(why)s") % what)


def _fence_to_save(request: PersonRequest, document: Document, fence: int, version: int) -> int:
    """The fence of the page, or a new one: when the person has decided, having seen
    both texts, and when the pen was away but nobody has written."""
    pk, person = document.pk, request.user.pk
    if "decided" in request.POST:
        return editing.take(pk, person, own_fence=fence) or fence
    return editing.take_back(pk, person, fence, version) or fence


def _tell(request: PersonRequest, merged_with: list[Revision]) -> None:
    if not merged_with:
        messages.success(request, _("Saved."))
        return
    last = merged_with[0]
    others = len({save.author_id for save in merged_with} - {last.author_id})
    at = date_format(localtime(last.at), "TIME_FORMAT")
    merged = _("Merged with %(name)s’s save of %(time)s.")
    if others:
        merged = ngettext(
            "Merged with %(name)s’s save of %(time)s, and what %(count)d other saved before.",
            "Merged with %(name)s’s save of %(time)s, and what %(count)d others saved before.",
            others,
        )
    messages.info(request, merged % {"name": last.author.name, "time": at, "count": others})


def _not_saved(
    request: PersonRequest,
    document: Document,
    form: EditForm,
    text: str,
    version: int,
    error: Overlap | StaleSave,
) -> HttpResponse:
    """What was typed is kept first; then a page to bring the two together."""
    if isinstance(error, MissingChoice):
        return _overlap(request, document, form, error, text, version)
    if Document.objects.trashed().filter(pk=document.pk).exists():  # at this very moment
        return late.trashed(request, changeable_document(request.user, document.pk))
    draft = late.rescue(request, document, form, text=text, version=version)
    if isinstance(error, Overlap):
        return _overlap(request, document, form, error, text, version)
    return _conflict(request, document, form, yours=text, message=str(error), rescued=draft)


def _not_now(
    request: PersonRequest, document: Document, form: EditForm, version: int, error: Refused
) -> HttpResponse:
    """A limit is reached: the same page again, with all that was typed and chosen; and
    the text is a draft."""
    text, fence = form.cleaned_data["text"], form.cleaned_data["fence"]
    passages, seen = _passages(request, document, text, version)
    draft = late.rescue(request, document, form)
    if passages:
        undecided = RefusedResult(passages, seen, error)
        answer = _overlap(request, document, form, undecided, text, version)
    elif "decided" in request.POST:
        answer = _conflict(request, document, form, yours=text, message=str(error), rescued=draft)
    elif request.htmx:
        context = {"document": document, "form": form, "draft": draft, "refusal": error}
        context["sequence"] = form.cleaned_data["sequence"] if draft else None
        answer = render(request, "partials/save_state.html", context)
    else:
        form.add_error(None, str(error))
        answer = _editor(request, document, form, fence, draft=draft)
    return with_wait(answer, error)


def _passages(
    request: PersonRequest, document: Document, yours: str, base: int
) -> tuple[list[Passage], int]:
    """What somebody was to choose from, and the version they have seen; none when they
    had nothing to choose, or when it will be asked anew, from what there is."""
    number = request.POST.get("seen", "")
    seen = int(number) if number.isdecimal() and len(number) < 10 else 0
    before, other = queries.revision(document.pk, base), queries.revision(document.pk, seen)
    if before is None or other is None or seen <= base:
        return [], base
    return merge(queries.text_of(before), yours, queries.text_of(other)), seen


def _chosen(request: PersonRequest, document: Document, yours: str, base: int) -> tuple[str, int]:
    """The text as somebody chose it, and the version that it takes in.

    Raises:
        MissingChoice: for some passage there is none.
    """
    passages, seen = _passages(request, document, yours, base)
    if not passages:
        return yours, base
    texts: list[str] = []
    for number_, passage in enumerate((p for p in passages if p.overlaps), 1):
        choice, free = _choice(request, number_)
        sides = {"yours": passage.your_text, "theirs": passage.their_text, "free": free}
        if choice not in sides:
            raise MissingChoice(passages, seen)
        texts.append(sides[choice])
    try:
        return check_size(joined(passages, texts)), seen
    except TooLong as error:
        raise RefusedResult(passages, seen, error) from error


def so_far(request: PersonRequest, document: Document, yours: str, base: int) -> str:
    """One's own side while one chooses, with what one has written in the place of
    passages. None of one's words is missing from it, whatever is chosen in the end; what
    no document could hold is left as it was.
    """
    passages, _seen = _passages(request, document, yours, base)
    texts: list[str] = []
    for number_, passage in enumerate((p for p in passages if p.overlaps), 1):
        free = _choice(request, number_)[1]
        offered = f"{passage.your_text}\n{passage.their_text}"
        texts.append(passage.your_text if free in ("", offered) else free)
    try:
        return check_size(joined(passages, texts)) if passages else yours
    except TooLong:
        return yours


def _choice(request: PersonRequest, number: int) -> tuple[str, str]:
    """What somebody chose for a passage, and the text of their own beside it."""
    choice = request.POST.get(f"choice-{number}", "")
    return choice, normalise(request.POST.get(f"free-{number}", ""))


def _overlap(
    request: PersonRequest,
    document: Document,
    form: EditForm,
    overlap: Overlap,
    yours: str,
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
            (str(number), passage, *(_choice(request, number) if again else ("", "")))
            for number, passage in enumerate(passages, 1)
        ],
        "total": str(len(passages)),
        "other": queries.text_saves(document.pk, after=base, to=overlap.version)[0],
        "seen": overlap.version,
        "yours": yours,
        "fence": data["fence"],
        "rescued": request.POST.getlist("rescued"),
        "base": base,
        "subject": subject_of(document.pk),
        "mode": EDITING,
        "claim": Claim(data["fence"]),
    }
    status = 422 if again else 409
    response = render(request, "documents/overlap.html", context, status=status)
    response["HX-Retarget"], response["HX-Reswap"] = "body", "innerHTML"
    return response


def _settle_rescued(request: PersonRequest) -> None:
    """The conflict is over, and what was rescued in it is part of its result."""
    for rescued in request.POST.getlist("rescued"):
        if number := number_of(rescued):
            drafts.discard(number, request.user.pk)


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
    yours: str | None = None,
    message: str = "",
    rescued: Draft | None = None,
    status: int = 409,
) -> HttpResponse:
    """Both texts, whole: nothing that was typed, or chosen, is dropped."""
    document.refresh_from_db()
    context = {
        "document": document,
        "form": form,
        "message": message,
        "rescued": [*request.POST.getlist("rescued"), *([rescued.pk] if rescued else [])],
        "yours": request.POST.get("text", "") if yours is None else yours,
        "save": queries.last_save(document.pk),
        "subject": subject_of(document.pk),
        "mode": READING,
    }
    response = render(request, "documents/conflict.html", context, status=status)
    # htmx replaces the whole page with it, as a plain form post would.
    response["HX-Retarget"], response["HX-Reswap"] = "body", "innerHTML"
    return response
