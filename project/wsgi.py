"""The WSGI application: pages only, beside a socket server that has the rest."""

import gc
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

import django
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
django.setup(set_prefix=False)  # loads the apps, so it comes before what uses them

from collab import elsewhere  # noqa: E402
from collab.live.bus import is_in_memory  # noqa: E402

from .requests import WSGIPageHandler  # noqa: E402


def behind_proxy(pages: "WSGIApplication") -> "WSGIApplication":
    """Requests come from whom the proxy names, as they do with ``serve --proxy-headers``.
    gunicorn has no option for it: guessing passwords would be stopped for everybody at
    once, and the audit log would tell the proxy's address."""

    def named(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if forwarded := environ.get("HTTP_X_FORWARDED_FOR"):
            # The last is the nearest proxy's own word.
            environ["REMOTE_ADDR"] = forwarded.rpartition(",")[2].strip()
        return pages(environ, start_response)

    return named


application: "WSGIApplication" = WSGIPageHandler()
if settings.BEHIND_PROXY:
    application = behind_proxy(application)


if is_in_memory():
    raise ImproperlyConfigured(
        "A WSGI server is a second process beside the socket server, and the in-memory channel "
        "layer cannot reach across: pages would miss updates. Set REDIS_URL."
    )

elsewhere.allow()

gc.collect()
gc.freeze()  # as in asgi.py
