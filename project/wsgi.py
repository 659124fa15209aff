"""The WSGI application: pages only, beside a socket server that has the rest."""

import gc
import os

from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
application = get_wsgi_application()

from django.conf import settings  # noqa: E402

from collab import elsewhere  # noqa: E402
from collab.live.bus import is_in_memory  # noqa: E402

from .addresses import wsgi_behind_proxy  # noqa: E402

if is_in_memory():
    raise ImproperlyConfigured(
        "A WSGI server is a second process beside the socket server, and the in-memory channel "
        "layer cannot reach across: pages would miss updates. Set REDIS_URL."
    )

if settings.BEHIND_PROXY:
    application = wsgi_behind_proxy(application)  # type: ignore[assignment]

elsewhere.allow()

gc.collect()
gc.freeze()  # as in asgi.py
