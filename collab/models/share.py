"""Shares: who else a document is for, by name or by a link."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from .document import Document
from .secret import Secret, SecretQuerySet


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


class Link(Secret):
    """A secret address where anybody may read a document. One that is taken back is
    deleted."""

    document = models.ForeignKey(
        Document, on_delete=models.CASCADE, related_name="links", verbose_name=_("document")
    )

    objects = SecretQuerySet.as_manager()

    class Meta:
        verbose_name = _("link")
        verbose_name_plural = _("links")
        ordering = ("expires_at", "pk")

    def __str__(self) -> str:
        return f"{self.document} {self.pk}"
