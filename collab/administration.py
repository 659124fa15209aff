"""Django's administration behind the doors of the workspace (see :mod:`collab.admin` for
what is in it)."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache

from .permissions import is_administrator


class Administration(AdminSite):
    """The site that Django's administration is."""

    site_header = "Collab"
    site_title = "Collab"
    index_title = _("Administration")

    def has_permission(self, request: HttpRequest) -> bool:
        return is_administrator(request.user)

    def get_urls(self) -> list[Any]:
        """Without *view on site*, which leads to the page of any row there is: that
        address has the title, also of a document that is for others."""
        return [one for one in super().get_urls() if getattr(one, "name", "") != "view_on_site"]

    # Passwords are asked for, and changed, where that has its limit.

    @method_decorator([never_cache, login_not_required])
    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """By the form of the workspace, which also sees where ``next`` leads. Who is
        signed in and no administrator would come back for ever."""
        if not request.user.is_authenticated:
            place = request.GET.get("next") or reverse("admin:index")
            return redirect_to_login(place, reverse("login"))
        if not self.has_permission(request):
            raise PermissionDenied
        return redirect("admin:index")

    def password_change(  # type: ignore[override]
        self, request: HttpRequest, extra_context: Any = None
    ) -> HttpResponse:
        return redirect("password_change")
