"""What the workspace knows of a person: each place, what of it is theirs to have, and
what becomes of it when they are erased.

Each column that names a person has one rule here; a test compares the rules with the
models, so that a new table cannot forget anybody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model, QuerySet

from .models import Person, SignIn

ABOUT_ACCOUNT = (
    "id",
    "username",
    "first_name",
    "last_name",
    "display_name",
    "email",
    "language",
    "theme",
    "colour",
    "role",
    "is_active",
    "is_staff",
    "is_superuser",
    "date_joined",
    "last_login",
)


class Fate(Enum):
    """What becomes of a row whose person is erased."""

    STAYS = "stays, without a name"
    GOES = "is deleted"
    FORGETS = "stays, and forgets the person"
    RETURNS = "is given back"
    WITHDRAWS = "is not asked for any more"


@dataclass(frozen=True)
class Rule:
    """A column that names a person."""

    #: The model's label and the column.
    model: str
    column: str
    fate: Fate
    #: What such rows are to the person.
    what: str
    #: What of such a row is exported. Texts are exported as files of their own.
    exported: tuple[str, ...]

    def rows(self, person: Person) -> QuerySet[Model]:
        """The rows that name them, wherever they are."""
        model: Any = apps.get_model(self.model)
        found: QuerySet[Model] = model.objects.filter(**{self.column: person})
        return found


LEASED = ("pk", "held_at", "expires_at")
RULES = (
    Rule(
        "collab.Document",
        "author",
        Fate.STAYS,
        "documents written",
        ("id", "heading__title", "created_at", "version", "is_template", "trashed_at"),
    ),
    Rule(
        "collab.Document",
        "changed_by",
        Fate.STAYS,
        "documents last changed",
        ("id", "heading__title", "changed_at", "version"),
    ),
    Rule(
        "collab.Document",
        "trashed_by",
        Fate.STAYS,
        "documents moved to the trash",
        ("id", "heading__title", "trashed_at"),
    ),
    Rule(
        "collab.Revision",
        "author",
        Fate.STAYS,
        "versions saved",
        ("document_id", "version", "at", "title", "name", "words_added", "words_removed"),
    ),
    Rule(
        "collab.Activity",
        "actor",
        Fate.STAYS,
        "activities",
        ("document_id", "verb", "version", "at", "words_added", "words_removed"),
    ),
    Rule(
        "collab.Draft",
        "person",
        Fate.GOES,
        "unsaved texts",
        ("id", "document_id", "base_version", "saved_at", "is_settled"),
    ),
    Rule(
        "collab.Draft",
        "offered_to",
        Fate.FORGETS,
        "unsaved texts of others that were offered",
        ("document_id", "saved_at"),
    ),
    Rule("collab.Reading", "person", Fate.GOES, "bookmarks", ("document_id", "version")),
    Rule("collab.Document", "holder", Fate.RETURNS, "pens held", LEASED),
    Rule("collab.Document", "asked_by", Fate.WITHDRAWS, "pens asked for", ("pk", "asked_at")),
    Rule("collab.Heading", "holder", Fate.RETURNS, "titles and covers held", LEASED),
    Rule(
        "collab.Heading",
        "asked_by",
        Fate.WITHDRAWS,
        "titles and covers asked for",
        ("pk", "asked_at"),
    ),
    Rule(
        "live.Connection",
        "user",
        Fate.GOES,
        "open pages",
        ("subject", "mode", "joined_at", "left_at"),
    ),
    Rule("collab.Share", "person", Fate.GOES, "documents shared", ("document_id", "may_edit")),
    Rule(
        "collab.Link", "made_by", Fate.GOES, "links made", ("document_id", "made_at", "expires_at")
    ),
    Rule("collab.Invitation", "made_by", Fate.GOES, "invitations made", ("role", "made_at")),
    Rule("collab.Invitation", "used_by", Fate.GOES, "invitation used", ("role", "made_at")),
    Rule(
        "collab.SignIn", "person", Fate.GOES, "sign-ins", ("at", "agent", "address", "expire_date")
    ),
    Rule(
        "collab.SecurityEvent",
        "actor",
        Fate.FORGETS,
        "security events caused",
        ("at", "kind", "address", "detail"),
    ),
    Rule(
        "collab.SecurityEvent",
        "person",
        Fate.FORGETS,
        "security events about the account",
        ("at", "kind", "address", "detail"),
    ),
    Rule(
        "admin.LogEntry",
        "user",
        Fate.STAYS,
        "entries in the administration's log",
        ("action_time", "content_type__model", "object_id", "action_flag"),
    ),
)


def records(person: Person) -> Mapping[str, Any]:
    """Everything held of a person but the texts, as plain values for JSON."""
    account = Person.objects.filter(pk=person.pk).values(*ABOUT_ACCOUNT).get()
    groups = [group.name for group in person.groups.order_by("name")]
    by_rule: dict[str, Sequence[Mapping[str, Any]]] = {
        rule.what: list(rule.rows(person).order_by("pk").values(*rule.exported)) for rule in RULES
    }
    log = entries_about(person).order_by("pk")
    return {
        "account": {**account, "groups": groups},
        **by_rule,
        "changes to the account": list(log.values("action_time", "action_flag", "change_message")),
    }


def counts(person: Person) -> list[tuple[Rule, int]]:
    """Which rules concern a person, and how many rows each."""
    found = [(rule, rule.rows(person).count()) for rule in RULES]
    return [(rule, count) for rule, count in found if count]


def sessions_of(person: Person) -> QuerySet[SignIn]:
    """Where they are signed in."""
    return SignIn.objects.filter(person=person)


def entries_about(person: Person) -> QuerySet[LogEntry]:
    """What the administration's log says of this account; each entry has its name."""
    kind = ContentType.objects.get_for_model(Person)
    return LogEntry.objects.filter(content_type=kind, object_id=str(person.pk))


def columns() -> set[tuple[str, str]]:
    """Every column of the models that names a person: label of the model, column.
    Groups and permissions are left aside; they go with the account."""
    return {
        (str(model._meta.label), field.name)  # noqa: SLF001  (Django's documented API)
        for model in apps.get_models()
        for field in model._meta.get_fields()  # noqa: SLF001
        if field.concrete and field.related_model is Person and not field.many_to_many
    }
