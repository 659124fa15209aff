"""People: who signs in, and how they appear to the others."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

#: The username of who stands where erased people stood (see ``operations.erasure``). It
#: is nobody's to choose, in whatever case, and no account that one could sign in to.
STAND_IN = "former.member"
#: What a name and a face are made of. Where many people appear, only this is loaded.
FACE = ("username", "first_name", "last_name", "display_name", "colour")


class Person(AbstractUser):
    """Somebody who works here."""

    class Colour(models.TextChoices):
        """Colours of a face; every one has contrast 4.5:1 with white initials."""

        VIOLET = "violet", _("Violet")
        ORANGE = "orange", _("Orange")
        TEAL = "teal", _("Teal")
        BLUE = "blue", _("Blue")
        PINK = "pink", _("Pink")
        GREEN = "green", _("Green")
        BROWN = "brown", _("Brown")
        SLATE = "slate", _("Slate")

    class Theme(models.TextChoices):
        SYSTEM = "system", _("As the system")
        LIGHT = "light", _("Light")
        DARK = "dark", _("Dark")

    class Role(models.TextChoices):
        """What a person may do in the workspace; see ``collab/permissions.py``."""

        OWNER = "owner", _("Owner")
        ADMIN = "admin", _("Administrator")
        MEMBER = "member", _("Member")
        GUEST = "guest", _("Guest")

    role = models.CharField(
        _("role"), max_length=10, choices=Role, default=Role.MEMBER, db_index=True
    )
    display_name = models.CharField(_("display name"), max_length=60, blank=True)
    colour = models.CharField(_("colour"), max_length=10, choices=Colour, blank=True)
    language = models.CharField(
        _("language"), max_length=10, choices=settings.LANGUAGES, default="en"
    )
    theme = models.CharField(_("appearance"), max_length=10, choices=Theme, default=Theme.SYSTEM)

    class Meta(AbstractUser.Meta):
        verbose_name = _("person")  # type: ignore[assignment]
        verbose_name_plural = _("people")  # type: ignore[assignment]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """How the others see this person."""
        given = self.display_name or self.get_full_name()
        if not given and self.username == STAND_IN:
            return gettext("Former member")
        return given or self.username.capitalize()

    @property
    def initials(self) -> str:
        """One or two letters for a face."""
        return initials_of(self.name)

    @property
    def is_owner(self) -> bool:
        return self.role == self.Role.OWNER

    @property
    def is_administrator(self) -> bool:
        return self.role in {self.Role.OWNER, self.Role.ADMIN}

    @property
    def is_guest(self) -> bool:
        return self.role == self.Role.GUEST

    def clean(self) -> None:
        super().clean()
        if self._is_named_as_stand_in():
            raise _taken()

    def _is_named_as_stand_in(self) -> bool:
        return self.username.casefold() == STAND_IN

    def save(self, *args: object, **kwargs: object) -> None:
        if self._is_named_as_stand_in() and (self.is_active or self.has_usable_password()):
            raise _taken()  # whoever has left out the form
        if self._state.adding and (self.is_staff or self.is_superuser):
            # As ``createsuperuser`` asks for it.
            self.role = self.Role.OWNER if self.is_superuser else self.Role.ADMIN
        # Django's own flags follow the role: they open the administration.
        self.is_superuser = self.is_owner
        self.is_staff = self.is_administrator
        if not self.colour:
            # Spread over the palette, and stable for the name.
            palette = self.Colour.values
            self.colour = palette[sum(self.username.encode()) % len(palette)]
        super().save(*args, **kwargs)  # type: ignore[arg-type]


def initials_of(name: str) -> str:
    """The first letters of a name's first and last word."""
    words = name.split()
    return "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper()


def _taken() -> ValidationError:
    messages = Person._meta.get_field("username").error_messages  # noqa: SLF001  (public, says Django)
    return ValidationError({"username": messages["unique"]})
