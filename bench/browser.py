"""Light browsers: requests over one kept connection, and a page's open socket.

All of them run in one event loop. They do what the pages do and no more, so that
the server is what is measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import html
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from urllib.parse import quote_plus

from . import frames
from .client import Failed, handshake, inflated
from .workspace import MARK, TOKEN

HIDDEN = re.compile(r'<input type="hidden" name="(\w+)"[^>]* value="([^"]*)"')
#: A request that takes longer has failed.
PATIENCE_SECONDS = 60.0
READ_BYTES = 1 << 18


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: str


@dataclass
class Browser:
    """Somebody's browser with one connection for requests, one at a time.

    Args:
        port: the server's.
        cookies: those it has from the beginning; answers add theirs.
    """

    port: int
    cookies: dict[str, str] = field(default_factory=dict)
    _streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, path: str) -> Answer:
        """Ask for a page, and follow where it leads."""
        answer = await self._request("GET", path)
        while answer.status == HTTPStatus.FOUND:
            answer = await self._request("GET", answer.headers["location"])
        return answer

    async def post(self, path: str, form: Mapping[str, str | int]) -> Answer:
        """Send a form as htmx does; a redirect is not followed."""
        fields = (f"{quoted(name)}={quoted(str(value))}" for name, value in form.items())
        return await self._request("POST", path, "&".join(fields).encode())

    async def _request(self, method: str, path: str, body: bytes = b"") -> Answer:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self._streams
        lines = [
            f"{method} {path} HTTP/1.1",
            f"Host: 127.0.0.1:{self.port}",
            "Cookie: " + "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
        ]
        if method == "POST":
            lines += [
                f"Origin: http://127.0.0.1:{self.port}",
                "Content-Type: application/x-www-form-urlencoded",
                f"Content-Length: {len(body)}",
                "HX-Request: true",
            ]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self._answer(reader)

    async def _answer(self, reader: asyncio.StreamReader) -> Answer:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin1")
        first, *lines = head.rstrip().split("\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
            if name.lower() == "set-cookie":
                cookie, _, content = value.partition(";")[0].partition("=")
                self.cookies[cookie] = content
        if "content-length" in headers:
            body = await reader.readexactly(int(headers["content-length"]))
        else:
            body = await _chunks(reader)
        return Answer(int(first.split()[1]), headers, body.decode())

    async def close(self) -> None:
        """End the connection."""
        if self._streams is not None:
            self._streams[1].close()
            with contextlib.suppress(ConnectionError):
                await self._streams[1].wait_closed()
            self._streams = None


@lru_cache(maxsize=64)  # 200 KB take 15 ms, in which nobody here hears an answer
def quoted(text: str) -> str:
    """A name or value of a form, as it is sent."""
    return quote_plus(text)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    """A body in chunks (RFC 9112, section 7.1)."""
    parts = []
    while size := int(await reader.readline(), 16):
        parts.append(await reader.readexactly(size))
        await reader.readline()
    await reader.readline()
    return b"".join(parts)


@dataclass(frozen=True)
class Page:
    """What a browser knows of a page it has loaded.

    Attributes:
        resume: its message to the socket.
        fields: its hidden inputs, by name; of several, the first.
    """

    resume: str
    fields: Mapping[str, str]

    @classmethod
    def read(cls, answer: Answer) -> Page:
        """Read a page's token, marks and hidden fields.

        Raises:
            Failed: this is no live page.
        """
        token = TOKEN.search(answer.body)
        if answer.status != HTTPStatus.OK or token is None:
            raise Failed(f"A page was answered {answer.status}, or has no token.")
        marks = [html.unescape(mark) for mark in MARK.findall(answer.body)]
        hidden = reversed(HIDDEN.findall(answer.body))
        fields = {name: html.unescape(value) for name, value in hidden}
        return cls(json.dumps({"page": html.unescape(token[1]), "region": marks}), fields)


class Socket:
    """The open socket of a page: it answers pings, and notes when what comes."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None
        self._expected = b""
        self._came: asyncio.Future[float] | None = None

    async def open(self, browser: Browser, page: Page) -> None:
        """Connect and resume, as the page does when it has loaded.

        Raises:
            Failed: the server did not let it in.
        """
        reader, writer = await asyncio.open_connection("127.0.0.1", browser.port)
        cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        writer.write(handshake(browser.port, "/live/", f"Cookie: {cookies}"))
        answer = await reader.readuntil(b"\r\n\r\n")
        if not answer.startswith(b"HTTP/1.1 101"):
            raise Failed(f"The handshake was answered by {answer.splitlines()[0]!r}.")
        writer.write(frames.from_client(page.resume.encode()))
        self._task = asyncio.create_task(self._read(reader, writer))

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        rest = b""
        try:
            while data := await reader.read(READ_BYTES):
                complete, rest = frames.split(rest + data)
                for opcode, payload in complete:
                    if opcode == frames.PING:
                        writer.write(frames.from_client(payload, frames.PONG))
                    elif opcode == frames.CLOSE:
                        raise Failed(f"A server closed a socket with {payload!r}.")
                    else:
                        self._note(inflated(payload) if opcode == frames.DEFLATED else payload)
        finally:
            writer.close()

    def _note(self, payload: bytes) -> None:
        if self._came is not None and not self._came.done() and self._expected in payload:
            self._came.set_result(time.perf_counter())

    def expect(self, text: str) -> asyncio.Future[float]:
        """The moment when the next frame comes that contains ``text``."""
        self._expected = text.encode()
        self._came = asyncio.get_running_loop().create_future()
        return self._came

    async def close(self) -> None:
        """Leave.

        Raises:
            Failed: the server had ended it before.
        """
        assert self._task is not None
        if self._task.done():
            raise Failed("A server ended a socket.") from self._task.exception()
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
