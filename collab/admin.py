"""The administration of people and documents."""

from __future__ import annotations

from copy import copy
from functools import partial
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _

from .forms import OthersPasswordForm
from .models import Activity, Document, Person, SecurityEvent
from .models.person import STAND_IN
from .operations import erasure, people, trash
from .permissions import (
    followable,
    is_administrator,
    may_manage,
    readable_events,
    roles_to_give,
)

# Rights come with the role: groups would give none.
admin.site.unregister(Group)

#: Instead of the rows that keep something from being deleted.
IN_THE_WAY = _(
    "There is work that others may need. On the server, erase_person deletes the account "
    "and leaves that work without a name."
)
#: What Django's filters write into the address of a list behind the name of a column.
FILTERS = ("exact", "id__exact", "isnull", "isempty", "gte", "lt", "year", "month", "day")


class ForAdministrators(admin.ModelAdmin):  # type: ignore[type-arg]
    """By role, not by Django's permissions: administrators may look at it. What an
    administrator may not read (restricted documents, sessions) cannot be asked for by
    the way, either."""

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Only what the list itself offers. Django would follow every relation of the
        model, and how many rows are found tells what stands at its end."""
        named = (one[0] if isinstance(one, tuple) else one for one in self.list_filter)
        offered = (name for name in (*named, self.date_hierarchy) if name)
        return any(lookup in {f"{name}__{how}" for how in FILTERS} for name in offered)

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """What was chosen, and no more: what goes with it, or stands in the way, may be
        of documents that the administrator may not read."""
        _rows, _counts, refused, protected = super().get_deleted_objects(objs, request)
        chosen = [str(one) for one in objs]
        own = refused & {self.opts.verbose_name}
        in_the_way = [str(IN_THE_WAY)] if protected or refused - own else []
        return chosen, {str(self.opts.verbose_name_plural): len(chosen)}, own, in_the_way

    def has_module_permission(self, request: HttpRequest) -> bool:
        return is_administrator(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_administrator(request.user)


@admin.register(Person)
class PersonAdmin(ForAdministrators, UserAdmin):  # type: ignore[type-arg]
    """Administrators manage members and guests; only owners make administrators. What is
    changed here is changed by the same operations as in the people's pages."""

    list_display = ("username", "display_name", "email", "role", "is_active", "last_login")
    list_filter = ("is_active", "role", "language")
    search_fields = ("username", "display_name", "email")
    ordering = ("username",)
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        (_("Person"), {"fields": ("display_name", "email", "colour", "language", "theme")}),
        (_("Rights"), {"fields": ("role", "is_active")}),
        (_("Dates"), {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        *UserAdmin.add_fieldsets,
        (None, {"fields": ("role",)}),
    )
    filter_horizontal = ()
    readonly_fields = ("last_login", "date_joined")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Person]:
        """All but who stands for those who were erased: nobody may become them."""
        found: QuerySet[Person] = super().get_queryset(request)
        return found.exclude(username=STAND_IN)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Nobody shuts themselves out, here as elsewhere."""
        own = ("role", "is_active") if obj is not None and obj == request.user else ()
        return (*self.readonly_fields, *own)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return is_administrator(request.user)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_manage(request.user, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_manage(request.user, obj) and obj != request.user

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "role":
            given = roles_to_give(request.user)
            kwargs["choices"] = [(role.value, role.label) for role in given]
        return super().formfield_for_choice_field(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Person, form: Any, change: bool) -> None:
        actor = int(request.user.pk or 0)
        if not change:
            people.add(obj, actor=actor)
            return
        given = set(form.changed_data)
        if fields := sorted(given - {"role", "is_active"}):
            people.update(obj, fields, actor=actor)  # so that open pages show the new name
        if "role" in given:
            people.set_role(obj.pk, Person.Role(obj.role), actor=actor)
        if "is_active" in given:
            people.set_active(obj.pk, is_active=obj.is_active, actor=actor)

    def user_change_password(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Somebody else's; of one's own the old one is asked for."""
        if self.get_object(request, unquote(kwargs["id"])) == request.user:
            return redirect("password_change")
        # For this request only: Django makes the form without saying who asks.
        asked = copy(self)
        asked.change_password_form = partial(OthersPasswordForm, actor=int(request.user.pk or 0))
        answer: HttpResponse = super(PersonAdmin, asked).user_change_password(
            request, *args, **kwargs
        )
        return answer

    # With all that is personal, as by the command; Django has asked before whether
    # something stands in the way.

    def delete_model(self, request: HttpRequest, obj: Person) -> None:
        erasure.erase(obj.pk, actor=request.user.pk)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Person]) -> None:
        for pk in queryset.values_list("pk", flat=True):
            erasure.erase(pk, actor=request.user.pk)


@admin.register(SecurityEvent)
class SecurityEventAdmin(ForAdministrators):
    """The audit log: to read, as far as it is for them."""

    list_display = ("at", "kind", "actor", "person", "address", "detail")
    list_filter = ("kind", "at")
    list_select_related = ("actor", "person")
    search_fields = ("actor__username", "person__username", "address", "detail")
    date_hierarchy = "at"

    def get_queryset(self, request: HttpRequest) -> QuerySet[SecurityEvent]:
        return readable_events(request.user)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Document)
class DocumentAdmin(ForAdministrators):
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
    list_select_related = ("heading", "author", "changed_by", "holder", "trashed_by")
    search_fields = ("heading__title", "text")
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

    def view_on_site(self, document: Document) -> str:
        return document.get_absolute_url()

    @admin.display(description=_("title"), ordering="heading__title")
    def title(self, document: Document) -> str:
        return document.title

    @admin.display(description=_("cover"))
    def cover(self, document: Document) -> str:
        return document.cover

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return self.fields

    def get_queryset(self, request: HttpRequest) -> Any:
        return followable(request.user)

    # With everything that belongs to it, as when the trash is emptied.

    def delete_model(self, request: HttpRequest, obj: Document) -> None:
        trash.erase(obj.pk)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Document]) -> None:
        for pk in queryset.values_list("pk", flat=True):
            trash.erase(pk)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(Activity)
class ActivityAdmin(ForAdministrators):
    list_display = ("at", "actor", "verb", "document", "words_added", "words_removed")
    list_filter = ("verb", "actor")
    list_select_related = ("actor", "document__heading")
    date_hierarchy = "at"

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).filter(document__in=followable(request.user))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
