"""Sign-ins: sessions that know whose they are, so that people can see and end them.

This is the session engine (``SESSION_ENGINE``)."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _

#: Where a session keeps what is known of the browser: a mapping with ``agent``,
#: ``address`` and ``at``.
DEVICE = "device"
AGENT_CHARACTERS = 200


class SignIn(AbstractBaseSession):
    """One browser in which somebody is signed in (or has been given a cookie)."""

    person = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        null=True,
        related_name="sign_ins",
        verbose_name=_("person"),
    )
    agent = models.CharField(_("browser"), max_length=AGENT_CHARACTERS, blank=True)
    address = models.GenericIPAddressField(_("address"), null=True, blank=True)
    at = models.DateTimeField(_("since"), null=True)

    class Meta(AbstractBaseSession.Meta):
        verbose_name = _("sign-in")  # type: ignore[assignment]
        verbose_name_plural = _("sign-ins")  # type: ignore[assignment]

    @classmethod
    def get_session_store_class(cls) -> type[SessionStore]:
        return SessionStore


class SessionStore(DatabaseStore):
    """Django's sessions in the database, with their person in a column."""

    @classmethod
    def get_model_class(cls) -> type[SignIn]:
        return SignIn

    def create_model_instance(self, data: dict[str, object]) -> SignIn:
        made: SignIn = super().create_model_instance(data)  # type: ignore[assignment]
        device = data.get(DEVICE)
        known = device if isinstance(device, dict) else {}
        person = data.get(SESSION_KEY)
        made.person_id = int(str(person)) if person else None
        made.agent = str(known.get("agent", ""))[:AGENT_CHARACTERS]
        made.address = known.get("address") or None
        made.at = parse_datetime(str(known.get("at", "")))
        return made
