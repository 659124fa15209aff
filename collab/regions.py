"""The workspace's live regions: what people see change without reloading.

| region | key | shows |
|---|---|---|
| active_users | – | how many people are here, some faces |
| people_here | – | everybody, with what they are doing |
| lock_badge | document | free, reading or editing, with names |
| document_summary | document | title, excerpt and last change, in a list |
| document_head | document | title, cover and last change, on its page; or its trash |
| document_title | document | the title, and who is changing it, in the editor |
| heading_lease | document_fence | whether this page may change title and cover |
| document_text | document | the rendered text and the last save |
| draft_text | document | what the holder of the pen is typing |
| document_outline | document | the headings, as links |
| document_people | document | who is inside, and what they do |
| pen | document | the way to the editor, or who has the pen |
| editor_pen | document_fence | whether this editor still has the pen, and its document |
| renewal | – | when pens were renewed, for the editors' own clock |
| new_documents | newest id | how many documents have come since |
| server_status | – | the server processes and their numbers, for administrators |
| new_versions | document_version | how many versions have come since; or the document's trash |
| toasts | – | a feed of what the others do |
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.utils import timezone

from . import queries, subjects
from .live import presence
from .live.pages import allow_pages
from .live.regions import Context, Entry, Feed, region, register
from .models import Activity, Document
from .operations import editing
from .permissions import (
    audience,
    editor_keys,
    everybodys_keys,
    member_keys,
    openable_pages,
    readable_keys,
    staff_keys,
    version_keys,
)
from .subjects import ACTIVITY, DOCUMENTS, PEOPLE, content, subject_of
from .text import rendered
from .timings import (
    ANSWER_SECONDS,
    BADGE_NAMES,
    FACES,
    LEASE_SECONDS,
    PULSE_SECONDS,
    RENEW_SECONDS,
    STATUS_SECONDS,
    WATCH_SECONDS,
)

allow_pages(openable_pages)


def _content(key: str) -> list[str]:
    return [content(int(key)), PEOPLE]


def _inside(key: str) -> list[str]:
    return [subjects.pen(int(key)), presence.topic(subject_of(int(key))), PEOPLE]


def _involved(context: Context) -> Collection[int]:
    return [person.pk for person in context["badge"].people]


def _at_the_pen(context: Context) -> Collection[int]:
    document = context["document"]
    return [pk for pk in (document.holder_id, document.asked_by_id, document.trashed_by_id) if pk]


def _who_trashed(context: Context) -> Collection[int]:
    trashed_by = context["document"].trashed_by_id
    return [trashed_by] if trashed_by else []


def _at_the_heading(context: Context) -> Collection[int]:
    document = context["document"]
    return [pk for pk in (document.heading.holder_id, document.trashed_by_id) if pk]


def _heading(key: str) -> list[str]:
    pk = int(key.partition("_")[0])
    return [content(pk), subjects.heading(pk), PEOPLE]


@region("partials/active_users.html", topics=[presence.EVERYBODY, PEOPLE], allow=member_keys)
def active_users() -> Context:
    count, faces = queries.active_people()
    count = max(count, 1)  # whoever sees this is here, even before the first connection
    return {"count": count, "faces": faces, "more": max(0, count - FACES)}


@region(
    "partials/people_here.html", topics=[presence.EVERYBODY, DOCUMENTS, PEOPLE], allow=member_keys
)
def people_here() -> Context:
    return {"people": queries.whereabouts()}


def _people_shown(context: Context) -> Hashable:
    people = [(person.pk, person.name, person.colour) for person in context["badge"].people]
    return (context["badge"].state, *people)


@region(
    "partials/lock_badge.html",
    topics=_inside,
    allow=readable_keys,
    you=_involved,
    many=True,
    shows=_people_shown,
)
def lock_badge(keys: Sequence[str]) -> Mapping[str, Context]:
    found = queries.badges(int(key) for key in keys)
    return {
        str(pk): {
            "badge": badge,
            "named": badge.people[:BADGE_NAMES],
            "more": max(0, len(badge.people) - BADGE_NAMES),
        }
        for pk, badge in found.items()
    }


def _summary(document: Document) -> Context:
    return {"document": document}


def _summary_shown(context: Context) -> Hashable:
    document: Document = context["document"]
    told = (document.title, document.excerpt, document.is_template, document.changed_by.name)
    return (*told, document.changed_at, timezone.localtime().year)


@region(
    "partials/document_summary.html",
    topics=_content,
    allow=readable_keys,
    many=True,
    given=_summary,
    shows=_summary_shown,
)
def document_summary(keys: Sequence[str]) -> Mapping[str, Context]:
    found = queries.summaries(int(key) for key in keys)
    return {str(pk): _summary(document) for pk, document in found.items()}


@region(
    "partials/document_head.html",
    topics=_heading,
    allow=readable_keys,
    you=_at_the_heading,
    many=True,
)
def document_head(keys: Sequence[str]) -> Mapping[str, Context]:
    found = queries.with_trash(int(key) for key in keys)
    return {str(pk): {"document": document} for pk, document in found.items()}


@region(
    "partials/document_title.html",
    topics=_heading,
    allow=readable_keys,
    you=_at_the_heading,
)
def document_title(key: str) -> Context | None:
    return _with_trash(int(key))


@region("partials/heading_lease.html", topics=_heading, allow=editor_keys, you=_at_the_heading)
def heading_lease(key: str) -> Context | None:
    pk, _, fence = key.partition("_")
    state = _with_trash(int(pk))
    return {**state, "fence": int(fence)} if state else None


@region("partials/document_text.html", topics=_content, allow=readable_keys)
def document_text(key: str) -> Context | None:
    document = queries.documents_by_id([int(key)]).get(int(key))
    if document is None:
        return None
    save = queries.last_save(document.pk)
    return {"document": document, "rendered": rendered(document.text), "save": save}


def _typing(key: str) -> list[str]:
    pk = int(key)
    return [subjects.typing(pk), content(pk), subjects.pen(pk), PEOPLE]


@region("partials/draft_text.html", topics=_typing, allow=readable_keys, pace_seconds=WATCH_SECONDS)
def draft_text(key: str) -> Context | None:
    document = queries.documents_by_id([int(key)]).get(int(key))
    if document is None:
        return None
    draft = queries.being_written(document)
    if draft is None:
        return {"document": document, "draft": None, "rendered": rendered(document.text)}
    shown = rendered(draft.text, is_passing=True)
    return {"document": document, "draft": draft, "rendered": shown}


@region("partials/document_outline.html", topics=_content, allow=readable_keys)
def document_outline(key: str) -> Context | None:
    document = queries.documents_by_id([int(key)]).get(int(key))
    return {"outline": rendered(document.text).outline} if document else None


@region(
    "partials/document_people.html", topics=_inside, allow=readable_keys, you=_involved, many=True
)
def document_people(keys: Sequence[str]) -> Mapping[str, Context]:
    found = queries.badges(int(key) for key in keys)
    return {str(pk): {"badge": badge} for pk, badge in found.items()}


@region("partials/pen.html", topics=_inside, allow=readable_keys, you=_at_the_pen)
def pen(key: str) -> Context | None:
    return _pen(int(key))


def _editor_topics(key: str) -> list[str]:
    return _inside(key.partition("_")[0])


@region("partials/editor_pen.html", topics=_editor_topics, allow=editor_keys, you=_at_the_pen)
def editor_pen(key: str) -> Context | None:
    pk, _, fence = key.partition("_")
    state = _pen(int(pk)) or _with_trash(int(pk))
    if state is None:
        return None
    return {
        **state,
        "fence": int(fence),
        "badge": queries.badges([int(pk)]).get(int(pk)),
        "watchers": queries.watchers(state["document"]),
    }


def _with_trash(pk: int) -> dict[str, Any] | None:
    document = queries.with_trash([pk]).get(pk)
    return {"document": document} if document else None


def _pen(pk: int) -> dict[str, Any] | None:
    document = queries.with_pens([pk]).get(pk)
    if document is None:
        return None
    until = document.asked_at and document.asked_at + timedelta(seconds=ANSWER_SECONDS)
    return {"document": document, "until": until}


@region(
    "partials/renewal.html",
    topics=[subjects.RENEWALS],
    allow=everybodys_keys,
    pace_seconds=PULSE_SECONDS,
)
def renewal() -> Context:
    """Each time it comes, an editor with the pen may be typed in for as long as a
    renewal lasts, but for the time by which it may be late. It is the same for all
    editors of a process, which renews for all of them together: who has lost the pen is
    told by ``editor_pen``."""
    lasts = int(1000 * (LEASE_SECONDS - RENEW_SECONDS))
    return {"renewed": editing.renewed_at(), "milliseconds": lasts}


@region("partials/new_documents.html", topics=[DOCUMENTS], allow=member_keys)
def new_documents(key: str) -> Context:
    known = Document.objects.present().for_everybody()
    return {"count": queries.newer_documents(known, int(key))}


@region(
    "partials/server_status.html",
    topics=[presence.NODES],
    allow=staff_keys,
    pace_seconds=STATUS_SECONDS,
)
def server_status() -> Context:
    totals = [
        {"name": name, "value": value, "label": label}
        for name, (value, label) in queries.totals().items()
    ]
    return {"totals": totals, "nodes": queries.processes()}


def _version_topics(key: str) -> list[str]:
    return [content(int(key.partition("_")[0]))]


@region("partials/new_versions.html", topics=_version_topics, allow=version_keys, you=_who_trashed)
def new_versions(key: str) -> Context | None:
    pk, _, version = key.partition("_")
    state = _with_trash(int(pk))
    if state is None:
        return None
    return {**state, "count": max(0, state["document"].version - int(version))}


class Toasts(Feed):
    """What the others do. Events of one document that follow each other closely share a
    slot, so that they are one toast, which says the latest, and how many more."""

    name = "toasts"
    template = "partials/toast.html"
    missed_template = "partials/toast_missed.html"
    topics = (ACTIVITY,)

    def allow(self, user: AbstractBaseUser, keys: Sequence[str]) -> Collection[str]:
        return everybodys_keys(user, keys)

    def head(self) -> int:
        return Activity.objects.order_by("-pk").values_list("pk", flat=True).first() or 0

    def entries(self, after: int, limit: int) -> Sequence[Entry]:
        newest = list(
            Activity.objects.filter(pk__gt=after)
            .select_related("actor", "document__author", "document__heading")
            .defer("document__text")
            .order_by("-pk")[:limit]
        )
        may = audience(activity.document_id for activity in newest)
        runs = queries.runs_of_activity(newest)
        return [self._entry(activity, may, runs[activity.pk]) for activity in reversed(newest)]

    def render(self, entry: Entry, language: str, you: int | None) -> str:
        """What one has done oneself is not counted."""
        more = sum(actor != you for actor in entry.context["before"])
        context = {**entry.context, "more": more}
        return super().render(replace(entry, context=context), language, you)

    def _entry(
        self, activity: Activity, may: Callable[[int, int], bool], run: queries.Run
    ) -> Entry:
        actor, document = activity.actor_id, activity.document_id
        return Entry(
            id=activity.pk,
            slot=f"{document}-{run.start}",
            context={"activity": activity, "before": run.actors},
            seen_by=lambda user_id: user_id != actor and may(user_id, document),
            you=frozenset({activity.document.author_id, *run.actors}),
        )


register(Toasts())
