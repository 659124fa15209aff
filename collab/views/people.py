"""One's own profile and sign-ins; the people of the workspace; joining it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import PasswordChangeView
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from .. import permissions, queries
from ..errors import UsedInvitation
from ..forms import JoinForm, OwnPasswordForm, ProfileForm
from ..limits import limits
from ..models import Person, SecurityEvent
from ..operations import audit, people
from ..permissions import is_administrator, may_manage, roles_to_give
from ..timings import INVITATION_DAYS
from .limits import MEGABYTE, READS, WRITES, limited
from .requests import PersonRequest, method_of, number_of

Kind = SecurityEvent.Kind


@limited("changes")
@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: PersonRequest) -> HttpResponse:
    """Name, colour, language and appearance; where one is signed in."""
    form = ProfileForm(request.POST or None, instance=request.user)
    if request.method == "POST" and form.is_valid():
        people.update(form.save(commit=False), form.Meta.fields, actor=request.user.pk)
        with translation.override(form.instance.language):
            messages.success(request, _("Your profile is saved."))
        return redirect("profile")
    context = {
        "form": form,
        "sign_ins": queries.sign_ins(request.user.pk),
        "here": request.session.session_key,
        "documents_written": queries.documents_written(request.user.pk),
        "megabytes_kept": queries.bytes_kept(request.user.pk) / MEGABYTE,
        "limits": limits(),
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "people/profile.html", context, status=status)


@limited("changes")
@require_POST
def sign_out_elsewhere(request: PersonRequest) -> HttpResponse:
    """End all of one's sign-ins but this one."""
    ended = people.sign_out(request.user.pk, but=request.session.session_key or "")
    person, address = request.user.pk, request.META.get("REMOTE_ADDR")
    audit.record(Kind.ENDED, actor=person, person=person, address=address, detail=str(ended))
    messages.success(request, _("You are signed out everywhere else."))
    return redirect("profile")


class OwnPassword(PasswordChangeView):
    """A new password; the form sees from where the old one is tried."""

    form_class = OwnPasswordForm
    template_name = "people/password_change.html"

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "request": self.request}


@limited("invitations")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def directory(request: PersonRequest) -> HttpResponse:
    """Everybody with an account, for administrators. ``POST`` with ``invite``: make an
    invitation for that role; ``DELETE`` with ``invitation``: take one back."""
    if not is_administrator(request.user):
        raise PermissionDenied
    address = ""
    if method_of(request) == "DELETE":
        invitation_id = number_of(request.POST.get("invitation", "")) or 0
        people.end_invitation(invitation_id, actor=request.user.pk)
        return redirect("people")
    if request.method == "POST":
        role = _role(request, request.POST.get("invite", ""))
        token = people.invite(role, actor=request.user.pk)
        address = request.build_absolute_uri(reverse("invitation", args=[token]))
    context = {
        "people": [(one, may_manage(request.user, one)) for one in queries.accounts()],
        "roles": roles_to_give(request.user),
        "invitations": queries.invitations(),
        "address": address,
        "days": INVITATION_DAYS,
    }
    return render(request, "people/people.html", context)


@limited("invitations")
@require_POST
def account(request: PersonRequest, pk: int) -> HttpResponse:
    """Somebody's account: ``role``, ``active`` (yes or no), or ``sign_out``."""
    person = queries.accounts().filter(pk=pk).first()
    if person is None or not is_administrator(request.user):
        raise Http404
    if not may_manage(request.user, person) or person == request.user:
        raise PermissionDenied
    if "role" in request.POST:
        people.set_role(pk, _role(request, request.POST["role"]), actor=request.user.pk)
    elif "active" in request.POST:
        is_active = request.POST["active"] == "yes"
        people.set_active(pk, is_active=is_active, actor=request.user.pk)
    elif "sign_out" in request.POST:
        ended = people.sign_out(pk)
        audit.record(Kind.ENDED, actor=request.user.pk, person=pk, detail=str(ended))
    return redirect("people")


def _role(request: PersonRequest, name: str) -> Person.Role:
    """The role of this name, if the person may give it."""
    for role in roles_to_give(request.user):
        if role == name:
            return role
    raise PermissionDenied


@limited("visits", (*READS, *WRITES))
@never_cache
@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Make one's account, by an invitation that works once."""
    invited = permissions.invitation(token)
    if invited is None:
        return render(request, "people/invitation_over.html", status=404)
    form = JoinForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        person = form.save(commit=False)
        try:
            people.join(token, person)
        except UsedInvitation:
            return render(request, "people/invitation_over.html", status=404)
        login(request, person, backend="django.contrib.auth.backends.ModelBackend")
        return redirect("dashboard")
    status = 422 if request.method == "POST" else 200
    context = {"form": form, "invitation": invited}
    response = render(request, "people/invitation.html", context, status=status)
    # The address is a secret. ("no-referrer" would make browsers send the form with the
    # Origin "null", which is refused as that of another site.)
    response["Referrer-Policy"] = "strict-origin"
    return response
