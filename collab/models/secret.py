"""Secret addresses: whoever has one may do one thing, for a time."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class SecretQuerySet(models.QuerySet["Any"]):
    """Making secrets, and finding them again by what somebody shows."""

    def valid(self) -> Self:
        """Those that have not ended."""
        return self.filter(expires_at__gt=Now())

    def of(self, token: str) -> Self:
        """The row of this secret."""
        return self.filter(digest=_digest_of(token))

    def make(self, days: int, **fields: Any) -> str:
        """Store a new row.

        Args:
            days: how long its secret is good for.
            fields: the row's other columns.

        Returns:
            The secret. It is not stored, and cannot be shown again.
        """
        token = secrets.token_urlsafe(32)
        expires_at = Now() + timedelta(days=days)
        self.create(digest=_digest_of(token), expires_at=expires_at, **fields)
        return token


class Secret(models.Model):
    """A row that is found by a secret of which only a digest is stored: who reads the
    database opens nothing."""

    digest = models.CharField(max_length=64, unique=True, editable=False)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="+",
        verbose_name=_("made by"),
    )
    made_at = models.DateTimeField(_("made at"), db_default=Now())
    expires_at = models.DateTimeField(_("ends"))

    class Meta:
        abstract = True


def _digest_of(token: str) -> str:
    # The secret has 256 random bits, so a plain hash cannot be turned back by trying.
    return hashlib.sha256(token.encode()).hexdigest()
