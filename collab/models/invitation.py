"""Invitations: a secret address at which somebody makes their account, once."""

from __future__ import annotations

from typing import Self

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from .person import Person
from .secret import Secret, SecretQuerySet


class InvitationQuerySet(SecretQuerySet):
    """An invitation ends with its use, too."""

    def open(self) -> Self:
        """Those that can be used."""
        return self.valid().filter(used_by__isnull=True)


class Invitation(Secret):
    """One account with a role, for whoever has the secret first."""

    role = models.CharField(_("role"), max_length=10, choices=Person.Role)
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
