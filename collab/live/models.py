"""Exact presence: which server processes live, and which pages they hold.

The rows are the truth, and the database's clock is the only clock. A process
proves its life with one heartbeat for all its sockets; when that is overdue,
its connections vanish together. A page that leaves keeps its row for a grace
period, so a reload or a short cut never flickers.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from .conf import conf

if TYPE_CHECKING:
    from django.db.models.expressions import Combinable


def ago(seconds: float) -> Combinable:
    """The database's time, ``seconds`` before now, as a query expression."""
    return Now() - timedelta(seconds=seconds)


class NodeQuerySet(models.QuerySet["Node"]):
    def live(self) -> NodeQuerySet:
        """Processes whose heartbeat is not overdue."""
        return self.filter(seen_at__gte=ago(conf().node_timeout_seconds))

    def overdue(self) -> NodeQuerySet:
        """Processes that stopped proving their life: the opposite of ``live``."""
        return self.filter(seen_at__lt=ago(conf().node_timeout_seconds))


class Node(models.Model):
    """One server process, from its start to its end."""

    #: Its own; the beginning says where its number is one (see :mod:`.presence`).
    boot = models.CharField(max_length=32, unique=True)
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    started_at = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField(db_default=Now(), db_index=True)
    #: What it has done, see :mod:`.metrics`.
    stats = models.JSONField(default=dict, blank=True)

    objects = NodeQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"


class ConnectionQuerySet(models.QuerySet["Connection"]):
    def live(self) -> ConnectionQuerySet:
        """Pages that count as here: their process lives, and they have not
        left, or only within the grace period."""
        return self.filter(
            Q(left_at=None) | Q(left_at__gte=ago(conf().leave_grace_seconds)),
            node__seen_at__gte=ago(conf().node_timeout_seconds),
        )

    def gone(self) -> ConnectionQuerySet:
        """Pages whose grace period is over."""
        return self.filter(left_at__lt=ago(conf().leave_grace_seconds))

    def on(self, *subjects: str) -> ConnectionQuerySet:
        """Pages that show one of ``subjects``."""
        return self.filter(subject__in=subjects)


class Connection(models.Model):
    """One page that somebody has open, wherever its socket is."""

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="connections")
    page = models.CharField(max_length=32, unique=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="connections"
    )
    #: What the page shows, as an opaque key of the product ("document:7").
    subject = models.CharField(max_length=100, blank=True, db_index=True)
    #: What the person does there, in the product's words ("reading").
    mode = models.CharField(max_length=20, blank=True)
    #: A right the page holds, in the product's words (the fence of a lease).
    claim = models.CharField(max_length=40, blank=True)
    #: Which socket of this process wrote the row: a late goodbye of an earlier
    #: socket must not end a page that has already come back.
    serial = models.BigIntegerField(default=0)
    joined_at = models.DateTimeField(db_default=Now())
    left_at = models.DateTimeField(null=True, blank=True, db_index=True)

    objects = ConnectionQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.user_id} {self.mode} {self.subject}".strip()
