"""Changing people: their accounts, roles and sign-ins."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction

from ..errors import UsedInvitation
from ..live.topics import changed
from ..models import Invitation, Person, SecurityEvent, SignIn
from ..subjects import PEOPLE
from ..timings import INVITATION_DAYS
from . import audit

Kind = SecurityEvent.Kind


@transaction.atomic
def update(person: Person, fields: Sequence[str] | None = None) -> None:
    """Store changed fields of an account; the new name is shown everywhere at once.

    Args:
        person: the changed account.
        fields: the columns to write, and no others: what somebody else has
            changed meanwhile (a deactivation, say) must stand.
    """
    person.save(update_fields=fields)
    changed(PEOPLE)


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
    on with its own gives it a new key afterwards (``update_session_auth_hash``)."""
    update(person, ["password"])
    sign_out(person.pk)
    audit.record(Kind.PASSWORD, actor=actor, person=person.pk)


@transaction.atomic
def set_role(person: Person, role: Person.Role, *, actor: int) -> None:
    """Give somebody another role. Their open pages are asked again at once."""
    if person.role == role:
        return
    audit.record(Kind.ROLE, actor=actor, person=person.pk, detail=f"{person.role} → {role}")
    person.role = role
    update(person, ["role", "is_staff", "is_superuser"])


@transaction.atomic
def set_active(person: Person, *, is_active: bool, actor: int) -> None:
    """Switch an account on, or off: then it is signed out everywhere, and its open
    pages end."""
    if person.is_active == is_active:
        return
    audit.record(Kind.ACTIVE, actor=actor, person=person.pk, detail="on" if is_active else "off")
    person.is_active = is_active
    update(person, ["is_active"])
    if not is_active:
        sign_out(person.pk)


def sign_out(person_id: int, *, but: str = "") -> int:
    """End the sign-ins of a person, and with them the open pages.

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
        UsedInvitation: somebody has used it, or it has ended; nothing was stored.
    """
    invitation = Invitation.objects.open().of(token).first()
    if invitation is None:
        raise UsedInvitation
    person.role = Person.Role(invitation.role)
    person.save()
    # Of two at the same moment one finds it used, and the account is taken back.
    if not Invitation.objects.open().filter(pk=invitation.pk).update(used_by=person):
        raise UsedInvitation
    audit.record(Kind.JOINED, actor=person.pk, person=person.pk, detail=invitation.role)
    changed(PEOPLE)


def end_invitation(invitation_id: int) -> None:
    """Take an invitation back that nobody has used."""
    Invitation.objects.filter(pk=invitation_id, used_by__isnull=True).delete()
