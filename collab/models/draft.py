"""Drafts: what somebody has typed and not (yet) saved.

One row per stay at the editor, named by the fence under which it began. A save
settles it; whatever else ends the stay leaves it as that person's unsaved text.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from .document import Document
from .sizes import Bytes, size_of

#: A page of the editor, as it names itself: 128 random bits in hexadecimal.
PAGE_CHARACTERS = 32


class Draft(models.Model):
    """The newest text of one stay at the editor."""

    document = models.ForeignKey(
        Document, on_delete=models.CASCADE, related_name="drafts", verbose_name=_("document")
    )
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="drafts",
        verbose_name=_("person"),
        db_index=False,  # one with the size is below
    )
    fence = models.PositiveBigIntegerField(_("fence"))
    #: Milliseconds on the browser's clock, strictly rising within a stay.
    sequence = models.PositiveBigIntegerField()
    base_version = models.PositiveIntegerField()
    text = models.TextField(_("text"), blank=True)
    #: Of the text, in bytes.
    size = size_of(Bytes("text"))
    saved_at = models.DateTimeField(db_default=Now())
    #: Who got the pen from this person, and may go on from this text.
    offered_to = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    #: The page that made this stay's last save, and the version that became of it.
    saved_by = models.CharField(
        max_length=PAGE_CHARACTERS, blank=True, db_default="", editable=False
    )
    saved_version = models.PositiveIntegerField(db_default=0, editable=False)
    #: Its text has been published. The row stays for a while and keeps the
    #: sequence, so that a request that was overtaken cannot bring it back.
    is_settled = models.BooleanField(default=False)

    class Meta:
        verbose_name = _("draft")
        verbose_name_plural = _("drafts")
        ordering = ("-saved_at", "-pk")
        constraints = (
            models.UniqueConstraint(
                fields=["document", "person", "fence"], name="one_draft_a_stay"
            ),
        )
        indexes = (models.Index(fields=["person", "size"], name="draft_by_person_size"),)

    def __str__(self) -> str:
        return f"{self.document} {self.fence}"
