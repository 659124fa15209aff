"""The engine's ASGI application for sockets."""

from __future__ import annotations

from typing import Any

from channels.routing import URLRouter
from channels.security.websocket import OriginValidator
from django.conf import settings
from django.urls import path

from .consumer import LiveConsumer

#: Where the page's socket connects; also in ``<body hx-ws:connect>``.
PATH = "live/"


def websocket_application() -> Any:
    """The socket behind an exact check of the Origin: scheme, host and port.

    ``AllowedHostsOriginValidator`` compares host names only, so that a page of
    another port or scheme of the same host would pass.
    """
    return OriginValidator(URLRouter([path(PATH, LiveConsumer.as_asgi())]), settings.LIVE_ORIGINS)
