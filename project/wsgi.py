"""The WSGI application: pages only, beside a socket server that has the rest."""

import gc
import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
django.setup(set_prefix=False)  # loads the apps, so it comes before what uses them

from django.conf import settings  # noqa: E402
from django.core.exceptions import ImproperlyConfigured  # noqa: E402

from collab import elsewhere  # noqa: E402
from collab.live.bus import is_in_memory  # noqa: E402

from .addresses import WsgiApplication, wsgi_behind_proxy  # noqa: E402
from .requests import WSGIPageHandler  # noqa: E402

if is_in_memory():
    raise ImproperlyConfigured(
        "A WSGI server is a second process beside the socket server, and the in-memory channel "
        "layer cannot reach across: pages would miss updates. Set REDIS_URL."
    )

application: WsgiApplication = WSGIPageHandler()
if settings.BEHIND_PROXY:
    application = wsgi_behind_proxy(application)

elsewhere.allow()

gc.collect()
gc.freeze()  # as in asgi.py
