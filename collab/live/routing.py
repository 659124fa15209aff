"""The engine's ASGI application for sockets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Any

from channels.routing import URLRouter
from channels.security.websocket import WebsocketDenier
from django.conf import settings
from django.urls import path, re_path

from .consumer import LiveConsumer
from .metrics import meter

#: Where the page's socket connects; also in ``<body hx-ws:connect>``.
PATH = "live/"
#: An ASGI application.
Application = Callable[..., Awaitable[Any]]


def websocket_application() -> Application:
    """The socket behind an exact check of the Origin: scheme, host and port."""
    # Without the last, a foreign path is an error of the server, with its traceback.
    routes = [path(PATH, LiveConsumer.as_asgi()), re_path("", WebsocketDenier.as_asgi())]
    return ExactOrigin(URLRouter(routes), settings.LIVE_ORIGINS)


class ExactOrigin:
    """Lets through what comes from one of our pages.

    An Origin is compared as it stands: a browser writes each in one way only (RFC 6454,
    section 6.2). Channels' ``OriginValidator`` takes it apart instead, so that one with
    somebody's name in it passes, and one that is no address is an error of the server;
    its ``AllowedHostsOriginValidator`` lets every port and scheme of a host through.

    Args:
        application: what is behind it.
        origins: those of our pages.
    """

    def __init__(self, application: Application, origins: Collection[str]) -> None:
        self._application = application
        self._origins = {origin.encode() for origin in origins}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        given = {value for name, value in scope["headers"] if name == b"origin"}
        is_ours = len(given) == 1 and given <= self._origins
        if not is_ours:
            meter.count("refused_origin")  # a wrong setting of ORIGINS shows in ``/metrics``
        application = self._application if is_ours else WebsocketDenier()
        return await application(scope, receive, send)
