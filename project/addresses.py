"""The address that somebody comes from, when a proxy stands in between.

A proxy writes into ``X-Forwarded-For`` whom it has the request from: as the only address
(``deploy/nginx.conf``), or behind those that the client claims. So the last one is the
proxy's own word, and all others are whatever a client likes to say. What limits and the
audit log know of an address comes from here, for pages and for sockets alike; and so does
what django-axes counts wrong passwords by.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from django.http import HttpRequest

from collab.live.rates import network

Scope = dict[str, Any]
AsgiApplication = Callable[[Scope, Callable[..., Any], Callable[..., Any]], Awaitable[None]]
WsgiApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def forwarded_for(header: str) -> str:
    """The address that the proxy has written, or "" when it is none."""
    last = header.rpartition(",")[2].strip()
    try:
        return str(ipaddress.ip_address(last))
    except ValueError:
        return ""


def asgi_behind_proxy(application: AsgiApplication) -> AsgiApplication:
    """An ASGI application whose requests and sockets come from where the proxy says.
    Only where nobody reaches it but through that proxy."""

    async def proxied(scope: Scope, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        headers = [value for name, value in scope.get("headers", ()) if name == b"x-forwarded-for"]
        address = forwarded_for(headers[-1].decode("latin1")) if headers else ""
        if address:
            scope = {**scope, "client": (address, 0)}
        await application(scope, receive, send)

    return proxied


def wsgi_behind_proxy(application: WsgiApplication) -> WsgiApplication:
    """The same for WSGI."""

    def proxied(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        address = forwarded_for(environ.get("HTTP_X_FORWARDED_FOR", ""))
        if address:
            environ["REMOTE_ADDR"] = address
        return application(environ, start_response)

    return proxied


def guessed_from(request: HttpRequest) -> str | None:
    """Where a password is tried from: the address, and of IPv6 that of its network, of
    which everybody has as many as there are (``AXES_CLIENT_IP_CALLABLE``)."""
    return network(request.META.get("REMOTE_ADDR") or "").partition("/")[0] or None
