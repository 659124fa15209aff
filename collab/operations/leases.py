"""Leases follow rights: who may not change a document (any more) neither holds its pen,
or its title and cover, nor waits for it. What they have typed stays their unsaved text.

Whoever takes a right away calls this in the same transaction, after it.
"""

from __future__ import annotations

from typing import Any

from django.db.models import Q

from ..live import presence
from ..live.topics import changed
from ..models import Document, Heading
from ..permissions import writers
from ..subjects import heading, pen

#: What can be held, with its topic. Documents come first, see :mod:`.headings`.
LEASES: tuple[tuple[Any, Any], ...] = ((Document, pen), (Heading, heading))


def follow_document(pk: int) -> None:
    """The rights to a document have changed."""
    _follow(Q(pk=pk))


def follow_person(person_id: int) -> None:
    """The rights of a person have changed."""
    _follow(Q(holder=person_id) | Q(asked_by=person_id))


def _follow(which: Q) -> None:
    for model, topic in LEASES:
        # Locked: a handover at the same moment is over before, or finds nobody waiting.
        rows = model.objects.filter(which).order_by("pk").select_for_update()
        involved = list(rows.values_list("pk", "holder", "asked_by"))
        pairs = {(person, pk) for pk, *people in involved for person in people if person}
        allowed = writers(pairs)
        for pk, holder, asked_by in involved:
            row = model.objects.filter(pk=pk)
            if holder and (holder, pk) not in allowed:
                row.revoke()
            elif asked_by and (asked_by, pk) not in allowed:
                row.unask()
            else:
                continue
            changed(topic(pk), presence.EVERYBODY)
