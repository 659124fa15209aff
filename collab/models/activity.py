"""Activity: who did what, one row per event. Toasts are read from here."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from .document import Document


class Activity(models.Model):
    """One event. Ids become visible in their order (see ``operations.activity``)."""

    class Verb(models.TextChoices):
        CREATED = "created", pgettext_lazy("activity", "created")
        OPENED = "opened", pgettext_lazy("activity", "opened")
        EDITING = "editing", pgettext_lazy("activity", "is editing")
        SAVED = "saved", pgettext_lazy("activity", "saved")
        RENAMED = "renamed", pgettext_lazy("activity", "changed the title")
        COVERED = "covered", pgettext_lazy("activity", "changed the cover")
        TRASHED = "trashed", pgettext_lazy("activity", "moved to the trash")
        RESTORED = "restored", pgettext_lazy("activity", "restored")

    document = models.ForeignKey(
        Document,
        on_delete=models.CASCADE,
        related_name="activities",
        verbose_name=_("document"),
    )
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="activities",
        verbose_name=_("actor"),
    )
    verb = models.CharField(_("verb"), max_length=10, choices=Verb)
    #: The version that came of it, where one did.
    version = models.PositiveIntegerField(_("version"), null=True, blank=True)
    words_added = models.PositiveIntegerField(_("words added"), default=0)
    words_removed = models.PositiveIntegerField(_("words removed"), default=0)
    at = models.DateTimeField(_("at"), db_default=Now(), db_index=True)

    class Meta:
        verbose_name = _("activity")
        verbose_name_plural = _("activities")
        ordering = ("-pk",)
        indexes = (models.Index(fields=["document", "actor", "-at"]),)

    def __str__(self) -> str:
        return f"{self.actor} {self.verb} {self.document}"
