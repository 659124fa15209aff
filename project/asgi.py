"""The ASGI application: pages over HTTP, fragments over the socket."""

import gc
import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
django.setup(set_prefix=False)  # loads the apps, so it comes before what uses them

from channels.routing import ProtocolTypeRouter  # noqa: E402
from django.conf import settings  # noqa: E402

from collab import elsewhere  # noqa: E402
from collab.live.routing import websocket_application  # noqa: E402

from .addresses import asgi_behind_proxy  # noqa: E402
from .requests import PageHandler  # noqa: E402

elsewhere.allow()
# A thread that computes gives way to one that waits after this long, in seconds. A page
# makes nine queries, and waits again after each of them: with Python's 5 ms, one long
# page held up another by several times its own length.
sys.setswitchinterval(0.001)
application = ProtocolTypeRouter({"http": PageHandler(), "websocket": websocket_application()})
if settings.BEHIND_PROXY:
    application = asgi_behind_proxy(application)

# What has been loaded stays. A collection that looked through it would stop every
# thread for some 50 ms, again and again.
gc.collect()
gc.freeze()
