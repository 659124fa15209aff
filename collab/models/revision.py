"""Revisions: every version a document ever had.

A text is not stored whole each time. A *key* revision is compressed by itself;
the ones after it hold only what differs from it, so any revision is read with
two rows, however long the history (see ``collab/packing.py``).
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from ..timings import REVISION_NAME_CHARACTERS, TITLE_CHARACTERS
from .document import Document
from .sizes import Bytes, size_of


class Revision(models.Model):
    """One save."""

    document = models.ForeignKey(
        Document, on_delete=models.CASCADE, related_name="revisions", verbose_name=_("document")
    )
    version = models.PositiveIntegerField(_("version"))
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("author"),
        db_index=False,  # one with the size is below
    )
    at = models.DateTimeField(_("at"), db_default=Now())
    title = models.CharField(_("title"), max_length=TITLE_CHARACTERS)
    cover = models.CharField(_("cover"), max_length=60, blank=True)
    words_added = models.PositiveIntegerField(_("words added"), default=0)
    words_removed = models.PositiveIntegerField(_("words removed"), default=0)
    name = models.CharField(_("name"), max_length=REVISION_NAME_CHARACTERS, blank=True)
    #: The version of the key revision this one is packed against; None for a key.
    key_version = models.PositiveIntegerField(null=True, editable=False)
    packed = models.BinaryField(editable=False)
    #: Of the picture that came with this version, if one did; its file is kept as long.
    cover_bytes = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    #: What this version takes, in bytes.
    size = size_of(Bytes("packed") + models.F("cover_bytes"))

    class Meta:
        verbose_name = _("revision")
        verbose_name_plural = _("revisions")
        ordering = ("-version",)
        constraints = (
            models.UniqueConstraint(fields=["document", "version"], name="one_revision_each"),
        )
        indexes = (models.Index(fields=["author", "size"], name="revision_by_author_size"),)

    def __str__(self) -> str:
        return f"{self.document} {self.version}"
