"""The conventional way: what a Django developer would write with Channels.

Every socket's consumer joins a group per document; an event is one ``group_send``;
every consumer renders the partial and sends it. It is spared all that would make
it slower still: no authentication, no query (the event carries the state).
"""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs

import django
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter
from django.template.loader import render_to_string

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
django.setup()

from collab.live.fragments import replaced  # noqa: E402  (needs the settings)
from collab.live.regions import Rendering, mark_input, region_id  # noqa: E402

#: Documents on the dashboard: groups that each consumer joins.
DOCUMENTS = 50


def group(document: int) -> str:
    """The group of those who show a document."""
    return f"document-{document}"


class BadgeConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """A socket of the dashboard."""

    async def websocket_connect(self, message: dict[str, Any]) -> None:
        query = parse_qs(self.scope["query_string"].decode())
        self.groups = [group(int(document)) for document in query["documents"][0].split(",")]
        await super().websocket_connect(message)

    async def badge_changed(self, event: dict[str, Any]) -> None:
        """Somebody has begun to edit a document."""
        holder = SimpleNamespace(**event["holder"])
        badge = {"document_id": event["document"], "state": "editing", "holder": holder}
        html = render_to_string("partials/lock_badge.html", {"badge": badge, "named": [holder]})
        identifier = region_id("lock_badge", str(event["document"]))
        # The same bytes as ours, the region's mark included.
        mark = mark_input(identifier, event["etag"])
        rendering = Rendering(html.strip() + mark, event["etag"])
        await self.send(text_data=replaced(identifier, rendering))


application = ProtocolTypeRouter({"websocket": BadgeConsumer.as_asgi()})
