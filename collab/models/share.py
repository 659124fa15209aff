"""Shares: who else a document is for, by name or by a link."""

from __future__ import annotations

import hashlib
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from .document import Document


class Share(models.Model):
    """One person to whom a document is given by name."""

    document = models.ForeignKey(
        Document, on_delete=models.CASCADE, related_name="shares", verbose_name=_("document")
    )
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="shares",
        verbose_name=_("person"),
    )
    may_edit = models.BooleanField(_("may edit"), default=False)

    class Meta:
        verbose_name = _("share")
        verbose_name_plural = _("shares")
        constraints = (
            models.UniqueConstraint(fields=["person", "document"], name="one_share_each"),
        )

    def __str__(self) -> str:
        return f"{self.document} → {self.person}"


class LinkQuerySet(models.QuerySet["Link"]):
    """Links by which anybody may read."""

    def valid(self) -> Self:
        """Those that have not ended. A link that is taken back is deleted."""
        return self.filter(expires_at__gt=Now())

    def of(self, token: str) -> Self:
        """The link with this secret."""
        return self.filter(digest=digest_of(token))


class Link(models.Model):
    """A secret address where anybody may read a document, for a time.

    Only a digest of the secret is stored: who reads the database opens nothing.
    """

    document = models.ForeignKey(
        Document, on_delete=models.CASCADE, related_name="links", verbose_name=_("document")
    )
    digest = models.CharField(max_length=64, unique=True, editable=False)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="+",
        verbose_name=_("made by"),
    )
    made_at = models.DateTimeField(_("made at"), db_default=Now())
    expires_at = models.DateTimeField(_("ends"))

    objects = LinkQuerySet.as_manager()

    class Meta:
        verbose_name = _("link")
        verbose_name_plural = _("links")
        ordering = ("expires_at", "pk")

    def __str__(self) -> str:
        return f"{self.document} {self.pk}"


def digest_of(token: str) -> str:
    """What is stored of a link's secret. It has 256 random bits, so a plain hash
    cannot be turned back by trying."""
    return hashlib.sha256(token.encode()).hexdigest()
