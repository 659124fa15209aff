"""Reading: which version of a document a person has seen last."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from .document import Document


class Reading(models.Model):
    """A person's bookmark in the life of a document."""

    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="readings"
    )
    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="readings")
    version = models.PositiveIntegerField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["person", "document"], name="one_reading_each"),
        )

    def __str__(self) -> str:
        return f"{self.person} read version {self.version} of {self.document}"
