"""Activity: who did what, one row per event. Toasts are read from here."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from .document import Document


class Activity(models.Model):
    """One event. Ids become visible in their order (see ``operations.activity``)."""

    class Verb(models.TextChoices):
        CREATED = "created", _("created")
        OPENED = "opened", _("opened")
        EDITING = "editing", _("is editing")
        SAVED = "saved", _("saved")

    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="activities")
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="activities"
    )
    verb = models.CharField(max_length=10, choices=Verb)
    words_added = models.PositiveIntegerField(default=0)
    words_removed = models.PositiveIntegerField(default=0)
    at = models.DateTimeField(db_default=Now(), db_index=True)

    class Meta:
        verbose_name = _("activity")
        verbose_name_plural = _("activities")
        ordering = ("-pk",)
        indexes = (models.Index(fields=["document", "actor", "-at"]),)

    def __str__(self) -> str:
        return f"{self.actor} {self.verb} {self.document}"
