"""The engine's ASGI application for sockets."""

from __future__ import annotations

from typing import Any
from urllib.parse import ParseResult

from channels.routing import URLRouter
from channels.security.websocket import OriginValidator
from django.conf import settings
from django.urls import path

from .consumer import LiveConsumer
from .metrics import meter

#: Where the page's socket connects; also in ``<body hx-ws:connect>``.
PATH = "live/"


class CountingOriginValidator(OriginValidator):  # type: ignore[misc]  # Channels has no types
    """Counts what it refuses: a wrong setting of ORIGINS shows in ``/metrics``."""

    def valid_origin(self, parsed_origin: ParseResult | None) -> bool:
        is_valid: bool = super().valid_origin(parsed_origin)
        if not is_valid:
            meter.count("refused_origin")
        return is_valid


def websocket_application() -> Any:
    """The socket behind an exact check of the Origin: scheme, host and port.

    ``AllowedHostsOriginValidator`` compares host names only, so that a page of
    another port or scheme of the same host would pass.
    """
    return CountingOriginValidator(
        URLRouter([path(PATH, LiveConsumer.as_asgi())]), settings.LIVE_ORIGINS
    )
