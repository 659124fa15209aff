"""The one consumer: it lets a page in, hears its resume message, and that is all.

Writes go over HTTP. The only message a page may send up is the *resume*: which
page it is, and which version of each region it has. Anything else is refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from channels.consumer import get_handler_name
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.http import parse_cookie

from . import bus, db, pages, process, rates
from .conf import conf
from .metrics import meter
from .presence import Page
from .process import FORBIDDEN, REFUSALS, SIGNED_OUT, TOO_MANY, Process
from .regions import UnknownRegion
from .seals import CHARACTERS
from .sessions import person_of
from .transport import EXTENSION, QueueWire, Wire
from .watches import Socket

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

MALFORMED = 4400
#: The page comes back by itself (``reconnectCodes`` in templates/base.html).
TRY_AGAIN = 4012
#: How long a server may take to close a socket that takes nothing.
FAREWELL_SECONDS = 1.0
#: "id:mark": the mark is an ETag (hexadecimal) or the sealed number of a feed's entry.
MARK = re.compile(rf"[\w-]{{1,100}}:[\w]{{0,{CHARACTERS}}}")
#: The codes with which a page says that it is going (RFC 6455, 7.4.1). Any other, or
#: none at all, tells of a line that broke.
GOODBYES = {1000, 1001, 1005}


#: What is refused here, as :mod:`.rates` counts it.
SOCKETS, SOCKET_OPENS, STRANGER_OPENS = REFUSED = ("sockets", "socket_opens", "stranger_opens")


class Malformed(ValueError):
    """An inbound frame that is no resume message."""


class LiveConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]  # Channels has no types
    """One page's socket, from the handshake to the end."""

    # The hub subscribes for all sockets of the process. An alias that names no
    # layer keeps Channels from opening a channel for each of them.
    channel_layer_alias = "none: the hub has the process's only channel"

    process: Process
    session_key = ""
    #: Who is counted as having this socket open; 0 for nobody (yet).
    counted = 0
    wire: Wire | None = None
    socket: Socket | None = None
    serial = 0
    said_goodbye = False
    #: Has it been cut, and is to end?
    is_cut = False

    async def __call__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[dict[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        self.task = cast("asyncio.Task[None]", asyncio.current_task())
        try:
            await super().__call__(scope, receive, send)
        except asyncio.CancelledError:
            if not self.is_cut:
                raise
            self.task.uncancel()
            await _come_back(send)
        finally:
            # The disconnect is not told after an error or a cancellation.
            self._forget()

    async def dispatch(self, message: dict[str, Any]) -> None:
        # Channels would go to a thread before each message, to look for old connections
        # to the database; the engine's threads look after theirs (``db``).
        handler = getattr(self, get_handler_name(message), None)
        if handler is None:
            raise ValueError(f"No handler for message type {message['type']}")
        await handler(message)

    async def connect(self) -> None:
        # All that can fail comes before the accept: a page whose socket opens
        # and then fails would come back at once, again and again.
        self.session_key = cookie(self.scope, settings.SESSION_COOKIE_NAME)
        self.process = await process.current()
        address = (self.scope.get("client") or ("",))[0]
        user, may_open = await db.run(let_in, self.session_key, address)
        if user is None and not may_open:
            await self.close()  # without a word: no browser that was ours does this
            return
        await self.accept()
        if user is None:
            meter.count(REFUSALS[SIGNED_OUT])
            await self.close(SIGNED_OUT)
            return
        if not (may_open and await self._is_counted(user.pk)):
            await self.close(TOO_MANY)
            return
        self.scope["headers"] = ()  # nobody asks for them again, while the page is open
        server_wire = self.scope.get("extensions", {}).get(EXTENSION)
        self.wire = server_wire() if server_wire else QueueWire(self.base_send, self._cut)

    async def _is_counted(self, user_id: int) -> bool:
        """Count the socket, if the person may have one more in this process. (How many
        they have elsewhere is asked when it says which page it is.)"""
        if not within(self.process.open_sockets[user_id] + 1):
            await db.run(rates.note_refusal, SOCKETS)
            return False
        self.process.open_sockets[user_id] += 1
        self.counted = user_id
        return True

    async def _has_room(self, page: Page) -> bool:
        """May the person have this page open besides all others, wherever they are?"""
        if self.serial or bus.is_in_memory() or not conf().sockets_per_person:
            return True  # counted before, or all that there are are counted here
        open_here = self.process.hub.by_user.get(page.user_id, ())
        here = {socket.page.id for socket in open_here} | {page.id}
        if len(here) * conf().processes <= conf().sockets_per_person:
            return True  # even if they have as many in every other process
        elsewhere = await db.run(self.process.presence.elsewhere, page.user_id, here)
        if within(len(here) + elsewhere):
            return True
        await db.run(rates.note_refusal, SOCKETS)
        return False

    async def websocket_disconnect(self, message: dict[str, Any]) -> None:
        self.said_goodbye = message["code"] in GOODBYES
        raise StopConsumer

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self.wire is None:
            return  # closing already
        try:
            token, marks = read_resume(text_data)
        except (Malformed, pages.BadToken):
            self._refuse(MALFORMED)
        else:
            await self._resume(token, marks)

    async def _resume(self, token: pages.Token, marks: Mapping[str, str]) -> None:
        assert self.wire is not None
        rights = self.process.rights_seen(token.page.user_id)
        # Asked again: a page may resume long after its socket was let in.
        user, allowed, openable, stamp = await db.run(
            pages.admitted, self.session_key, token.regions, [token.page]
        )
        if user is None:
            self._refuse(SIGNED_OUT)
            return
        if token.page not in openable:
            self._refuse(FORBIDDEN)
            return
        if not await self._has_room(token.page):
            self.wire.close(TOO_MANY)
            return
        self._leave_page(token.page)
        self.socket = Socket(
            wire=self.wire,
            page=token.page,
            language=token.language,
            session_key=self.session_key,
            regions=tuple(i for i in token.regions if i in allowed),
            stamp=stamp,
        )
        meter.count("resumes")
        self.process.hub.join(self.socket, marks)
        if lost := [i for i in token.regions if i not in allowed]:
            self.process.hub.drop(self.socket, lost)
        if not self.serial:
            self.serial = self.process.presence.join(token.page)
        self.socket.serial = self.serial
        if self.process.rights_seen(user.pk) != rights:  # while we asked
            await self.process.check([self.socket])

    def _leave_page(self, following: Page) -> None:
        """The socket shows another page now (or the same again)."""
        if self.socket is not None:
            self.process.hub.leave(self.socket)
            if self.socket.page != following:
                self.process.presence.dismiss(self.serial)
                self.serial = 0

    def _refuse(self, code: int) -> None:
        assert self.wire is not None
        meter.count("refused_malformed" if code == MALFORMED else REFUSALS[code])
        self.wire.close(code)

    def _cut(self) -> None:
        """The client does not read, or cannot be sent to: end the application, and so
        the socket."""
        self.is_cut = True
        self.task.cancel()

    def _forget(self) -> None:
        if isinstance(self.wire, QueueWire):
            self.wire.end()
        if self.counted:
            self.process.forget_socket(self.counted)
            self.counted = 0
        if self.socket is not None:
            self.process.hub.leave(self.socket)
            presence = self.process.presence
            end = presence.leave if self.said_goodbye else presence.lose
            end(self.serial)
            self.socket, self.serial = None, 0


async def _come_back(send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
    """Tell a page whose socket was cut to come back. Not every server would close the
    socket of an application that has ended: the page would stay open, and deaf."""
    with contextlib.suppress(Exception):  # whatever a server raises for a dead socket
        async with asyncio.timeout(FAREWELL_SECONDS):
            await send({"type": "websocket.close", "code": TRY_AGAIN})


def let_in(session_key: str, address: str) -> tuple[AbstractBaseUser | None, bool]:
    """Who is behind a session, and whether they may open a socket now. An address counts
    only for those without an account: a whole office may share it."""
    user = person_of(session_key) if session_key else None
    if user is None:
        who, most = rates.network(address), conf().stranger_opens_per_minute
        return None, not rates.spend_here(STRANGER_OPENS, who, most)
    most = conf().socket_opens_per_minute
    return user, not rates.spend_here(SOCKET_OPENS, f"person-{user.pk}", most)


def within(sockets: int) -> bool:
    """May a person have so many open?"""
    return not conf().sockets_per_person or sockets <= conf().sockets_per_person


def read_resume(text: str | None) -> tuple[pages.Token, dict[str, str]]:
    """Read a resume message.

    Args:
        text: the frame, as htmx sends a form: a JSON object with ``page`` (the
            signed token) and ``region`` (one or a list of "id:mark").

    Returns:
        The page's token, and the marks by region id.

    Raises:
        Malformed: the frame is anything else.
        pages.BadToken: the token is forged or expired.
    """
    if text is None or len(text) > conf().inbound_bytes:
        raise Malformed("not a text frame of acceptable length")
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Malformed("not JSON") from error
    if not isinstance(message, dict) or not message.keys() <= {"page", "region", "headers"}:
        raise Malformed("not a resume message")
    page, marks = message.get("page"), message.get("region", [])
    marks = [marks] if isinstance(marks, str) else marks
    if not isinstance(page, str) or not isinstance(marks, list):
        raise Malformed("fields of the wrong kind")
    if not all(isinstance(mark, str) and MARK.fullmatch(mark) for mark in marks):
        raise Malformed("marks of the wrong form")
    token = pages.Token.read(page)
    try:
        pages.check_known(token.regions)
    except UnknownRegion as error:  # a page of another release
        raise pages.BadToken(str(error)) from error
    return token, dict(mark.split(":", 1) for mark in marks)


def cookie(scope: Mapping[str, Any], name: str) -> str:
    """A cookie of the handshake, or "" when there is none."""
    # Django's own parser, so that pages and sockets see the same person: the
    # standard library's gives up at the first odd cookie of another program.
    jars = [value.decode("latin1") for header, value in scope["headers"] if header == b"cookie"]
    return str(parse_cookie("; ".join(jars)).get(name, ""))
