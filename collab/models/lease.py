"""The edit lease ("the pen"): one writer at a time, and never stuck.

A lease lives in the same row as what it protects, so that one conditional
UPDATE both checks the fence and writes: with the fence in another table,
PostgreSQL's READ COMMITTED lets a stale save through. Every taking raises the
fence, so a writer who was away and comes back late is told apart from the
present holder (Kleppmann, "How to do distributed locking", 2016). The
database's clock is the only clock.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import timedelta
from itertools import islice
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from ..timings import LEASE_SECONDS

#: Rows renewed by one statement; SQLite allows 1,000 terms in an expression.
RENEW_BATCH = 200


def _expiry() -> Any:
    return Now() + timedelta(seconds=LEASE_SECONDS)


def batched(items: Iterable[tuple[int, int]], size: int) -> Iterator[list[tuple[int, int]]]:
    """Cut into lists of at most ``size`` (itertools has this from Python 3.12)."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


class LeaseQuerySet(models.QuerySet["Any"]):
    """The rules, each one conditional UPDATE. All return whether it took effect
    (or how many rows it touched), never an exception for "somebody else has it".
    """

    def held(self) -> Self:
        """Rows somebody may write to now."""
        return self.filter(holder__isnull=False, expires_at__gte=Now())

    def expired(self) -> Self:
        """Rows whose holder has not been heard of in time."""
        return self.filter(holder__isnull=False, expires_at__lt=Now())

    def take(self, pk: int, person_id: int, *, own_fence: int | None = None) -> bool:
        """Take the lease if it is free, or if it is the taker's own.

        Args:
            pk: the row.
            person_id: who takes it.
            own_fence: the fence under which the taker already holds it (a page
                that is loaded again). None: only a free lease is taken.
        """
        free = Q(holder__isnull=True) | Q(expires_at__lt=Now())
        own = Q(holder=person_id, fence=own_fence)
        return self._grant(self.filter(free | own, pk=pk), person_id)

    def move(self, pk: int, person_id: int) -> bool:
        """Take one's own lease from wherever one holds it: another tab."""
        return self._grant(self.filter(pk=pk, holder=person_id), person_id)

    def _grant(self, rows: Self, person_id: int) -> bool:
        return bool(
            rows.update(holder=person_id, fence=F("fence") + 1, held_at=Now(), expires_at=_expiry())
        )

    def renew(self, claims: Collection[tuple[int, int]]) -> int:
        """Give the holders of these more time, in batches.

        Args:
            claims: pairs of row and fence. Where the fence has moved on, the row
                is left alone; a stale claim beside the present one does no harm.
        """
        renewed = 0
        for batch in batched(claims, RENEW_BATCH):
            matching = Q()
            for pk, fence in batch:
                matching |= Q(pk=pk, fence=fence)
            renewed += self.filter(matching, holder__isnull=False).update(expires_at=_expiry())
        return renewed

    def release(self, pk: int, person_id: int, fence: int) -> bool:
        """Give the lease back, if it is still this one."""
        return bool(
            self.filter(pk=pk, holder=person_id, fence=fence).update(
                holder=None, held_at=None, expires_at=None
            )
        )

    def clear_expired(self) -> list[int]:
        """Free all expired leases; returns the rows that this call freed."""
        overdue = list(self.expired().values_list("pk", "fence"))
        return [
            pk
            for pk, fence in overdue
            if self.expired()
            .filter(pk=pk, fence=fence)
            .update(holder=None, held_at=None, expires_at=None)
        ]


class Lease(models.Model):
    """A row that one person at a time may write to."""

    holder = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="%(class)s_leases",
        verbose_name=_("holder"),
    )
    fence = models.PositiveBigIntegerField(_("fence"), default=0, editable=False)
    held_at = models.DateTimeField(_("held since"), null=True, blank=True)
    expires_at = models.DateTimeField(_("held until"), null=True, blank=True, db_index=True)

    class Meta:
        abstract = True
