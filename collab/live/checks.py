"""System checks: settings that would lose messages or let strangers in."""

from __future__ import annotations

import re
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, register

from .bus import is_in_memory
from .conf import conf

#: An origin as browsers write it (RFC 6454, section 6.2): no path, no capitals, and no
#: port if it is the scheme's own.
SERIALISED = re.compile(r"http://[a-z0-9_.:\[\]-]+(?<!:80)|https://[a-z0-9_.:\[\]-]+(?<!:443)")
LOSSY = "channels_redis.core.RedisChannelLayer"


@register
def channel_layer(**kwargs: Any) -> list[CheckMessage]:
    """The channel layer must reach every process and must not drop bursts."""
    layers = getattr(settings, "CHANNEL_LAYERS", {})
    if "default" not in layers:
        return [Error("CHANNEL_LAYERS has no default layer.", id="live.E001")]
    if layers["default"]["BACKEND"] == LOSSY:
        return [
            checks.Warning(
                f"{LOSSY} drops messages when a burst exceeds its capacity.",
                hint="Use channels_redis.pubsub.RedisPubSubChannelLayer.",
                id="live.W001",
            )
        ]
    if is_in_memory() and conf().processes > 1:
        return [
            Error(
                f"{conf().processes} processes cannot share the in-memory channel layer: "
                "pages would miss updates.",
                hint="Set REDIS_URL, or run one process.",
                id="live.E002",
            )
        ]
    return []


@register
def origins(**kwargs: Any) -> list[CheckMessage]:
    """Sockets carry cookies but no CSRF token: the Origin must be exact."""
    allowed = getattr(settings, "LIVE_ORIGINS", [])
    inexact = [origin for origin in allowed if not SERIALISED.fullmatch(origin)]
    if not allowed or inexact:
        return [
            Error(
                "LIVE_ORIGINS must list exact origins (scheme, host and port, as the address "
                "bar shows them)" + (f", not {', '.join(inexact)}." if inexact else "."),
                id="live.E003",
            )
        ]
    return []
