"""Documents: a title, a text in Markdown, perhaps a cover; and the pen."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.urls import reverse
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

from ..timings import TITLE_CHARACTERS
from .lease import Lease, LeaseQuerySet

EXCERPT_CHARACTERS = 160


class Document(Lease):
    """One document. ``version`` counts its saves; a save names the one it saw."""

    title = models.CharField(_("title"), max_length=TITLE_CHARACTERS)
    text = models.TextField(_("text"), blank=True)
    excerpt = models.CharField(max_length=EXCERPT_CHARACTERS, blank=True, editable=False)
    cover = models.CharField(_("cover"), max_length=60, blank=True)
    version = models.PositiveIntegerField(_("version"), default=1, editable=False)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="documents",
        verbose_name=_("author"),
    )
    created_at = models.DateTimeField(_("created"), db_default=Now(), db_index=True)
    changed_at = models.DateTimeField(_("changed"), db_default=Now(), db_index=True)
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("changed by"),
    )

    objects = LeaseQuerySet.as_manager()

    class Meta:
        verbose_name = _("document")
        verbose_name_plural = _("documents")
        ordering = ("-changed_at", "-pk")

    def __str__(self) -> str:
        return self.title

    @property
    def slug(self) -> str:
        """Decoration in the address; the number alone finds the document."""
        return slugify(self.title, allow_unicode=True)[:60].strip("-") or "document"

    def get_absolute_url(self) -> str:
        return reverse("document", args=[self.pk, self.slug])
