"""The administration of people and documents."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from .models import Activity, Document, Person
from .operations import people, trash

admin.site.site_header = "Collab"
admin.site.site_title = "Collab"
admin.site.index_title = _("Administration")


@admin.register(Person)
class PersonAdmin(UserAdmin):  # type: ignore[type-arg]
    list_display = ("username", "display_name", "email", "is_active", "is_staff", "last_login")
    list_filter = ("is_active", "is_staff", "language")
    search_fields = ("username", "display_name", "email")
    ordering = ("username",)
    fieldsets = (
        *(UserAdmin.fieldsets or ()),
        (_("Appearance"), {"fields": ("display_name", "colour", "language", "theme")}),
    )

    def save_model(self, request: HttpRequest, obj: Person, form: Any, change: bool) -> None:
        people.update(obj)  # so that open pages show the new name


@admin.register(Document)
class DocumentAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """For looking and clearing up; people write in the editor, under the pen."""

    list_display = (
        "title",
        "author",
        "changed_by",
        "changed_at",
        "version",
        "holder",
        "is_template",
        "trashed_at",
        "trashed_by",
    )
    list_filter = (
        ("trashed_at", admin.EmptyFieldListFilter),
        "is_template",
        "author",
        "changed_at",
    )
    list_select_related = ("author", "changed_by", "holder", "trashed_by")
    search_fields = ("title", "text")
    date_hierarchy = "changed_at"
    fields = (
        "title",
        "text",
        "cover",
        "author",
        "created_at",
        "changed_by",
        "changed_at",
        "version",
        "holder",
        "fence",
        "held_at",
        "expires_at",
        "is_template",
        "trashed_at",
        "trashed_by",
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return self.fields

    # With everything that belongs to it, as when the trash is emptied.

    def delete_model(self, request: HttpRequest, obj: Document) -> None:
        trash.erase(obj.pk)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Document]) -> None:
        for pk in queryset.values_list("pk", flat=True):
            trash.erase(pk)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(Activity)
class ActivityAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("at", "actor", "verb", "document", "words_added", "words_removed")
    list_filter = ("verb", "actor")
    list_select_related = ("actor", "document")
    date_hierarchy = "at"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
