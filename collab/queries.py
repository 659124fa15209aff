"""Reads that pages and live regions share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Case, Count, Exists, OuterRef, Q, QuerySet, Value, When, Window
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from .differences import (
    Piece,
    Stretch,
    WordCount,
    compared,
    side_by_side,
)
from .live.metrics import CUTS, quantile
from .live.models import Connection, Node
from .live.prepared import Prepared
from .models import (
    Activity,
    Document,
    Draft,
    Heading,
    Invitation,
    Link,
    Person,
    Reading,
    Revision,
    Share,
    SignIn,
)
from .models.person import FACE, STAND_IN
from .packing import unpack
from .subjects import WATCHING, Claim, document_of, subject_of
from .timings import FACES, TOGETHER_SECONDS

if TYPE_CHECKING:
    from .models.document import DocumentQuerySet

SORTS = {
    "changed": ("-changed_at", "-pk"),
    "title": ("heading__title", "pk"),
    "created": ("-created_at", "-pk"),
}
#: No version is higher: the column holds four bytes.
VERSIONS = 2**31 - 1
#: What badges and lists show of a person.
SHOWN = ("id", *FACE)
#: A run of events is looked at for so many times the longest pause in it.
RUN_LENGTHS = 10
FILTERS = ("all", "mine", "editing", "unread", "templates")


@dataclass(frozen=True)
class Badge:
    """A document's state as everybody sees it: free, reading or editing."""

    document_id: int
    holder: Person | None = None
    readers: Sequence[Person] = field(default_factory=list)

    @property
    def state(self) -> str:
        if self.holder:
            return "editing"
        return "reading" if self.readers else "free"

    @property
    def people(self) -> list[Person]:
        """Everybody inside, the holder of the pen first."""
        return [*([self.holder] if self.holder else []), *self.readers]


@dataclass(frozen=True)
class Whereabouts:
    """What a person is doing: the documents they edit, and those they read."""

    person: Person
    editing: Sequence[Document]
    reading: Sequence[Document]


def document_list(
    documents: DocumentQuerySet,
    viewer: Person,
    *,
    search: str = "",
    only: str = "all",
    sort: str = "",
) -> DocumentQuerySet:
    """Documents for the dashboard, without their texts.

    Args:
        documents: those the viewer may see.
        viewer: whose *mine* and *unread* are meant.
        search: words that title or text must contain, all of them.
        only: one of :data:`FILTERS`; anything else means all.
        sort: one of :data:`SORTS`; anything else means last change first.
    """
    for word in search.split():
        documents = documents.filter(Q(heading__title__icontains=word) | Q(text__icontains=word))
    if only == "mine":
        documents = documents.filter(author=viewer)
    elif only == "editing":
        documents = documents.held()
    elif only == "unread":
        seen = Reading.objects.filter(
            person=viewer, document=OuterRef("pk"), version__gte=OuterRef("version")
        )
        documents = documents.filter(~Exists(seen))
    elif only == "templates":
        documents = documents.filter(is_template=True)
    ordered = documents.order_by(*SORTS.get(sort, SORTS["changed"]))
    return ordered.select_related("changed_by").defer("text")


def documents_written(person_id: int) -> int:
    """How many documents are a person's, those in the trash included."""
    count: int = Document.objects.filter(author=person_id).count()
    return count


def bytes_kept(person_id: int) -> int:
    """What a person's work takes: the texts of their documents, the versions that they
    have saved, with the pictures that came with them, and their drafts."""
    kept = (
        Document.objects.filter(author=person_id),
        Revision.objects.filter(author=person_id),
        Draft.objects.filter(person=person_id),
    )
    return sum(rows.aggregate(bytes=models.Sum("size"))["bytes"] or 0 for rows in kept)


def templates(documents: DocumentQuerySet) -> DocumentQuerySet:
    """Those of the documents that new ones may start from, by title."""
    return documents.filter(is_template=True).order_by("heading__title", "pk")


def documents_by_id(ids: Iterable[int]) -> Mapping[int, Document]:
    """Documents with their people, by id; missing ones are left out."""
    present = Document.objects.present()
    documents = present.select_related("author", "changed_by", "holder", "asked_by")
    return documents.in_bulk(list(ids))


def with_pens(ids: Iterable[int]) -> Mapping[int, Document]:
    """Like :func:`summaries`, with who has the pen and who has asked for it."""
    documents = Document.objects.present().select_related("holder", "asked_by").defer("text")
    return documents.in_bulk(list(ids))


def summaries(ids: Iterable[int]) -> Mapping[int, Document]:
    """Like :func:`documents_by_id`, without the texts: for lists."""
    documents = Document.objects.present().select_related("changed_by").defer("text")
    return documents.in_bulk(list(ids))


def with_trash(ids: Iterable[int]) -> Mapping[int, Document]:
    """Like :func:`summaries`, with those in the trash, and who put them there: for
    pages that were open when that happened."""
    people = ("changed_by", "trashed_by", "heading__holder")
    documents = Document.objects.select_related(*people).defer("text")
    return documents.in_bulk(list(ids))


def in_trash(documents: DocumentQuerySet) -> DocumentQuerySet:
    """Documents in the trash as its page lists them: what came last comes first."""
    people = documents.select_related("author", "trashed_by").defer("text")
    return people.order_by("-trashed_at", "-pk")


def badges(ids: Iterable[int]) -> Mapping[int, Badge]:
    """The badges of these documents, in one query; missing ones are left out.
    Their people have only what a face and a name need."""
    holders: dict[int, Person | None] = {}
    inside: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
    for pk, subject, joined_at, is_held, *shown in _OCCUPIED.rows(list(ids)):
        if subject:
            inside[document_of(subject) or 0].append((joined_at, pk, *shown))
        else:
            holders[pk] = _shown(shown) if is_held else None
    return {pk: Badge(pk, holder, _readers(inside[pk], holder)) for pk, holder in holders.items()}


def _readers(pages: Sequence[tuple[Any, ...]], holder: Person | None) -> list[Person]:
    """Whose pages these are, the first to come first; each once, and not the holder."""
    people = dict.fromkeys(_shown(shown) for _, _, *shown in sorted(pages))
    return [person for person in people if person != holder]


def _shown(values: Sequence[Any]) -> Person:
    return _known(tuple(values))


@lru_cache(maxsize=4096)  # badges change often, and people look the same in all of them
def _known(values: tuple[Any, ...]) -> Person:
    return Person.from_db(None, SHOWN, values)


def _occupied(ids: Sequence[int]) -> QuerySet[Any, tuple[Any, ...]]:
    """Every document of these that is there, whether somebody holds its pen, and who. And
    every page on which one of them is open: with its subject, since when, and whose."""
    held = Q(holder__isnull=False, expires_at__gte=Now())
    documents = Document.objects.present().filter(pk__in=ids).select_related(None).order_by()
    pens = documents.annotate(
        subject=Value(""),
        joined_at=Value(None, models.DateTimeField()),
        is_held=Case(When(held, then=True), default=False),
    )
    pages = Connection.objects.live().on(*map(subject_of, ids)).annotate(is_held=Value(False))
    columns = ("pk", "subject", "joined_at", "is_held")
    rows: QuerySet[Any, tuple[Any, ...]] = pens.values_list(
        *columns, *(f"holder__{name}" for name in SHOWN)
    )
    return rows.union(pages.values_list(*columns, *(f"user__{name}" for name in SHOWN)), all=True)


def _due(ids: Sequence[int]) -> QuerySet[Document, tuple[Any, ...]]:
    pens, headings = Document.objects.order_by(), Heading.objects.order_by()
    rows = (pens.expired(), headings.expired(), pens.unanswered(), pens.yielded())
    first, *others = (row.values_list("pk") for row in rows)
    return first.union(*others, all=True)


_DUE = Prepared(_due)


def is_a_lease_due() -> bool:
    """Has the time of any lease run out, or of somebody's answer? Asked twice a second,
    and nearly always for nothing."""
    return bool(_DUE.all())


_OCCUPIED = Prepared(_occupied, int, subject_of)


def active_people() -> tuple[int, list[Person]]:
    """How many people are here (people, not tabs), and a few of them, by name, with
    what a face needs."""
    rows = _FACES.all()
    return (rows[0][0] if rows else 0), [_shown(shown) for _, *shown in rows]


def _faces(_: Sequence[int]) -> QuerySet[Person, tuple[Any, ...]]:
    """The first few who are here, each with how many there are."""
    counted = _active_people().annotate(total=Window(Count("pk")))
    rows: QuerySet[Person, tuple[Any, ...]] = counted.values_list("total", *SHOWN)
    return rows[:FACES]


_FACES = Prepared(_faces)


def whereabouts() -> list[Whereabouts]:
    """Everybody who is here, with what they are doing, in four queries."""
    people = list(_active_people())
    live = Connection.objects.live().exclude(subject="").values_list("user", "subject")
    reading: dict[int, set[int]] = defaultdict(set)
    for user_id, subject in live:
        if (pk := document_of(subject)) is not None:
            reading[user_id].add(pk)
    editing: dict[int, list[Document]] = defaultdict(list)
    # One rendering for all: what only some may know of is left out.
    known = Document.objects.present().for_everybody().defer("text")
    for document in known.held().order_by("heading__title"):
        if document.holder_id is not None:
            editing[document.holder_id].append(document)
    documents = known.in_bulk({pk for pks in reading.values() for pk in pks})
    return [
        Whereabouts(
            person,
            editing[person.pk],
            sorted(
                (
                    documents[pk]
                    for pk in reading[person.pk]
                    if pk in documents and documents[pk] not in editing[person.pk]
                ),
                key=lambda document: document.title,
            ),
        )
        for person in people
    ]


def _active_people() -> models.QuerySet[Any]:
    # Not Exists: SQLite would ask it of every person there is.
    here = Connection.objects.live().values("user")
    people = Person.objects.filter(pk__in=here).order_by("display_name", "username")
    return people.only(*FACE)


def claims(person_id: int, document_id: int) -> list[Claim]:
    """What the pages of this person that are still here hold of the document."""
    pages = Connection.objects.live().on(subject_of(document_id))
    held = pages.filter(user=person_id, left_at=None).exclude(claim="")
    return [Claim.of(claim) for claim in held.values_list("claim", flat=True)]


@dataclass(frozen=True)
class Run:
    """Events of one document that follow each other closely, up to one of them."""

    #: The id of the first; 0 when it began longer ago than anybody looks.
    start: int
    #: Who did those before the one that it is for.
    actors: tuple[int, ...] = ()


def runs_of_activity(events: Collection[Activity]) -> Mapping[int, Run]:
    """The run that each of these events belongs to, by the event's id, in one query."""
    if not events:
        return {}
    together = timedelta(seconds=TOGETHER_SECONDS)
    since = min(event.at for event in events) - RUN_LENGTHS * together
    near = Activity.objects.filter(document__in={e.document_id for e in events}, at__gt=since)
    runs: dict[int, Run] = {}
    last: dict[int, tuple[int, int, datetime]] = {}
    for pk, document, actor, at in near.order_by("pk").values_list("pk", "document", "actor", "at"):
        before = last.get(document)
        if before is not None and at - before[2] <= together:
            run = runs[before[0]]
            runs[pk] = Run(run.start, (*run.actors, before[1]))
        else:
            runs[pk] = Run(0 if at - since <= together else pk)
        last[document] = (pk, actor, at)
    return runs


def is_here(person_id: int, document_id: int) -> bool:
    """Does this person still have a page of the document?"""
    pages = Connection.objects.live().on(subject_of(document_id))
    return pages.filter(user=person_id).exists()


def last_save(document_id: int) -> Activity | None:
    """The document's last save, with who made it."""
    saves = Activity.objects.filter(document=document_id, verb=Activity.Verb.SAVED)
    return saves.select_related("actor").order_by("-pk").first()


def newer_documents(documents: DocumentQuerySet, after: int) -> int:
    """How many documents came after the one with id ``after``."""
    return documents.filter(pk__gt=after).count()


def unsaved(document_id: int, person_id: int) -> models.QuerySet[Draft]:
    """Drafts that no save has settled, newest first: a person's own, and what the
    one before them at the pen had typed."""
    theirs = Q(person=person_id) | Q(offered_to=person_id)
    drafts = Draft.objects.filter(theirs, document=document_id, is_settled=False)
    return drafts.select_related("person")


def being_written(document: Document) -> Draft | None:
    """What the holder of the pen has typed and not saved, if there is anything."""
    stay = Draft.objects.filter(
        document=document.pk, person=document.holder_id, fence=document.fence, is_settled=False
    )
    return stay.first()


def watchers(document: Document) -> int:
    """How many people watch the holder write."""
    watching = Connection.objects.live().on(subject_of(document.pk)).filter(mode=WATCHING)
    others = watching.exclude(user=document.holder_id)
    return others.values("user").distinct().count()


def totals() -> dict[str, tuple[int, Any]]:
    """Numbers of the whole workspace, by name, with what they mean."""
    held = Document.objects.present().held().count()
    return {
        "people_active": (active_people()[0], _("People who are here")),
        "leases": (held, _("Documents being edited")),
        "documents": (Document.objects.present().count(), _("Documents")),
        "drafts": (Draft.objects.filter(is_settled=False).count(), _("Unsaved drafts")),
    }


def processes() -> list[dict[str, Any]]:
    """The living server processes with what they wrote at their last heartbeat."""
    rows = []
    for node in Node.objects.live().order_by("started_at", "pk"):
        if not node.stats:
            continue  # it has only just started
        rates, slowest = node.stats["rates"], quantile(node.stats["flush"], 0.99)
        rows.append(
            {
                "node": node,
                **node.stats["gauges"],
                "events": rates.get("events", 0),
                "deliveries": rates.get("deliveries", 0),
                "kilobytes": rates.get("bytes", 0) / 1000,
                "slowest": slowest,
                "slowest_ms": slowest and slowest * 1000,
                "cut": sum(node.stats["counters"].get(name, 0) for name in CUTS),
            }
        )
    return rows


def begun_from(document_id: int, person_id: int, fence: int, page: str, version: int) -> int:
    """The version that the text of an editor's page begins from.

    That is the one which the page knows, unless the answer to its last save was
    lost: then it is what became of that save.
    """
    stay = Draft.objects.filter(document=document_id, person=person_id, fence=fence)
    saved = stay.filter(saved_by=page, saved_version__gt=version)
    found = saved.values_list("saved_version", flat=True).first() if page else None
    return found or version


def is_chosen(document_id: int, person_id: int, fence: int, *, after: int) -> bool:
    """Has this stay saved something after that version: what came of two texts?"""
    stay = Draft.objects.filter(document=document_id, person=person_id, fence=fence)
    return stay.filter(saved_version__gt=after).exists()


def is_rewritten(document_id: int, *, since: int) -> bool:
    """Has the text changed since this version? Another title or cover is none."""
    text = Document.objects.values_list("text", flat=True).get(pk=document_id)
    base = revision(document_id, since)
    return base is None or text_of(base) != text


def revisions(document_id: int, *, named: bool = False) -> models.QuerySet[Revision]:
    """A document's versions, newest first, without their texts; perhaps only those
    with a name."""
    kept = Revision.objects.filter(document=document_id).select_related("author")
    if named:
        kept = kept.exclude(name="")
    return kept.defer("packed")


def text_saves(document_id: int, *, after: int, to: int) -> list[Revision]:
    """The versions after one, and up to another, that are another text, newest first.
    Another title or cover alone is none."""
    kept = list(revisions(document_id).filter(version__gte=after, version__lte=to))
    found = [new for new, old in pairwise(kept) if _is_other_text(new, old)]
    return found or kept[:1]


def _is_other_text(new: Revision, old: Revision) -> bool:
    has_words = new.words_added or new.words_removed
    return bool(has_words) or (new.title, new.cover) == (old.title, old.cover)


def revision(document_id: int, version: int) -> Revision | None:
    """One version with its author, ready for :func:`text_of`."""
    if version > VERSIONS:
        return None
    found = Revision.objects.filter(document=document_id, version=version)
    return found.select_related("author").first()


def revision_before(kept: Revision) -> Revision | None:
    """The version before this one, or None when that was not kept."""
    earlier = Revision.objects.filter(document=kept.document_id, version__lt=kept.version)
    return earlier.select_related("author").order_by("-version").first()


def text_of(kept: Revision) -> str:
    """A version's text: one more query, unless it is packed by itself."""
    if kept.key_version is None:
        return unpack(bytes(kept.packed))
    keys = Revision.objects.filter(document=kept.document_id, version=kept.key_version)
    key = bytes(keys.values_list("packed", flat=True).get())
    return unpack(bytes(kept.packed), unpack(key))


@dataclass(frozen=True)
class Comparison:
    """Two versions and what differs between them; ``old`` may not have been kept."""

    old: Revision | None
    new: Revision
    new_text: str
    pieces: Sequence[Piece]
    words: WordCount

    @property
    def is_retitled(self) -> bool:
        return self.old is not None and self.old.title != self.new.title

    @property
    def cover(self) -> str:
        """What happened to the cover: "added", "removed", "changed" or ""."""
        old = self.old.cover if self.old else ""
        if old == self.new.cover:
            return ""
        return "changed" if old and self.new.cover else "removed" if old else "added"

    @property
    def is_same_text(self) -> bool:
        return all(piece.kind == "same" for piece in self.pieces)

    @property
    def stretches(self) -> list[Stretch]:
        """The pieces in two columns."""
        return side_by_side(self.pieces)


def comparison(old: Revision | None, new: Revision) -> Comparison:
    """What changed from one version to another."""
    before, after = text_of(old) if old else "", text_of(new)
    return Comparison(old, new, after, *compared(before, after))


def shares(document_id: int) -> models.QuerySet[Share]:
    """With whom a document is shared by name, by name."""
    named = Share.objects.filter(document=document_id).select_related("person")
    return named.order_by("person__display_name", "person__username")


def people_to_name(document: Document) -> models.QuerySet[Person]:
    """Who could be named: everybody with an active account, but the author."""
    others = Person.objects.filter(is_active=True).exclude(pk=document.author_id)
    return others.order_by("display_name", "username")


def links(document_id: int) -> models.QuerySet[Link]:
    """The links to a document that have not ended, the first to end first; also one whose
    maker may not share the document now, so that it can be taken back."""
    return Link.objects.valid().filter(document=document_id).select_related("made_by")


def sign_ins(person_id: int) -> models.QuerySet[SignIn]:
    """Where a person is signed in, the newest first."""
    return SignIn.objects.filter(person=person_id, expire_date__gt=Now()).order_by("-at")


def accounts() -> models.QuerySet[Person]:
    """Everybody with an account, those that are on first, by name. Who stands in for
    those who were erased has none."""
    people = Person.objects.exclude(username=STAND_IN)
    return people.order_by("-is_active", "display_name", "username")


def invitations() -> models.QuerySet[Invitation]:
    """The invitations that are neither used nor over; also one whose maker may not give
    that role now, so that it can be taken back."""
    return Invitation.objects.open().select_related("made_by")
