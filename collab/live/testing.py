"""What tests of live pages need.

:func:`visit` opens a page as a browser would: it loads the HTML, connects the
socket, sends the resume message, and applies every pushed fragment to what it
has. ``page.regions`` is then what the person sees, so *push == reload* is::

    async with visit(leela, "/") as page:
        await operation()
        await page.until(lambda: "Fry" in page.regions["lock_badge-7"])
        assert page.regions == await page.reloaded()
"""

from __future__ import annotations

import asyncio
import html
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from unittest.mock import patch

from asgiref.sync import sync_to_async
from asgiref.typing import ASGIApplication
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.test import AsyncClient

from . import bus
from .routing import PATH, websocket_application

REGION = re.compile(r'<live-region id="([\w-]+)">(.*?)</live-region>', re.DOTALL)
PARTIAL = re.compile(
    r"""<hx-partial hx-target="#([\w-]+)( live-part\[name='\w+'\])?" hx-swap="(\w+)">"""
    r"(.*?)</hx-partial>",
    re.DOTALL,
)
MARK = re.compile(r'<input type="hidden" form="live" name="region" id="[\w-]+" value="([^"]*)">')
#: What is left of a region whose object is gone.
GONE = re.compile(MARK.pattern.replace('([^"]*)', '[^"]*:gone'))
TOKEN = re.compile(r'<form id="live"[^>]*><input type="hidden" name="page" value="([^"]*)">')
CLOSE = "websocket.close"
#: How long a test waits for what must come, in seconds.
PATIENCE = 5.0
#: How long a test listens for what must not come, in seconds: several ticks.
SILENCE = 0.3


class LivePage:
    """One open page, as a person sees it."""

    def __init__(self, url: str, client: AsyncClient, socket: WebsocketCommunicator) -> None:
        self.url = url
        self.client = client
        self.socket = socket
        self.html = ""
        self.regions: dict[str, str] = {}
        self.frames: list[str] = []

    async def load(self) -> None:
        """Load (or reload) the HTML; the socket is not touched."""
        response = await self.client.get(self.url, follow=True)
        assert response.status_code == 200, response.status_code
        self.html = response.content.decode()
        self.regions = dict(REGION.findall(self.html))

    async def reloaded(self) -> dict[str, str]:
        """The regions of a page loaded now, beside this one."""
        fresh = LivePage(self.url, self.client, self.socket)
        await fresh.load()
        return fresh.regions

    def resume_message(self) -> str:
        """What htmx would send: the page's token and its regions' marks."""
        token = TOKEN.search(self.html)
        assert token, "the page has no {% live_page %}"
        marks = [mark for inner in self.regions.values() for mark in MARK.findall(inner)]
        return json.dumps({"page": html.unescape(token[1]), "region": marks, "headers": {}})

    async def connect(self, message: str | None = None) -> None:
        """Open the socket and resume."""
        accepted, code = await self.socket.connect(timeout=PATIENCE)
        assert accepted, code
        await self.socket.send_to(text_data=message or self.resume_message())

    async def receive(self) -> str:
        """The next frame, applied to ``regions``."""
        frame = await self.socket.receive_from(timeout=PATIENCE)
        assert isinstance(frame, str)
        self.frames.append(frame)
        self.apply(frame)
        return frame

    def apply(self, frame: str) -> None:
        """Swap what a frame brings. As in htmx, what all its partials mean is
        found before the first is swapped."""
        partials = PARTIAL.findall(frame)
        for number, (target, part, _, _) in enumerate(partials):
            if part:
                self._mark_part(target, part.split("'")[1], f"<!--{number}-->")
        for number, (target, part, swap, inner) in enumerate(partials):
            if part:
                self._swap_part(target, f"<!--{number}-->", swap, inner)
            else:
                self._apply(target, swap, inner)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Receive frames until ``condition`` holds."""
        while not condition():
            await self.receive()

    async def until_current(self, *but: str) -> None:
        """Receive frames until every region of the page is as it would be loaded now.

        Args:
            but: regions left aside: a feed is a history, not a state.
        """
        while True:
            fresh = await self.reloaded()
            gone = {i: inner for i, inner in self.regions.items() if GONE.fullmatch(inner)}
            expected = {**gone, **fresh}
            if all(expected.get(i) == inner for i, inner in self.regions.items() if i not in but):
                return
            await self.receive()

    async def is_closed(self) -> int:
        """Wait for the socket's close, past frames under way; returns its code."""
        while (message := await self.socket.receive_output(timeout=PATIENCE))["type"] != CLOSE:
            pass
        return int(message["code"])

    async def hears_nothing(self) -> bool:
        """Is nothing sent for a while?"""
        return bool(await self.socket.receive_nothing(timeout=SILENCE))

    def _apply(self, target: str, swap: str, inner: str) -> None:
        if swap == "innerMorph":
            self.regions[target] = inner
        elif swap == "beforeend":
            self.regions[target] += inner
        elif swap == "delete":
            self.regions.pop(target, None)
            self._remove_element(target)
        elif swap == "outerHTML" and target.endswith("-mark"):
            name = target.removesuffix("-mark")
            self.regions[name] = re.sub(
                rf'<input[^>]* id="{target}"[^>]*>', lambda _: inner, self.regions[name]
            )
        else:
            raise AssertionError(f"no page does {swap!r} to {target!r}")

    def _mark_part(self, region: str, name: str, mark: str) -> None:
        before, element, after = self.regions[region].partition(f'<live-part name="{name}">')
        assert element, f"{region} has no part {name!r}"
        self.regions[region] = before + mark + element + after

    def _swap_part(self, region: str, mark: str, swap: str, inner: str) -> None:
        pattern = rf"{mark}((?:<!--\d+-->)*)(<live-part .*?</live-part>)"
        found = re.search(pattern, self.regions[region], re.DOTALL)
        assert found
        others, element = found.groups()
        swapped = {
            "outerMorph": others + inner,
            "delete": others,
            "beforebegin": inner + others + element,
            "afterend": others + element + inner,
        }[swap]
        html = self.regions[region]
        self.regions[region] = html[: found.start()] + swapped + html[found.end() :]

    def _remove_element(self, identifier: str) -> None:
        """Forget a feed's entry: entries are appended, so one ends where the next begins."""
        for name, inner in self.regions.items():
            parts = re.split(r'(?=<div class="toast["\s])', inner)
            kept = [part for part in parts if f'id="{identifier}"' not in part]
            self.regions[name] = "".join(kept)


def connect(
    client: AsyncClient,
    *,
    origin: str | None = None,
    place: str = f"/{PATH}",
    application: ASGIApplication | None = None,
) -> WebsocketCommunicator:
    """A socket with a client's cookies, not yet connected.

    Args:
        client: whose cookies are sent.
        origin: the Origin header; the first allowed one if None, none if "".
        place: the path.
        application: what to connect to; the project's sockets if None.
    """
    cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
    headers = [(b"cookie", cookies.encode())]
    sent_origin = settings.LIVE_ORIGINS[0] if origin is None else origin
    if sent_origin:
        headers.append((b"origin", sent_origin.encode()))
    target = application or websocket_application()
    return WebsocketCommunicator(target, place, headers)


async def signed_in(user: AbstractBaseUser) -> AsyncClient:
    """A client with a session of ``user``."""
    client = AsyncClient(headers={"host": "127.0.0.1"})
    await sync_to_async(client.force_login)(user)  # type: ignore[arg-type]  # any user model
    return client


@asynccontextmanager
async def visit(user: AbstractBaseUser, url: str) -> AsyncIterator[LivePage]:
    """Open a page as ``user``, live, and close it at the end."""
    client = await signed_in(user)
    page = LivePage(url, client, connect(client))
    await page.load()
    await page.connect()
    try:
        yield page
    finally:
        await page.socket.disconnect()


@contextmanager
def announced() -> Iterator[set[str]]:
    """Collect the topics announced meanwhile, instead of publishing them."""
    topics: set[str] = set()
    with patch.object(bus, "announce", topics.update):
        yield topics


async def eventually(condition: Callable[[], Any]) -> Any:
    """Wait until ``condition()`` (run in a thread, so it may query) is true."""
    async with asyncio.timeout(PATIENCE):
        while not (result := await sync_to_async(condition)()):
            await asyncio.sleep(0.01)
    return result
