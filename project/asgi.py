"""The ASGI application: pages over HTTP, fragments over the socket."""

import os

import django
from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest
from django.http.response import HttpResponseBase

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
django.setup(set_prefix=False)  # loads the apps, so it comes before what uses them

from channels.routing import ProtocolTypeRouter  # noqa: E402

from collab import elsewhere  # noqa: E402
from collab.live.routing import websocket_application  # noqa: E402


class PageHandler(ASGIHandler):
    """Django's handler, with each request in its thread from the first middleware
    to the view and back. All of them are synchronous, and Django's own way goes
    back to the event loop between one and the next."""

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async=False)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        return await sync_to_async(self.get_response)(request)


elsewhere.allow()
application = ProtocolTypeRouter({"http": PageHandler(), "websocket": websocket_application()})
