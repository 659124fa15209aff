"""Writing down what happens to accounts and rights."""

from __future__ import annotations

from ..models import SecurityEvent


def record(
    kind: SecurityEvent.Kind,
    *,
    actor: int | None = None,
    person: int | None = None,
    address: str | None = None,
    detail: str = "",
) -> None:
    """Add an event to the audit log.

    Args:
        kind: what happened.
        actor: who did it, if that is known.
        person: whose account or right it is about.
        address: the browser's IP address, for what came by a request.
        detail: what else there is to know. No secrets, and nobody's text.
    """
    SecurityEvent.objects.create(
        kind=kind, actor_id=actor, person_id=person, address=address, detail=detail[:200]
    )
