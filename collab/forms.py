"""Input from people, checked: every refusal is a sentence beside the field."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.contrib.auth import authenticate
from django.contrib.auth.forms import (
    AdminPasswordChangeForm,
    BaseUserCreationForm,
    PasswordChangeForm,
    SetPasswordForm,
)
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from . import covers
from .errors import BadImage, TooLong
from .models import Document, Draft, Person
from .models.draft import PAGE_CHARACTERS
from .operations import people
from .operations.documents import Content
from .queries import VERSIONS
from .text import check_size, normalise
from .timings import REVISION_NAME_CHARACTERS, TITLE_CHARACTERS


class TextForm(forms.Form):
    """A document's text."""

    text = forms.CharField(
        label=_("Text"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 20, "spellcheck": "true"}),
    )

    def clean_text(self) -> str:
        try:
            return check_size(normalise(self.cleaned_data["text"]))
        except TooLong as error:
            raise ValidationError(str(error)) from error


class HeadingForm(forms.Form):
    """A document's title and cover."""

    title = forms.CharField(label=_("Title"), max_length=TITLE_CHARACTERS)
    cover = forms.FileField(
        label=_("Cover image"),
        required=False,
        widget=forms.FileInput(attrs={"accept": "image/jpeg,image/png,image/webp,image/gif"}),
    )
    remove_cover = forms.BooleanField(label=_("Remove the cover"), required=False)

    def store(self, cover: str = "") -> str | None:
        """Store a new cover.

        Args:
            cover: the stored cover the document has so far.

        Returns:
            The cover it has from now on; None when the form is refused.
        """
        if not self.is_valid():
            return None
        if self.cleaned_data["cover"]:
            try:
                return covers.store(self.cleaned_data["cover"])
            except BadImage as error:
                self.add_error("cover", str(error))
                return None
        return "" if self.cleaned_data["remove_cover"] else cover


class DocumentForm(HeadingForm, TextForm):
    """A new document."""

    field_order = ("title", "text", "cover", "remove_cover")

    def content(self, cover: str = "") -> Content | None:
        """The checked content, with its cover stored; None when it is refused."""
        stored = self.store(cover)
        if stored is None:
            return None
        return Content(self.cleaned_data["title"], self.cleaned_data["text"], stored)


class TitleForm(forms.Form):
    """The title, as the editor shows it beside the text."""

    title = forms.CharField(label=_("Title"), max_length=TITLE_CHARACTERS)
    #: The version of the heading that the page has seen.
    heading = forms.IntegerField(min_value=1, max_value=2**31 - 1)


class LeasedForm(forms.Form):
    """What a page knew of what it changes when it was opened."""

    version = forms.IntegerField(min_value=0, max_value=2**31 - 1, widget=forms.HiddenInput)
    fence = forms.IntegerField(min_value=0, max_value=2**63 - 1, widget=forms.HiddenInput)


class RenameForm(HeadingForm, LeasedForm):
    """Another title or cover."""

    #: The editor's fence, if the person has come from there, and goes back.
    pen = forms.IntegerField(
        min_value=1, max_value=2**63 - 1, required=False, widget=forms.HiddenInput
    )
    #: A cover that was uploaded with a change that came too late: it is not lost, but
    #: set aside for the person who sent it (see :mod:`.covers`).
    kept_cover = forms.CharField(required=False, max_length=60, widget=forms.HiddenInput)

    def store(self, cover: str = "", keeper: int = 0) -> str | None:
        """Store a new cover, or take back what was set aside for ``keeper``."""
        stored = super().store(cover)
        if stored is None or self.cleaned_data["cover"] or self.cleaned_data["remove_cover"]:
            return stored
        kept: str = self.cleaned_data["kept_cover"]
        return kept if covers.take_back(kept, keeper) else cover


class EditForm(TextForm, LeasedForm):
    """A changed text."""

    #: Set by the browser at each change; empty without JavaScript.
    sequence = forms.IntegerField(
        min_value=0, max_value=2**53, required=False, widget=forms.HiddenInput
    )
    #: Which page of the editor this is, in its own words.
    page = forms.CharField(required=False, max_length=PAGE_CHARACTERS, widget=forms.HiddenInput)

    @classmethod
    def of(cls, document: Document, fence: int, draft: Draft | None) -> EditForm:
        """The form as an editor opens it: with what was typed in it before."""
        return cls(
            initial={
                "text": draft.text if draft else document.text,
                "version": draft.base_version if draft else document.version,
                "sequence": draft.sequence if draft else 0,
                "fence": fence,
                "page": uuid.uuid4().hex,
            }
        )


class DraftForm(EditForm):
    """What an editor holds at some moment."""

    sequence = forms.IntegerField(min_value=0, max_value=2**53)


class CompareForm(forms.Form):
    """Two versions of a document, in whichever order."""

    old = forms.IntegerField(min_value=1, max_value=VERSIONS)
    new = forms.IntegerField(min_value=1, max_value=VERSIONS)


class RevisionNameForm(forms.Form):
    """What a version is called; nothing takes its name away."""

    name = forms.CharField(
        label=_("Name of this version"),
        required=False,
        max_length=REVISION_NAME_CHARACTERS,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def clean_name(self) -> str:
        name = " ".join(normalise(self.cleaned_data["name"]).split())
        if "\ufffd" in name:
            raise ValidationError(
                _("This name has a character that cannot be stored. Write it without.")
            )
        return name


class AccessForm(forms.Form):
    """For whom a document is."""

    access = forms.ChoiceField(
        label=_("Who may read it"), choices=Document.Access.choices, widget=forms.RadioSelect
    )


class ShareForm(forms.Form):
    """One more person by name."""

    person = forms.ModelChoiceField(label=_("Person"), queryset=Person.objects.none())
    may_edit = forms.ChoiceField(
        label=_("They may"), choices=[("no", _("read")), ("yes", _("read and edit"))]
    )

    def __init__(self, *args: Any, people: QuerySet[Person], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["person"].queryset = people  # type: ignore[attr-defined]


class LinkForm(forms.Form):
    """One more link, and how long it is good for."""

    days = forms.ChoiceField(
        label=_("It ends after"),
        choices=[("1", _("one day")), ("7", _("a week")), ("30", _("30 days"))],
        initial="7",
    )


class JoinForm(BaseUserCreationForm):  # type: ignore[type-arg]
    """A new account, by an invitation."""

    class Meta:
        model = Person
        fields = ("username", "display_name", "email")


class OwnPasswordForm(PasswordChangeForm):
    """A new password of one's own; the old one has to be known. It is asked for as when
    signing in, so that wrong ones count: a session that was stolen gives no more tries."""

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request

    def clean_old_password(self) -> str:
        given: str = self.cleaned_data["old_password"]
        credentials = {"username": self.user.get_username(), "password": given}
        if authenticate(self.request, **credentials) != self.user:
            message = self.error_messages["password_incorrect"]
            raise ValidationError(message, code="password_incorrect")
        return given

    def save(self, commit: bool = True) -> Person:
        return _store_password(super().save(commit=False))


class ForgottenPasswordForm(SetPasswordForm):  # type: ignore[type-arg]
    """The same for who has come by the link in a mail."""

    def save(self, commit: bool = True) -> Person:
        return _store_password(super().save(commit=False))


class OthersPasswordForm(AdminPasswordChangeForm):  # type: ignore[type-arg]
    """Somebody else's password, in the administration."""

    def __init__(self, *args: Any, actor: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.actor = actor

    def save(self, commit: bool = True) -> Person:
        return _store_password(super().save(commit=False), self.actor)


def _store_password(person: Any, actor: int | None = None) -> Person:
    people.set_password(person, actor=person.pk if actor is None else actor)
    found: Person = person
    return found


class ProfileForm(forms.ModelForm):  # type: ignore[type-arg]
    """How a person appears, and in which language."""

    class Meta:
        model = Person
        fields = ("display_name", "colour", "language", "theme", "email")
        labels = {"email": _("Email (for a forgotten password)")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["display_name"].widget.attrs["placeholder"] = self.instance.username
        self.fields["colour"].choices = Person.Colour.choices  # type: ignore[attr-defined]
