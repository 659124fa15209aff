"""Requests over ASGI: each has a thread, and the next one goes on with it.

Django by itself starts a thread for each request and ends it afterwards, which also
ends the thread's connection to the database; and it goes back to the event loop
between one middleware and the next. It also starts as many as are asked for; here the
others wait in the event loop, where they take no memory to speak of.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.db import connections
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.http import parse_header_parameters

#: So many threads are kept for the next requests; more at a time have theirs anew.
KEPT_THREADS = 16
#: So many requests are answered at a time, and so many wait at most; the next are told
#: to come back after so many seconds.
MOST_THREADS = 64
MOST_WAITING = 512
RETRY_SECONDS = 5


class Utf8(HttpRequest):
    """What comes is UTF-8, as all our pages are. Django decodes with whatever codec of
    Python a request names as its charset; with those that give no text ("hex"), it ends
    in an error before any middleware could say what is wrong."""

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        self.content_type, self.content_params = parse_header_parameters(
            meta.get("CONTENT_TYPE", "")
        )


class Utf8ASGIRequest(Utf8, ASGIRequest):
    """A request of Daphne's."""


class Utf8WSGIRequest(Utf8, WSGIRequest):
    """A request of gunicorn's."""


class WSGIPageHandler(WSGIHandler):
    """Django's handler, for a server that has threads of its own."""

    request_class = Utf8WSGIRequest


class PageHandler(ASGIHandler):
    """Django's handler, with each request in its thread from the first middleware
    to the view and back: all of them are synchronous."""

    request_class = Utf8ASGIRequest

    def __init__(self) -> None:
        super().__init__()
        #: Those that have nothing to do, the one that worked last at the end.
        self._threads: deque[ThreadPoolExecutor] = deque()
        self._room = asyncio.Semaphore(MOST_THREADS)
        self._waiting = 0

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async=False)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self._waiting >= MOST_WAITING:
            await _come_back(send)
            return
        self._waiting += 1
        try:
            await self._room.acquire()
        finally:
            self._waiting -= 1
        try:
            thread = self._threads.pop()
        except IndexError:
            thread = ThreadPoolExecutor(1, thread_name_prefix="request")
        try:
            async with ThreadSensitiveContext(executor=thread):
                await super().__call__(scope, receive, send)
        finally:
            # When it is done with everything: a view goes on if its client has left.
            thread.submit(self._rest, thread, asyncio.get_running_loop())

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        return await sync_to_async(self.get_response)(request)

    def _rest(self, thread: ThreadPoolExecutor, loop: asyncio.AbstractEventLoop) -> None:
        if len(self._threads) < KEPT_THREADS:
            self._threads.append(thread)
        else:
            connections.close_all()
            thread.shutdown(wait=False)
        with contextlib.suppress(RuntimeError):  # the server has ended meanwhile
            loop.call_soon_threadsafe(self._room.release)


async def _come_back(send: Any) -> None:
    """An answer without a thread, and so without a person or a language."""
    headers = {
        "Content-Type": "text/plain; charset=utf-8",
        "Retry-After": str(RETRY_SECONDS),
        "Cache-Control": "no-store",
    }
    sent = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": 503, "headers": sent})
    await send({"type": "http.response.body", "body": b"Too many at once. Please try again."})
