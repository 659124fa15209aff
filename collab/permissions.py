"""Who may see and do what. The lookup is the permission: views and live regions
start from the same query sets, so there is nothing to forget.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.db.models import BigIntegerField, Q, QuerySet
from django.http import Http404

from .live.prepared import Prepared
from .live.presence import Page
from .models import Document, Invitation, Link, Person, SecurityEvent, Share
from .subjects import EDITING, RENAMING, document_of

if TYPE_CHECKING:
    from .models.document import DocumentQuerySet

Viewer = AbstractBaseUser | AnonymousUser


class InTrash(Http404):
    """A page of a document in the trash was asked for by somebody who may restore
    it: there is more to say than that it is not here."""

    def __init__(self, document: Document) -> None:
        super().__init__(str(document))
        self.document = document


def followable(viewer: Viewer) -> DocumentQuerySet:
    """The documents a person has a right to read, those in the trash included. A page
    that was open when its document went there still hears of it, and what was being
    typed is still kept.

    Members and administrators read what is for the whole workspace; everybody reads
    their own, and what is shared with them by name; owners read everything.
    """
    return _within(viewer, to_change=False)


def readable(viewer: Viewer) -> DocumentQuerySet:
    """The documents a person may read. What is in the trash is nowhere else."""
    return followable(viewer).present()


def changeable(viewer: Viewer) -> DocumentQuerySet:
    """The documents a person has a right to change, those in the trash included:
    those of :func:`followable`, but of what is shared by name only what is shared
    for editing."""
    return _within(viewer, to_change=True)


def editable(viewer: Viewer) -> DocumentQuerySet:
    """The documents a person may change."""
    return changeable(viewer).present()


def _within(viewer: Viewer, *, to_change: bool) -> DocumentQuerySet:
    if not isinstance(viewer, Person) or not viewer.is_active:
        return Document.objects.none()
    return _open_to(Person.Role(viewer.role), viewer.pk, to_change=to_change)


def _open_to(role: Person.Role, person: int, *, to_change: bool) -> DocumentQuerySet:
    """The documents that an active person of this role and id may read, or change."""
    if role == Person.Role.OWNER:
        return Document.objects.all()
    shares = Share.objects.filter(person=person)
    if to_change:
        shares = shares.filter(may_edit=True)
    right = Q(author=person) | Q(pk__in=shares.values("document"))
    if role != Person.Role.GUEST:
        right |= Q(access=Document.Access.WORKSPACE)
    return Document.objects.filter(right)


def audience(document_ids: Iterable[int]) -> Callable[[int, int], bool]:
    """Who may read of these documents, for what goes to many people at once.

    Returns:
        A function of a person's id and a document's: the answer of
        :func:`followable`, for people who are active.
    """
    ids = set(document_ids)
    documents = Document.objects.filter(pk__in=ids).order_by()
    authors = dict(documents.values_list("pk", "author"))
    public = set(documents.for_everybody().values_list("pk", flat=True))
    named = set(Share.objects.filter(document__in=ids).values_list("person", "document"))
    others = Person.objects.filter(role__in=(Person.Role.OWNER, Person.Role.GUEST))
    special = dict(others.values_list("pk", "role"))

    def may(person: int, document: int) -> bool:
        role = special.get(person)
        if role == Person.Role.OWNER or authors.get(document) == person:
            return True
        is_public = document in public and role != Person.Role.GUEST
        return is_public or (person, document) in named

    return may


def writers(pairs: Collection[tuple[int, int]]) -> set[tuple[int, int]]:
    """Of these pairs of a person's id and a document's, those in which the person may
    change the document: the answer of :func:`changeable`, for many in three queries at most."""
    if not pairs:
        return set()
    active = Person.objects.filter(is_active=True, pk__in={person for person, _ in pairs})
    roles = dict(active.order_by().values_list("pk", "role"))
    wanted = Document.objects.filter(pk__in={document for _, document in pairs}).order_by()
    documents = {pk: told for pk, *told in wanted.values_list("pk", "author", "access")}
    known = {(person, pk) for person, pk in pairs if person in roles and pk in documents}

    def may_without_name(person: int, pk: int) -> bool:
        author, access = documents[pk]
        is_public = access == Document.Access.WORKSPACE and roles[person] != Person.Role.GUEST
        return roles[person] == Person.Role.OWNER or author == person or is_public

    allowed = {(person, pk) for person, pk in known if may_without_name(person, pk)}
    if others := known - allowed:
        people, theirs = {person for person, _ in others}, {pk for _, pk in others}
        shares = Share.objects.filter(document__in=theirs, person__in=people, may_edit=True)
        allowed |= others.intersection(shares.values_list("person", "document"))
    return allowed


def restorable(viewer: Viewer) -> DocumentQuerySet:
    """The documents in the trash that a person may bring back, or delete for good:
    those of :func:`may_trash`."""
    return _answered_for(viewer).trashed()


def readable_document(viewer: Viewer, pk: int) -> Document:
    """One readable document with its people, or Http404."""
    return _one(viewer, readable(viewer), pk)


def editable_document(viewer: Viewer, pk: int) -> Document:
    """One editable document with its people, or Http404."""
    return _one(viewer, editable(viewer), pk)


def changeable_document(viewer: Viewer, pk: int) -> Document:
    """One document the person may change, in the trash or not, or Http404."""
    return _one(viewer, changeable(viewer), pk)


def followable_document(viewer: Viewer, pk: int) -> Document:
    """One document, in the trash or not, with its people, or Http404."""
    return _one(viewer, followable(viewer), pk)


def followable_times(viewer: Viewer, pk: int) -> Document:
    """Like :func:`followable_document`, with nothing but when it was changed and
    trashed: for requests that come often and show nothing else of it."""
    times = followable(viewer).select_related(None).only("changed_at", "trashed_at")
    found: Document | None = times.filter(pk=pk).first()
    if found is None:
        raise Http404
    return found


def may_seize(viewer: Viewer, document: Document) -> bool:
    """May this person take the pen from whoever has it? Who answers for it."""
    return _answers_for(viewer, document)


def may_trash(viewer: Viewer, document: Document) -> bool:
    """May this person move it to the trash, and out of it? Who answers for it."""
    return _answers_for(viewer, document)


def may_share(viewer: Viewer, document: Document) -> bool:
    """May this person say who else may read and change it? Who answers for it: nobody
    can give, to others or to themselves, what they have not."""
    return _answers_for(viewer, document)


def linked_document(token: str) -> Document | None:
    """The document that this link opens, if it is good and the document there. A link
    counts only while who made it may share the document."""
    link = Link.objects.valid().of(token).select_related("made_by").first()
    if link is None:
        return None
    documents = _answered_for(link.made_by).present().filter(pk=link.document_id)
    found: Document | None = documents.select_related("changed_by").first()
    return found


def invitation(token: str) -> Invitation | None:
    """The invitation that this secret is of, if it can be used. It counts only while who
    made it may give that role."""
    invited = Invitation.objects.open().of(token).select_related("made_by").first()
    return invited if invited and invited.role in roles_to_give(invited.made_by) else None


def is_administrator(viewer: Viewer) -> bool:
    """Does this person look after the workspace: an owner or an administrator?"""
    return isinstance(viewer, Person) and viewer.is_active and viewer.is_administrator


def roles_to_give(viewer: Viewer) -> Sequence[Person.Role]:
    """The roles that this person may give to others."""
    if not is_administrator(viewer):
        return ()
    given = [Person.Role.MEMBER, Person.Role.GUEST]
    is_owner = isinstance(viewer, Person) and viewer.is_owner
    return [*given, Person.Role.ADMIN, Person.Role.OWNER] if is_owner else given


def may_manage(viewer: Viewer, person: Person | None) -> bool:
    """May this person change that account? Those whose role they could give."""
    given = roles_to_give(viewer)
    return bool(given) if person is None else person.role in given


def readable_events(viewer: Viewer) -> QuerySet[SecurityEvent]:
    """What a person may read of the audit log: administrators all that is about accounts,
    owners the rest too. That names documents, and for whom they are, which is nobody's
    business who may not read them."""
    if not is_administrator(viewer):
        return SecurityEvent.objects.none()
    if isinstance(viewer, Person) and viewer.is_owner:
        return SecurityEvent.objects.all()
    about_documents = (SecurityEvent.Kind.ACCESS, SecurityEvent.Kind.LINK)
    return SecurityEvent.objects.exclude(kind__in=about_documents)


def may_create(viewer: Viewer) -> bool:
    """May this person write new documents? Guests may not."""
    return isinstance(viewer, Person) and not viewer.is_guest


def _answered_for(viewer: Viewer) -> DocumentQuerySet:
    """The documents a person answers for, those in the trash included: authors for their
    own, administrators for what they may change."""
    documents = changeable(viewer)
    return documents if is_administrator(viewer) else documents.filter(author=viewer.pk)


def _answers_for(viewer: Viewer, document: Document) -> bool:
    if document.author_id != viewer.pk and not is_administrator(viewer):
        return False
    return _answered_for(viewer).filter(pk=document.pk).exists()


def _one(viewer: Viewer, documents: DocumentQuerySet, pk: int) -> Document:
    people = ("author", "changed_by", "holder", "trashed_by")
    found: Document | None = documents.select_related(*people).filter(pk=pk).first()
    if found is not None:
        return found
    trashed = restorable(viewer).select_related(*people).filter(pk=pk).first()
    raise InTrash(trashed) if trashed else Http404


# For live regions: which of these keys?


def readable_keys(viewer: AbstractBaseUser, keys: Sequence[str]) -> Collection[str]:
    """Keys that are ids of documents the person may read, or may again after a
    restore: until then their regions are empty, because nothing is loaded for them."""
    return _document_keys(viewer, keys, to_change=False)


def version_keys(viewer: AbstractBaseUser, keys: Sequence[str]) -> Collection[str]:
    """Keys "<document>_<version>" of documents the person may read, or may again after
    a restore, as in :func:`readable_keys`."""
    return _keys_with_document(viewer, keys, to_change=False)


def editor_keys(viewer: AbstractBaseUser, keys: Sequence[str]) -> Collection[str]:
    """Keys "<document>_<fence>" of documents the person may change, or could before
    they were moved to the trash: the editor has to say so."""
    return _keys_with_document(viewer, keys, to_change=True)


def member_keys(viewer: AbstractBaseUser, keys: Sequence[str]) -> Collection[str]:
    """Every key, for everyone who works here. Guests see only who is where they are."""
    return keys if isinstance(viewer, Person) and viewer.is_active and not viewer.is_guest else ()


def everybodys_keys(viewer: AbstractBaseUser, keys: Sequence[str]) -> Collection[str]:
    """Every key, for everyone with an account; what is shown is chosen one by one."""
    return keys if viewer.is_active else ()


def staff_keys(viewer: AbstractBaseUser, keys: Sequence[str]) -> Collection[str]:
    """Every key, for administrators."""
    return keys if is_administrator(viewer) else ()


# For open pages: which of these?


def openable_pages(viewer: AbstractBaseUser, pages: Sequence[Page]) -> Collection[Page]:
    """Pages of documents the person may read, and those for changing one of documents
    they may change; in the trash or not, since open pages have to say so."""
    about = {page: str(document_of(page.subject) or "") for page in pages}
    to_change = {page for page in pages if page.mode in {EDITING, RENAMING}}
    to_read = [key for page, key in about.items() if page not in to_change]
    read = _document_keys(viewer, to_read, to_change=False)
    changed = _document_keys(viewer, [about[page] for page in to_change], to_change=True)
    return [page for page in pages if about[page] in (changed if page in to_change else read)]


def _asked(role: Person.Role, to_change: bool, ids: Sequence[int]) -> QuerySet[Any, tuple[int]]:
    person, *documents = ids
    allowed = _open_to(role, person, to_change=to_change)
    return allowed.filter(pk__in=documents).order_by().values_list("pk")


#: By role, and whether it is about changing: of a person's id and those of documents. It
#: is asked for every page that opens or comes back, and for each that is open.
_ASKED = {
    (role, to_change): Prepared(partial(_asked, role, to_change))
    for role in Person.Role
    for to_change in (False, True)
}


def _document_keys(viewer: Viewer, keys: Sequence[str], *, to_change: bool) -> set[str]:
    """Keys that are ids of the documents of :func:`followable`, or :func:`changeable`."""
    numbers = {int(key) for key in keys if key.isdecimal()}
    ids = [pk for pk in numbers if pk <= BigIntegerField.MAX_BIGINT]
    if not ids or not isinstance(viewer, Person) or not viewer.is_active:
        return set()
    asked = _ASKED[Person.Role(viewer.role), to_change]
    return {str(pk) for (pk,) in asked.rows([viewer.pk, *ids])}


def _keys_with_document(viewer: Viewer, keys: Sequence[str], *, to_change: bool) -> list[str]:
    """Keys "<document>_<number>" of these documents."""
    wanted = {key: key.partition("_")[0] for key in keys}
    allowed = _document_keys(viewer, list(wanted.values()), to_change=to_change)
    return [key for key, pk in wanted.items() if pk in allowed]
