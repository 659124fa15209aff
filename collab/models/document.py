"""Documents: a text in Markdown under the pen, and a heading (title, perhaps a
cover) under a lease of its own, so that one person renames while another writes.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

from ..timings import TITLE_CHARACTERS, TRASH_DAYS
from .lease import Lease, LeaseQuerySet
from .sizes import Bytes, size_of

EXCERPT_CHARACTERS = 160
_PRESENT = models.Q(trashed_at__isnull=True)
_TRASHED = models.Q(trashed_at__isnull=False)


class DocumentQuerySet(LeaseQuerySet):
    """Documents lie in the trash for a while before they are deleted for good."""

    def present(self) -> Self:
        """Those that are not in the trash."""
        return self.filter(_PRESENT)

    def for_everybody(self) -> Self:
        """Those that the whole workspace may know of."""
        return self.filter(access=Document.Access.WORKSPACE)

    def trashed(self) -> Self:
        """Those that are, and can be brought back."""
        return self.filter(_TRASHED)

    def overdue(self) -> Self:
        """Those that the trash has kept for its whole time."""
        return self.filter(trashed_at__lt=Now() - timedelta(days=TRASH_DAYS))


_Manager = models.Manager.from_queryset(DocumentQuerySet)


class DocumentManager(_Manager["Document"]):
    """A document is hardly ever wanted without its title."""

    def get_queryset(self) -> DocumentQuerySet:
        found: DocumentQuerySet = super().get_queryset().select_related("heading")  # type: ignore[assignment]
        return found


class Document(Lease):
    """One document. ``version`` counts everything that changes its content: saves, and
    changes of its heading. Each of them is a revision."""

    class Access(models.TextChoices):
        """Who may read it, besides its author and the workspace's owners."""

        WORKSPACE = "workspace", _("Everybody in the workspace")
        NAMED = "named", _("Only named people")

    access = models.CharField(_("access"), max_length=10, choices=Access, default=Access.WORKSPACE)
    text = models.TextField(_("text"), blank=True)
    #: Of the text, in bytes.
    size = size_of(Bytes("text"))
    excerpt = models.CharField(max_length=EXCERPT_CHARACTERS, blank=True, editable=False)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="documents",
        verbose_name=_("author"),
        db_index=False,  # one with the size is below
    )
    created_at = models.DateTimeField(_("created"), db_default=Now())
    changed_at = models.DateTimeField(_("changed"), db_default=Now())
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("changed by"),
    )

    trashed_at = models.DateTimeField(_("in the trash since"), null=True, blank=True)
    trashed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("moved to the trash by"),
    )
    #: New documents may start from its content.
    is_template = models.BooleanField(_("template"), default=False)

    #: Made with each document, see ``operations.documents.create``.
    heading: Heading

    objects = DocumentManager()

    class Meta:
        verbose_name = _("document")
        verbose_name_plural = _("documents")
        ordering = ("-changed_at", "-pk")
        # Partial ones. With an index over all of trashed_at, SQLite would read every
        # document that is present, and sort them, to list fifty.
        indexes = (
            models.Index(
                fields=["-changed_at", "-id"], condition=_PRESENT, name="document_by_change"
            ),
            models.Index(
                fields=["-created_at", "-id"], condition=_PRESENT, name="document_by_creation"
            ),
            models.Index(fields=["trashed_at"], condition=_TRASHED, name="document_in_trash"),
            # How many one may read, counted without reading a row: those have texts.
            # (SQLite does so only if it finds the condition's own column there, too.)
            models.Index(
                fields=["access", "author", "trashed_at"],
                condition=_PRESENT,
                name="document_by_access",
            ),
            # What a person has written, counted and summed without reading a text.
            models.Index(fields=["author", "size"], name="document_by_author_size"),
        )

    def __str__(self) -> str:
        return self.title

    @property
    def title(self) -> str:
        return self.heading.title

    @property
    def cover(self) -> str:
        return self.heading.cover

    @property
    def slug(self) -> str:
        """Decoration in the address; the number alone finds the document."""
        return slugify(self.title, allow_unicode=True)[:60].strip("-") or "document"

    @property
    def days_left(self) -> int:
        """Whole days until the trash lets go of it; 0 on the last."""
        if self.trashed_at is None:
            return TRASH_DAYS
        left = self.trashed_at + timedelta(days=TRASH_DAYS) - timezone.now()
        return max(0, left // timedelta(days=1))

    def get_absolute_url(self) -> str:
        return reverse("document", args=[self.pk, self.slug])


class Heading(Lease):
    """A document's title and cover. ``version`` counts their changes alone."""

    document = models.OneToOneField(
        Document,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="heading",
        verbose_name=_("document"),
    )
    title = models.CharField(_("title"), max_length=TITLE_CHARACTERS)
    #: A stored file's name, or "".
    cover = models.CharField(_("cover"), max_length=60, blank=True)

    objects = LeaseQuerySet.as_manager()

    class Meta:
        verbose_name = _("heading")
        verbose_name_plural = _("headings")

    def __str__(self) -> str:
        return self.title
