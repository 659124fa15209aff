"""Erasing a person: their account and what is personal go; what they did for others
stays, without their name.
"""

from __future__ import annotations

from typing import Any

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib.auth.hashers import make_password
from django.db import transaction

from .. import covers, personal
from ..errors import CannotErase
from ..live import presence
from ..live.models import Connection
from ..live.topics import changed
from ..models import Person, SecurityEvent
from ..models.person import STAND_IN
from ..personal import RULES, Fate, Rule
from ..subjects import PEOPLE, heading, pen
from . import audit, people

#: The topics of leases, by model.
LEASES = {"collab.Document": pen, "collab.Heading": heading}


def erase(person_id: int, *, actor: int | None = None) -> None:
    """Erase a person, in two steps: they are signed out everywhere, and their open
    pages close; then all the rest happens, or nothing of it. Doing it again completes
    it.

    Args:
        person_id: who.
        actor: who does it; None for the command.

    Raises:
        CannotErase: it would do harm; nothing was changed.
        PermissionDenied: the actor may not manage them; nothing was changed.
        Person.DoesNotExist: there is nobody (any more).
    """
    check(Person.objects.get(pk=person_id))
    stand_in = _stand_in()
    _shut_out(person_id, actor)
    _erase(person_id, stand_in, actor)
    covers.forget(person_id)


def check(person: Person) -> None:
    """May this person be erased?

    Raises:
        CannotErase: they may not.
    """
    if person.username == STAND_IN:
        raise CannotErase("This account stands in for those who were erased.")
    ruled = {(rule.model, rule.column) for rule in RULES}
    if unknown := sorted(personal.columns() - ruled):
        names = ", ".join(".".join(one) for one in unknown)
        raise CannotErase(f"Nobody has decided what becomes of {names} (collab/personal.py).")
    others = Person.objects.filter(role=Person.Role.OWNER, is_active=True).exclude(pk=person.pk)
    if person.is_owner and not others.exists():
        raise CannotErase("Nobody else owns this workspace. Appoint somebody first.")


def _stand_in() -> Person:
    """Who stands where an erased person stood; made when first needed."""
    nobody = {
        "is_active": False,
        "role": Person.Role.GUEST,
        "colour": Person.Colour.SLATE,
        "password": make_password(None),
    }
    found, _ = Person.objects.get_or_create(username=STAND_IN, defaults=nobody)
    if found.is_active or found.has_usable_password():
        raise CannotErase(
            f"Somebody has the username {STAND_IN!r}, which is meant for those who were "
            "erased. Give them another one first."
        )
    return found


@transaction.atomic
def _shut_out(person_id: int, actor: int | None) -> None:
    if actor is None:
        person = Person.objects.select_for_update(no_key=True).get(pk=person_id)
    else:
        person = people.lock(person_id, actor)
    check(person)  # again: nobody else changes it now
    person.is_active = False
    person.save(update_fields=["is_active"])  # every process looks at their sockets
    people.sign_out(person_id)


@transaction.atomic
def _erase(person_id: int, stand_in: Person, actor: int | None) -> None:
    # Locked: nobody can write anything new in this person's name.
    person = Person.objects.select_for_update().get(pk=person_id)
    subjects = set(Connection.objects.filter(user=person).values_list("subject", flat=True))
    for tries in (AccessAttempt, AccessFailureLog, AccessLog):
        tries.objects.filter(username__iexact=person.username).delete()
    for rule in RULES:
        _apply(rule, person, stand_in)
    personal.entries_about(person).update(object_repr=STAND_IN)
    person.delete()
    audit.record(SecurityEvent.Kind.ACTIVE, actor=actor, person=stand_in.pk, detail="erased")
    topics = [presence.topic(subject) for subject in subjects if subject]
    changed(PEOPLE, presence.EVERYBODY, *topics)


def _apply(rule: Rule, person: Person, stand_in: Person) -> None:
    rows: Any = rule.rows(person)
    if rule.model in LEASES:
        changed(*(LEASES[rule.model](pk) for pk in rows.values_list("pk", flat=True)))
    match rule.fate:
        case Fate.STAYS:
            emptied = dict.fromkeys(rule.emptied)
            rows.update(**{rule.column: stand_in}, **emptied)
        case Fate.GOES:
            rows.delete()
        case Fate.FORGETS:
            rows.update(**{rule.column: None})
        case Fate.RETURNS:
            rows.revoke(seized_for="")
        case Fate.WITHDRAWS:
            rows.unask()
