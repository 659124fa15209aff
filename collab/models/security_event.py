"""The audit log: what happened to accounts and rights. Nothing changes it later."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class SecurityEvent(models.Model):
    """One event."""

    class Kind(models.TextChoices):
        SIGNED_IN = "signed_in", pgettext_lazy("event", "signed in")
        REFUSED = "refused", pgettext_lazy("event", "sign-in refused")
        SIGNED_OUT = "signed_out", pgettext_lazy("event", "signed out")
        ENDED = "ended", pgettext_lazy("event", "signed out everywhere")
        PASSWORD = "password", pgettext_lazy("event", "password changed")
        ADDED = "added", pgettext_lazy("event", "account made")
        ACCOUNT = "account", pgettext_lazy("event", "username or email changed")
        INVITED = "invited", pgettext_lazy("event", "invitation made or taken back")
        JOINED = "joined", pgettext_lazy("event", "invitation used")
        ROLE = "role", pgettext_lazy("event", "role changed")
        ACTIVE = "active", pgettext_lazy("event", "account switched on or off")
        ACCESS = "access", pgettext_lazy("event", "access changed")
        LINK = "link", pgettext_lazy("event", "link made or taken back")

    kind = models.CharField(_("what"), max_length=20, choices=Kind)
    at = models.DateTimeField(_("at"), db_default=Now(), db_index=True)
    #: Who did it, and whose account or right it is about.
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        verbose_name=_("actor"),
    )
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        verbose_name=_("person"),
    )
    address = models.GenericIPAddressField(_("address"), null=True)
    #: What else there is to know; no secrets, and no content.
    detail = models.CharField(_("detail"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("security event")
        verbose_name_plural = _("security events")
        ordering = ("-pk",)

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.get_kind_display()}"
