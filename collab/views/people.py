"""Signing in and out, and one's own profile."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from ..forms import ProfileForm
from ..operations import people
from .requests import PersonRequest


@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: PersonRequest) -> HttpResponse:
    """Name, colour, language and appearance."""
    form = ProfileForm(request.POST or None, instance=request.user)
    if request.method == "POST" and form.is_valid():
        people.update(form.save(commit=False), form.Meta.fields)
        with translation.override(form.instance.language):
            messages.success(request, _("Your profile is saved."))
        return redirect("profile")
    status = 422 if request.method == "POST" else 200
    return render(request, "people/profile.html", {"form": form}, status=status)
