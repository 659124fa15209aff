"""The ASGI application: pages over HTTP, fragments over the socket."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
_http = get_asgi_application()  # loads the apps, so it comes before what uses them

from channels.routing import ProtocolTypeRouter  # noqa: E402

from collab.live.routing import websocket_application  # noqa: E402

application = ProtocolTypeRouter({"http": _http, "websocket": websocket_application()})
