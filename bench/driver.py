"""Many changes of many documents' pens, at a steady rate, from a process beside."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection, transaction

from collab.live.topics import changed
from collab.models import Document
from collab.subjects import pen

from .following import Change

#: Changes that come within this time are written together.
BATCH_SECONDS = 0.01


@dataclass(frozen=True)
class Plan:
    """What changes: the pens of ``documents`` go round among ``holders`` (ids),
    ``rate`` times a second for ``seconds``."""

    documents: Sequence[int]
    holders: Sequence[int]
    rate: int
    seconds: float


def drive(plan: Plan) -> list[Change]:
    """Do it; returns what was done, in its order."""
    chance = random.Random(0)
    turns = dict.fromkeys(plan.documents, 0)
    done: list[Change] = []
    began = time.perf_counter()
    while len(done) < plan.rate * plan.seconds:
        due = round((time.perf_counter() - began) * plan.rate) - len(done)
        if due > 0:
            left = round(plan.rate * plan.seconds) - len(done)
            done += _write(plan, turns, chance.choices(plan.documents, k=min(due, left)))
        time.sleep(BATCH_SECONDS)
    return done


def _write(plan: Plan, turns: dict[int, int], chosen: Sequence[int]) -> list[Change]:
    """One transaction; the changes are announced when it is committed."""
    made = []
    rows = []
    for document in chosen:
        turn = turns[document]
        turns[document] += 1
        made.append((document, turn))
        rows.append((plan.holders[turn % len(plan.holders)], document))
    table = Document._meta.db_table
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(f"UPDATE {table} SET holder_id = %s WHERE id = %s", rows)
        changed(*(pen(document) for document in set(chosen)))
    now = time.perf_counter()
    return [Change(now, document, turn) for document, turn in made]
