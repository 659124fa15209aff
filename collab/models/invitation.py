"""Invitations: a secret address at which somebody makes their account, once."""

from __future__ import annotations

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from .person import Person
from .share import digest_of


class InvitationQuerySet(models.QuerySet["Invitation"]):
    """Those that can be used, and the one that somebody has."""

    def open(self) -> Self:
        return self.filter(used_by__isnull=True, expires_at__gt=Now())

    def of(self, token: str) -> Self:
        """The invitation with this secret."""
        return self.filter(digest=digest_of(token))


class Invitation(models.Model):
    """One account with a role, for whoever has the secret first."""

    digest = models.CharField(max_length=64, unique=True, editable=False)
    role = models.CharField(_("role"), max_length=10, choices=Person.Role)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="invitations",
        verbose_name=_("made by"),
    )
    made_at = models.DateTimeField(_("made at"), db_default=Now())
    expires_at = models.DateTimeField(_("ends"))
    used_by = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        null=True,
        related_name="+",
        verbose_name=_("used by"),
    )

    objects = InvitationQuerySet.as_manager()

    class Meta:
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")
        ordering = ("-made_at", "-pk")

    def __str__(self) -> str:
        return f"{self.get_role_display()} {self.pk}"
