"""Daphne, hardened: the settings it needs, a way for the hub to write frames
itself, patience with slow readers of long answers, and an orderly end.

This module is the only one that relies on Daphne's inner life; ``check`` fails
at start if that has changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pprint import pformat
from types import MappingProxyType
from typing import Any

from autobahn.websocket import protocol as autobahn_protocol
from autobahn.websocket.compress_deflate import (
    PerMessageDeflate,
    PerMessageDeflateOfferAccept,
)
from daphne import http_protocol
from daphne.http_protocol import WebRequest
from daphne.server import Server
from daphne.ws_protocol import WebSocketProtocol
from twisted.internet import abstract, defer, reactor, tcp, unix
from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.web import http

from collab.live import process
from collab.live.conf import conf
from collab.live.metrics import meter
from collab.live.transport import EXTENSION, STATE_OPEN, DaphneWire, WiredProtocol, unsent

from .compression import accept
from .garbage import Garbage

logger = logging.getLogger(__name__)

#: A silent client is pinged after this long, and gone if it has not answered in so long
#: (twice with the round in which it is looked at, and with the grace of leaving: a
#: pulled cable is noticed within 25 s).
PING_SECONDS = 10
ANSWER_SECONDS = 5
#: Each connection is looked at once in this time, so many at a time: 5,000 pings in one
#: go would hold up everything else, and to wake up for each costs more than it does.
ROUND_SECONDS = 2.0
LOOKED_AT = 250
#: RFC 6455, section 7.4.1 (IANA registry): "Service Restart"; htmx comes back.
SERVICE_RESTART = 1012
#: How long all may take after SIGTERM; and of that, what applications leave to the
#: engine, which has its own goodbyes to say.
DRAIN_SECONDS = 5.0
FAREWELL_SECONDS = 2.0
#: After how many seconds a request that came too late may be sent again.
RETRY_AFTER = b"1"
#: What a proxy asks the next server if this one gives no answer (RFC 9110, 9.2.2).
SAFE = ("GET", "HEAD", "OPTIONS")
#: More of a request's body is not kept; as much as deploy/nginx.conf lets through.
BODY_BYTES = 12 * 1024 * 1024
#: What Daphne would obey or stumble over, and nothing here needs: where the site is
#: mounted, which a client could say as well as a proxy, and subprotocols of sockets,
#: which are read as ASCII, whatever they are.
IGNORED_HEADERS = (b"daphne-root-path", b"sec-websocket-protocol")


class HardenedRequest(WebRequest):  # type: ignore[misc]
    """A request, or the beginning of a socket, from whoever it may be."""

    #: How much of the body has come, in bytes.
    received = 0
    #: Its time limits are looked at in each round.
    look_at = 0.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Forms are read by Django, in the thread of their request. Twisted would read
        # them first, in the event loop: a picture of 5 MB stopped it for 0.4 s.
        self._parsePOSTFormSubmission = False

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802
        """Keep a part of the body. Daphne keeps all of it, in files, before anybody asks
        who sends it; here the rest is heard out, so that the answer is read, and dropped."""
        self.received += len(data)
        if self.received <= BODY_BYTES:
            super().handleContentChunk(data)

    def process(self) -> Any:
        if self.received > BODY_BYTES:
            return self.basic_error(413, b"Content Too Large", "This is more than 12 MB.")
        for name in IGNORED_HEADERS:
            self.requestHeaders.removeHeader(name)
        return super().process()


#: Daphne has no setting for it, and looks it up here for each connection.
http_protocol.WebRequest = HardenedRequest


class Pretty:
    """What autobahn tells the log of each connection's two dozen options, made into a text
    where the log takes it. Autobahn makes it at each connection, mostly for nobody.

    Args:
        value: what is told.
    """

    def __init__(self, value: object) -> None:
        self._value = value

    def __str__(self) -> str:
        return pformat(self._value)


autobahn_protocol.pformat = Pretty  # type: ignore[assignment,attr-defined]


#: Of a handshake that is over.
NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class LiveProtocol(WiredProtocol, WebSocketProtocol):  # type: ignore[misc]
    """Daphne's, with a wire for the hub, and with pings that cost little."""

    def open_wire(self) -> DaphneWire:
        """The wire on which the hub writes to this socket. Of the handshake, which is
        over, nothing is remembered any more: of a browser's, that would be several KB
        for each page."""
        self.http_request_data, self.http_response_data = b"", ""
        self.http_headers = self.request.headers = NO_HEADERS
        self.clean_headers = self.websocket_extensions = ()
        return super().open_wire()

    def check_timeouts(self) -> None:
        if self.wire is not None and self.state == STATE_OPEN:
            self.check_life(PING_SECONDS, ANSWER_SECONDS)
        else:  # the handshake has a limit, too
            super().check_timeouts()


class HardenedServer(Server):  # type: ignore[misc]
    """Daphne with wires for the hub, and a drain at the end."""

    def __init__(
        self,
        application: Any,
        endpoints: list[str],
        on_listening: Callable[[], None],
        **options: Any,
    ) -> None:
        check()
        self.on_listening = on_listening
        self.ports: list[Any] = []
        #: After SIGTERM: first what comes is answered as ever, then no more is begun.
        self.is_draining = self.is_refusing = False
        #: Connections that are not looked at yet in this round, and in how many parts it is.
        self.unchecked: list[Any] = []
        self.parts = 1
        self.garbage = Garbage()
        super().__init__(
            application,
            endpoints=endpoints,
            ping_interval=PING_SECONDS,
            ping_timeout=ANSWER_SECONDS,
            websocket_timeout=-1,  # the default ends every socket after a day
            websocket_max_message_size=conf().inbound_bytes,
            websocket_max_frame_size=conf().inbound_bytes,
            server_name="collab",
            **options,
        )
        loop = type(reactor._asyncioEventloop).__module__.partition(".")[0]
        logger.info("serving on the event loop of %s", loop)

    #: Why it could not listen, if so.
    refusal = ""

    def listen_success(self, port: Any) -> None:
        super().listen_success(port)
        # Nobody can have connected yet.
        self.ws_factory.protocol = LiveProtocol
        self.ws_factory.setProtocolOptions(perMessageCompressionAccept=accept)
        self.ports.append(port)
        self.on_listening()

    def listen_error(self, failure: Any) -> None:
        self.refusal = failure.getErrorMessage()
        super().listen_error(failure)

    def timeout_checker(self) -> None:
        """Look at a part of the connections. Daphne looks at all, every two seconds."""
        if not self.unchecked:
            self.garbage.tidy(len(self.connections))
            self.unchecked = list(self.connections)
            self.parts = max(1, math.ceil(len(self.unchecked) / LOOKED_AT))
        now = time.monotonic()
        for protocol in self.unchecked[:LOOKED_AT]:
            if protocol.look_at <= now and protocol in self.connections:
                protocol.check_timeouts()
        del self.unchecked[:LOOKED_AT]
        asyncio.get_running_loop().call_later(ROUND_SECONDS / self.parts, self.timeout_checker)

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        if self.is_refusing and scope["type"] == "http":
            self._refuse(protocol, scope["method"])
            return None
        if scope["type"] == "websocket":
            self.garbage.opened()
            scope.setdefault("extensions", {})[EXTENSION] = protocol.open_wire
            inbox = super().create_application(protocol, scope)
            return inbox and Inbox(protocol, inbox)
        return super().create_application(protocol, scope)

    def protocol_disconnected(self, protocol: Any) -> None:
        if isinstance(protocol, WebSocketProtocol):
            self.garbage.ended()
        super().protocol_disconnected(protocol)

    def _refuse(self, protocol: Any, method: str) -> None:
        """Answer a request that came at the last moment, on a connection that was open. A
        proxy asks the next server if there is no answer, but not twice for what may have
        been done already: that is told to come again."""
        if method in SAFE:
            protocol.transport.loseConnection()
            return
        end_connection(protocol)
        protocol.setHeader(b"Retry-After", RETRY_AFTER)
        protocol.basic_error(503, b"Service Unavailable", "The server restarts. Try again.")

    async def handle_reply(self, protocol: Any, message: dict[str, Any]) -> None:
        """Send a part of a response; a client that reads slowly is waited for, and one
        that takes nothing is cut. Daphne takes whatever it is given, and would hold a
        long answer in memory."""
        details = self.connections.get(protocol)
        if details is None or "disconnected" in details:
            return  # the client has left; Daphne does nothing then, either
        # (Django's last part of a stream has no "body".)
        is_part = message.get("type") == "http.response.body"
        is_last = not message.get("more_body")
        if self.is_draining and message.get("type") == "http.response.start":
            end_connection(protocol)
        if is_part and not is_last and "tap" not in details:
            details["tap"] = Tap(protocol.transport)
            protocol.registerProducer(details["tap"], streaming=True)
        if is_part and is_last and details.pop("tap", None):
            protocol.unregisterProducer()
        await super().handle_reply(protocol, message)
        if tap := details.get("tap"):
            await tap.opened()

    def kill_all_applications(self) -> Any:
        """Before the reactor stops: close every socket as "restarting", let the
        applications end, leave presence in good order. What comes meanwhile on
        connections that are open is answered, and ends them; but from some moment on
        nothing new is begun: a request that is under way when the reactor stops leaves a
        thread waiting for the event loop, and the process with it, for ever."""
        return defer.Deferred.fromFuture(asyncio.ensure_future(self._drain()))

    async def _drain(self) -> None:
        self.is_draining = True
        for port in self.ports:
            port.stopListening()
        sockets = [p for p in self.connections if isinstance(p, WebSocketProtocol)]
        for protocol in sockets:
            if protocol.state == protocol.STATE_OPEN:
                protocol.sendCloseFrame(code=SERVICE_RESTART)
        clock = asyncio.get_running_loop().time
        until = clock() + DRAIN_SECONDS
        while (running := self._running()) and clock() < until - FAREWELL_SECONDS:
            await asyncio.wait(running, timeout=until - FAREWELL_SECONDS - clock())
        self.is_refusing = True
        for late in running:
            late.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await process.stop()
        logger.info("stopped: %d sockets were told to come back", len(sockets))

    def _running(self) -> list[asyncio.Task[None]]:
        """The applications that have not ended."""
        begun = [details.get("application_instance") for details in self.connections.values()]
        return [application for application in begun if application and not application.done()]


def end_connection(protocol: Any) -> None:
    """Let the answer to a request be the last on its connection, and say so."""
    if isinstance(protocol, WebRequest) and protocol.channel is not None:
        protocol.channel.persistent = False
        protocol.setHeader(b"Connection", b"close")


class Inbox:
    """What a socket has sent and the application has not read yet. Daphne keeps all of
    it; here, who sends faster than it can be read is cut.

    Args:
        protocol: the socket.
        queue: where the application reads.
    """

    def __init__(self, protocol: Any, queue: asyncio.Queue[dict[str, Any]]) -> None:
        self._protocol = protocol
        self._queue = queue
        self._is_cut = False

    def put_nowait(self, message: dict[str, Any]) -> None:
        """Take a message. (What Daphne has to say, such as the end, always fits.)"""
        if message["type"] == "websocket.receive":
            if self._queue.qsize() >= conf().inbound_frames:
                self._cut()
            if self._is_cut:  # what was received already is not read any more
                return
        self._queue.put_nowait(message)

    def _cut(self) -> None:
        logger.warning("cut a client that sent %d frames at once", self._queue.qsize())
        meter.count("cut_flood")
        self._is_cut = True
        while not self._queue.empty():
            self._queue.get_nowait()
        self._protocol.transport.abortConnection()


class Tap:
    """Whether a client keeps up with what it is sent; Twisted turns it (IPushProducer).

    Args:
        transport: to the client.
    """

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self.is_open = asyncio.Event()
        self.is_open.set()

    async def opened(self) -> None:
        """Wait until the client may be sent more, as long as it takes anything. A
        request holds a thread, and often a connection to the database."""
        while True:
            left = unsent(self._transport)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(conf().socket_stall_seconds):
                    await self.is_open.wait()
                return
            if unsent(self._transport) >= left:
                logger.info("cut a client that took nothing of a long answer")
                meter.count("cut_slow")
                self._transport.abortConnection()
                return

    def pauseProducing(self) -> None:  # noqa: N802
        self.is_open.clear()

    def resumeProducing(self) -> None:  # noqa: N802
        self.is_open.set()

    #: The client is gone: there is nothing to wait for.
    stopProducing = resumeProducing  # noqa: N815


CHANGED = "is not as expected; install the versions that requirements.txt pins."


#: Methods, with their parameters where they are overridden or called with some.
METHODS: Sequence[tuple[type, str, Sequence[str] | None]] = [
    (Server, "create_application", ["self", "protocol", "scope"]),
    (Server, "kill_all_applications", ["self"]),
    (Server, "timeout_checker", ["self"]),
    (Server, "protocol_disconnected", ["self", "protocol"]),
    (Server, "listen_success", ["self", "port"]),
    (Server, "handle_reply", ["self", "protocol", "message"]),
    (WebRequest, "registerProducer", ["self", "producer", "streaming"]),
    (WebRequest, "handleContentChunk", ["self", "data"]),
    (WebRequest, "process", None),
    (WebRequest, "basic_error", ["self", "status", "status_text", "body"]),
    (WebSocketProtocol, "sendCloseFrame", None),
    (WebSocketProtocol, "sendData", None),
    (WebSocketProtocol, "_trigger", ["self"]),
    (WebSocketProtocol, "dataReceived", ["self", "data"]),
    (WebSocketProtocol, "check_timeouts", ["self"]),
    (PerMessageDeflate, "end_decompress_message", ["self"]),
    (PerMessageDeflateOfferAccept, "get_extension_string", ["self"]),
]
#: Functions, and a name that each must mention.
MENTIONS: Sequence[tuple[Any, str]] = [
    (http_protocol.HTTPFactory.buildProtocol, "WebRequest"),
    (WebSocketProtocol._dataReceived, "data"),
    (WebSocketProtocol.processData, "current_frame"),
    (AsyncioSelectorReactor.addWriter, "_writers"),
    (Server.run, "self.ws_factory"),
    (Server.protocol_connected, "self.connections"),
    (Server.create_application, '["application_instance"]'),
    (WebSocketProtocol.sendData, "self.send_queue"),
    (WebSocketProtocol.succeedHandshake, "self._perMessageCompress"),
    (WebSocketProtocol.succeedHandshake, 'PMCE["PMCE"]'),
    (WebSocketProtocol.succeedHandshake, "self.http_response_data"),
    (WebSocketProtocol.processHandshake, "self.http_request_data"),
    (WebSocketProtocol.processHandshake, "self.http_headers"),
    (WebSocketProtocol.processHandshake, "self.websocket_extensions"),
    (autobahn_protocol.WebSocketProtocol._connectionMade, "pformat(configAttrLog)"),
    (WebSocketProtocol.onConnect, "self.clean_headers"),
    (WebSocketProtocol.onConnect, "self.request"),
    (WebSocketProtocol.onFrameData, "max_output_len"),
    (PerMessageDeflate.decompress_message_data, "PayloadExceededError"),
    (PerMessageDeflate.start_decompress_message, "self._decompressor"),
    (unix.Server.writeSomeData, "self._sendmsgQueue"),
    (http.HTTPChannel.requestDone, "self.persistent"),
]
#: What the wires (live/transport.py) and the taps read of a transport.
OF_A_TRANSPORT = (
    "dataBuffer",
    "offset",
    "_tempDataBuffer",
    "_tempDataLen",
    "disconnecting",
    "connected",
)


def check() -> None:
    """Fail loudly if Daphne is not the one this module was written for.

    Raises:
        RuntimeError: something relied on is missing.
    """
    for owner, name, parameters in METHODS:
        method = getattr(owner, name, None)
        if method is None or (
            parameters is not None and list(inspect.signature(method).parameters) != parameters
        ):
            raise RuntimeError(f"{owner.__name__}.{name} {CHANGED}")
    for function, name in MENTIONS:
        if name not in inspect.getsource(function):
            raise RuntimeError(f"{function.__qualname__} {CHANGED}")
    no_reactor: Any = object()
    written_to = abstract.FileDescriptor(reactor=no_reactor)
    for name in OF_A_TRANSPORT:
        if not hasattr(written_to, name):
            raise RuntimeError(f"FileDescriptor.{name} {CHANGED}")
    if "_parsePOSTFormSubmission" not in http.Request.__annotations__:
        raise RuntimeError(f"Request._parsePOSTFormSubmission {CHANGED}")
    if not hasattr(tcp.Server, "TLS") or WebSocketProtocol.STATE_OPEN != STATE_OPEN:
        raise RuntimeError(f"tcp.Server.TLS or WebSocketProtocol.STATE_OPEN {CHANGED}")
