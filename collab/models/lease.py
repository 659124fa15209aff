"""The edit lease ("the pen"): one writer at a time, and never stuck.

A lease lives in the same row as what it protects, so that one conditional
UPDATE both checks the fence and writes: with the fence in another table,
PostgreSQL's READ COMMITTED lets a stale save through. Every taking raises the
fence, so a writer who was away and comes back late is told apart from the
present holder (Kleppmann, "How to do distributed locking", 2016). The
database's clock is the only clock.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import timedelta
from itertools import islice
from typing import Any, Self

from django.conf import settings
from django.db import connections, models
from django.db.models import Case, F, Q, Value, When
from django.db.models.expressions import RawSQL
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from ..timings import (
    ANSWER_SECONDS,
    FLUSH_SECONDS,
    IDLE_SECONDS,
    LEASE_SECONDS,
    REASON_CHARACTERS,
)

#: Rows renewed by one statement; SQLite takes 32,766 parameters at most.
RENEW_BATCH = 1_000


def _expiry() -> Any:
    return Now() + timedelta(seconds=LEASE_SECONDS)


#: A row nobody holds. A grant and a release both end all that was asked. Of a lease that
#: has lapsed stays since when it was held, which tells it from one that was given back.
_LAPSED: dict[str, Any] = {"holder": None, "expires_at": None, "active_at": None}
_NOBODY: dict[str, Any] = {**_LAPSED, "held_at": None}
_UNASKED: dict[str, Any] = {
    "asked_by": None,
    "asked_at": None,
    "asked_for": "",
    "yields_at": None,
}


def batched(items: Iterable[tuple[int, int]], size: int) -> Iterator[list[tuple[int, int]]]:
    """Cut into lists of at most ``size`` (itertools has this from Python 3.12)."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


class LeaseQuerySet(models.QuerySet["Any"]):
    """The rules, each one conditional UPDATE. All return whether it took effect
    (or which rows it touched), never an exception for "somebody else has it".

    A handover has two steps. ``ask`` notes who waits. When the holder agrees, is
    idle, or has not answered in time, ``begin_yield`` gives the holder's page a
    moment to store what is in it, and ``hand_over`` moves the lease. Who may take it
    whatever the holder wants begins with that moment: ``demand``.
    """

    # States.

    def held(self) -> Self:
        """Rows somebody may write to now."""
        return self.filter(holder__isnull=False, expires_at__gte=Now())

    def expired(self) -> Self:
        """Rows whose holder has not been heard of in time."""
        return self.filter(holder__isnull=False, expires_at__lt=Now()).order_by()

    def not_given_back(self) -> Self:
        """Rows whose last lease holds, or has lapsed: nobody meant it to end."""
        return self.filter(held_at__isnull=False)

    def held_under(self, pk: int, person_id: int, fence: int) -> Self:
        """The row, if this is its present lease (even one that has run out and
        that nobody has taken since: its fence stands)."""
        return self.filter(pk=pk, holder=person_id, fence=fence)

    def unhindered(self, pk: int, person_id: int, fence: int) -> Self:
        """The row, if nobody has taken it since this person had it under this fence. A
        lease that has ended does no harm then."""
        return self.filter(Q(holder=person_id) | Q(holder__isnull=True), pk=pk, fence=fence)

    def writable(self, pk: int, person_id: int, *, fence: int, version: int) -> Self:
        """The row, if this person may write to it, having seen this version of it."""
        return self.unhindered(pk, person_id, fence).filter(version=version)

    def in_use(self) -> Self:
        """Rows whose holder has done something lately."""
        return self.filter(active_at__gte=Now() - timedelta(seconds=IDLE_SECONDS))

    def unanswered(self) -> Self:
        """Asked for, and the holder has let the time pass, or is idle."""
        waited = Q(asked_at__lt=Now() - timedelta(seconds=ANSWER_SECONDS))
        idle = Q(active_at__lt=Now() - timedelta(seconds=IDLE_SECONDS))
        return self._asked().filter(waited | idle)

    def yielded(self) -> Self:
        """The holder's page has had its moment."""
        return self._asked().filter(yields_at__lt=Now())

    def waited_for(self, rows: Collection[int]) -> Self:
        """Those of these rows that somebody has asked for."""
        return self.filter(pk__in=rows, asked_by__isnull=False).order_by()

    def _asked(self) -> Self:
        # By the time, which is always past, and in no order: otherwise SQLite would
        # go through all rows, in the model's order, to find the few that were asked for.
        held = self.filter(holder__isnull=False, asked_by__isnull=False)
        return held.filter(asked_at__lte=Now()).order_by()

    # Taking and giving.

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

    def regain(self, pk: int, person_id: int, fence: int) -> bool:
        """Take up the lease again under the fence it had, for a page whose lease has
        ended, if nobody has taken it since."""
        free = Q(holder__isnull=True) | Q(holder=person_id, expires_at__lt=Now())
        rows = self.filter(free, pk=pk, fence=fence)
        times = {"held_at": Now(), "active_at": Now(), "expires_at": _expiry()}
        return bool(rows.update(holder=person_id, **times))

    def move(self, pk: int, person_id: int) -> bool:
        """Take one's own lease from wherever one holds it: another tab."""
        return self._grant(self.filter(pk=pk, holder=person_id), person_id)

    def seize(self, pk: int, person_id: int, fence: int, reason: str) -> bool:
        """Take somebody's lease at once, whatever they want, for ``reason``.

        Who may is not asked here. ``fence`` is the lease one has seen and means.
        """
        return self._grant(self.filter(pk=pk, fence=fence), person_id, seized_for=reason)

    def demand(self, pk: int, person_id: int, fence: int, reason: str) -> bool:
        """The same, after the moment in which the holder's page stores what is in it.
        It comes before whoever has asked."""
        held = self.held().filter(pk=pk, fence=fence).exclude(holder=person_id)
        asked = {"asked_by": person_id, "asked_at": Now(), "asked_for": reason}
        until = Now() + timedelta(seconds=FLUSH_SECONDS)
        return bool(held.update(**asked, yields_at=until))

    def _grant(self, rows: Self, person_id: Any, **also: Any) -> bool:
        granted = {
            **_UNASKED,
            "holder": person_id,
            "fence": F("fence") + 1,
            "held_at": Now(),
            "active_at": Now(),
            "expires_at": _expiry(),
            # Who goes on in another page, or tab, has still taken it for that.
            "seized_for": Case(When(holder=person_id, then=F("seized_for")), default=Value("")),
        }
        return bool(rows.update(**{**granted, **also}))

    def renew(self, claims: Collection[tuple[int, int]]) -> int:
        """Give the holders of these more time, in batches.

        Args:
            claims: pairs of row and fence. Where the fence has moved on, the row
                is left alone; a stale claim beside the present one does no harm.
        """
        renewed = 0
        for batch in batched(claims, RENEW_BATCH):
            rows = [pk for pk, _ in batch]  # found by their key, and then looked at
            still = self.filter(self._are(batch), pk__in=rows, holder__isnull=False)
            renewed += still.update(expires_at=_expiry())
        return renewed

    def _are(self, claims: Sequence[tuple[int, int]]) -> RawSQL:
        """Is the row, under its present fence, one of these? (Django would ask for each
        pair by itself, and takes ten times as long to say so.)"""
        quote = connections[self.db].ops.quote_name
        meta = self.model._meta  # noqa: SLF001  (public, says Django)
        table, key = meta.db_table, meta.pk.column
        columns = ", ".join(f"{quote(table)}.{quote(column)}" for column in (key, "fence"))
        pairs = ", ".join(["(%s, %s)"] * len(claims))
        values = tuple(number for claim in claims for number in claim)
        return RawSQL(f"({columns}) IN (VALUES {pairs})", values, models.BooleanField())  # noqa: S611

    def touch(self, pk: int, person_id: int, fence: int) -> bool:
        """The holder has written something: not idle, and alive.

        Returns:
            Whether this is the present lease.
        """
        held = self.held_under(pk, person_id, fence)
        return bool(held.update(active_at=Now(), expires_at=_expiry()))

    def release(self, pk: int, person_id: int, fence: int) -> bool:
        """Give the lease back, if it is still this one."""
        return bool(self.held_under(pk, person_id, fence).revoke())

    def revoke(self, **also: Any) -> int:
        """Free these rows from whoever has or wants them; their fences stand.

        Args:
            also: further columns, written by the same statement.

        Returns:
            How many rows there were.
        """
        return self.update(**_NOBODY, **_UNASKED, **also)

    def lapse(self) -> int:
        """Free these rows since their holders' pages are gone, which may yet come back
        (:meth:`not_given_back`); returns how many there were."""
        return self.update(**_LAPSED, **_UNASKED)

    def clear_expired(self) -> list[int]:
        """Free all expired leases; returns the rows that this call freed."""
        overdue = list(self.expired().values_list("pk", "fence"))
        return [pk for pk, fence in overdue if self.expired().filter(pk=pk, fence=fence).lapse()]

    # Asking and handing over.

    def ask(self, pk: int, person_id: int) -> bool:
        """Ask the holder for the lease. One at a time: who asks first waits."""
        held = self.held().filter(pk=pk, asked_by__isnull=True).exclude(holder=person_id)
        return bool(held.update(asked_by=person_id, asked_at=Now()))

    def keep(self, pk: int, person_id: int, fence: int) -> bool:
        """The holder says no; a handover that has begun is over, too. To a demand
        nobody says no."""
        held = self.held_under(pk, person_id, fence)
        asked = held.filter(asked_by__isnull=False, asked_for="")
        return bool(asked.update(**_UNASKED))

    def withdraw(self, pk: int, person_id: int) -> bool:
        """Who asked does not want it any more."""
        return bool(self.filter(pk=pk, asked_by=person_id).update(**_UNASKED))

    def unask(self) -> int:
        """Nobody waits for these rows any more; returns how many there were."""
        return self.update(**_UNASKED)

    def begin_yield(self) -> list[int]:
        """Tell the holders who did not answer that it is time; returns the rows.

        From now on they have :data:`~collab.timings.FLUSH_SECONDS` to store what
        is in their page.
        """
        due = list(self.unanswered().filter(yields_at=None).values_list("pk", "fence"))
        until = Now() + timedelta(seconds=FLUSH_SECONDS)
        return [
            pk
            for pk, fence in due
            if self.unanswered().filter(pk=pk, fence=fence, yields_at=None).update(yields_at=until)
        ]

    def hand_over(self, pk: int, fence: int) -> bool:
        """Move the lease from its holder to the person who has asked for it.

        Args:
            pk: the row.
            fence: the holder's; if it has moved on, this has no effect.
        """
        asked = self.filter(pk=pk, fence=fence, holder__isnull=False, asked_by__isnull=False)
        return self._grant(asked, F("asked_by"), active_at=None, seized_for=F("asked_for"))


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
    #: Counts the changes of what the row protects; who writes names the one they saw.
    version = models.PositiveIntegerField(_("version"), default=1, editable=False)
    held_at = models.DateTimeField(_("held since"), null=True, blank=True)
    expires_at = models.DateTimeField(_("held until"), null=True, blank=True, db_index=True)
    #: The holder's last keystroke that has reached the server; None after a
    #: handover, until the new holder begins.
    active_at = models.DateTimeField(null=True, blank=True, editable=False)
    #: Who waits for it, since when; and when the handover that has begun is done.
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="%(class)s_requests",
    )
    asked_at = models.DateTimeField(null=True, blank=True, editable=False, db_index=True)
    #: Why, if the holder is not free to keep it.
    asked_for = models.CharField(
        max_length=REASON_CHARACTERS, blank=True, db_default="", editable=False
    )
    yields_at = models.DateTimeField(null=True, blank=True, editable=False)
    #: Why it was taken from the holder before, if it was taken by force.
    seized_for = models.CharField(max_length=REASON_CHARACTERS, blank=True, editable=False)

    class Meta:
        abstract = True
