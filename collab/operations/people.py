"""Changing people: their accounts, roles and sign-ins."""

from __future__ import annotations

from collections.abc import Sequence

from django.core.exceptions import PermissionDenied
from django.db import transaction

from .. import permissions
from ..errors import UsedInvitation
from ..live.topics import changed
from ..models import Invitation, Person, SecurityEvent, SignIn
from ..permissions import may_manage, roles_to_give
from ..subjects import PEOPLE
from ..timings import INVITATION_DAYS
from . import audit, leases

Kind = SecurityEvent.Kind
#: What an account is entered by: whoever can change it can have a new password sent.
ACCOUNT = ("username", "email")


@transaction.atomic
def update(person: Person, fields: Sequence[str], *, actor: int) -> None:
    """Store changed fields of an account; the new name is shown everywhere at once.

    Args:
        person: the changed account.
        fields: the columns to write, and no others: what somebody else has
            changed meanwhile (a deactivation, say) must stand.
        actor: who changes it, themselves or who may manage them.

    Raises:
        PermissionDenied: they may not, or not any more; nothing was changed.
    """
    before = lock(person.pk, actor)
    _store(person, fields)
    differs = (name for name in ACCOUNT if getattr(before, name) != getattr(person, name))
    if other := ", ".join(name for name in differs if name in fields):
        audit.record(Kind.ACCOUNT, actor=actor, person=person.pk, detail=other)


@transaction.atomic
def add(person: Person, *, actor: int) -> None:
    """Store a new account that somebody has made for somebody."""
    person.save()
    audit.record(Kind.ADDED, actor=actor, person=person.pk, detail=person.role)
    changed(PEOPLE)


@transaction.atomic
def set_password(person: Person, *, actor: int) -> None:
    """Store the password that an account has been given (``Person.set_password``). All
    sign-ins with the one before end, and with them the open pages; a request that goes
    on with its own gives it a new key afterwards (``update_session_auth_hash``).

    Raises:
        PermissionDenied: the actor may not manage it; nothing was changed.
    """
    lock(person.pk, actor)
    _store(person, ["password"])
    sign_out(person.pk)
    audit.record(Kind.PASSWORD, actor=actor, person=person.pk)


@transaction.atomic
def set_role(person_id: int, role: Person.Role, *, actor: int) -> None:
    """Give somebody another role. Their open pages are asked again at once, and what they
    may not change any more they do not hold.

    Raises:
        PermissionDenied: the actor may not give it, or not to them; nothing was changed.
    """
    person = lock(person_id, actor)
    if person.role == role:
        return
    if role not in roles_to_give(Person.objects.get(pk=actor)):
        raise PermissionDenied
    audit.record(Kind.ROLE, actor=actor, person=person_id, detail=f"{person.role} → {role}")
    person.role = role
    _store(person, ["role", "is_staff", "is_superuser"])
    leases.follow_person(person_id)


@transaction.atomic
def set_active(person_id: int, *, is_active: bool, actor: int) -> None:
    """Switch an account on, or off: then it is signed out everywhere, its open pages end,
    and its leases are free.

    Raises:
        PermissionDenied: the actor may not manage it; nothing was changed.
    """
    person = lock(person_id, actor)
    if person.is_active == is_active:
        return
    audit.record(Kind.ACTIVE, actor=actor, person=person_id, detail="on" if is_active else "off")
    person.is_active = is_active
    _store(person, ["is_active"])
    if not is_active:
        sign_out(person_id)
        leases.follow_person(person_id)


def lock(person_id: int, actor: int) -> Person:
    """An account as it is now, and stays until the end of the transaction, for whoever
    changes it. What they may is asked again: of two owners who take each other's role at
    the same moment the second is none any more.

    Raises:
        PermissionDenied: it is neither their own nor one that they may manage.
    """
    # Without the key: what names these people goes on. In one order: nobody waits in a ring.
    rows = Person.objects.select_for_update(no_key=True).order_by("pk")
    found = {person.pk: person for person in rows.filter(pk__in={person_id, actor})}
    person, asking = found.get(person_id), found.get(actor)
    if person is None or asking is None:
        raise PermissionDenied
    if person != asking and not may_manage(asking, person):
        raise PermissionDenied
    return person


def _store(person: Person, fields: Sequence[str]) -> None:
    person.save(update_fields=fields)
    changed(PEOPLE)


def sign_out(person_id: int, *, but: str = "") -> int:
    """End the sign-ins of a person, and with them the open pages, which give back what
    they hold.

    Args:
        but: the session that goes on.

    Returns:
        How many there were.
    """
    ended, _ = SignIn.objects.filter(person=person_id).exclude(session_key=but).delete()
    return ended


@transaction.atomic
def invite(role: Person.Role, *, actor: int) -> str:
    """Make an invitation.

    Returns:
        Its secret. It is not stored, and cannot be shown again.
    """
    token = Invitation.objects.make(INVITATION_DAYS, role=role, made_by_id=actor)
    audit.record(Kind.INVITED, actor=actor, detail=role)
    return token


@transaction.atomic
def join(token: str, person: Person) -> None:
    """Make the account that an invitation is for.

    Args:
        token: its secret.
        person: the new account, not stored yet, with its password.

    Raises:
        UsedInvitation: somebody has used it, it has ended, or who made it may not give
            that role any more; nothing was stored.
    """
    invitation = permissions.invitation(token)
    if invitation is None:
        raise UsedInvitation
    person.role = Person.Role(invitation.role)
    person.save()
    # Of two at the same moment one finds it used, and the account is taken back.
    if not Invitation.objects.open().filter(pk=invitation.pk).update(used_by=person):
        raise UsedInvitation
    audit.record(Kind.JOINED, actor=person.pk, person=person.pk, detail=invitation.role)
    changed(PEOPLE)


@transaction.atomic
def end_invitation(invitation_id: int, *, actor: int) -> None:
    """Take an invitation back that nobody has used."""
    if Invitation.objects.filter(pk=invitation_id, used_by__isnull=True).delete()[0]:
        audit.record(Kind.INVITED, actor=actor, detail="taken back")
