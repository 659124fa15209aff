"""How bytes reach a socket.

A frame is built once and written to many sockets. The hub never waits for a
client: :meth:`Wire.write` returns at once, and a client that does not read is
cut when what waits for it passes a limit. It comes back and resumes.

On the project's Daphne the bytes of the frame go straight to the socket, or
behind what already waits in the transport (:class:`DaphneWire`); on any other
ASGI server, through the server's ``send`` (:class:`QueueWire`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from twisted.internet import tcp, unix

from .conf import conf
from .metrics import meter

logger = logging.getLogger(__name__)

#: Where a server that can write frames itself leaves a factory of wires.
EXTENSION = "live.wire"

#: Of autobahn's protocol (``WebSocketProtocol.STATE_OPEN``; the server checks it).
STATE_OPEN = 3
TEXT_FRAME = 0x81  # FIN and opcode 1, RFC 6455 section 5.2


class Frame:
    """One WebSocket text message, encoded and framed once for all receivers.

    Attributes:
        text: the message.
        wire: the bytes on the wire, an unmasked, final text frame (RFC 6455, 5.2).
        size: how many they are.
    """

    __slots__ = ("size", "text", "wire")

    def __init__(self, text: str) -> None:
        self.text = text
        self.wire = framed(text.encode())
        self.size = len(self.wire)


def framed(payload: bytes) -> bytes:
    """A payload with its frame header, as a server sends it."""
    size = len(payload)
    if size < 126:
        return bytes((TEXT_FRAME, size)) + payload
    if size < 1 << 16:
        return bytes((TEXT_FRAME, 126)) + size.to_bytes(2, "big") + payload
    return bytes((TEXT_FRAME, 127)) + size.to_bytes(8, "big") + payload


class Wire(Protocol):
    """One open socket, as the hub sees it."""

    def write(self, frame: Frame) -> None:
        """Send a frame, or queue it. Never blocks; silent once closed."""

    def close(self, code: int) -> None:
        """Close with an application's code (4000-4999)."""

    def abort(self) -> None:
        """End the connection at once, whatever is still unsent. The page comes
        back by itself, and resumes."""


class DaphneWire:
    """A socket of Daphne, written to without a coroutine per message.

    A transport that has nothing to send would only pass a frame on, at the price
    of entering and leaving the event loop's list of writers. So the socket gets
    it at once, and the transport what the socket did not take.

    Args:
        protocol: Daphne's ``WebSocketProtocol``, open.
    """

    __slots__ = ("_held", "_open", "_protocol", "_send", "_transport", "_writers")

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol
        self._transport = protocol.transport
        #: What autobahn holds back, and who waits to write: both are one object for
        #: the protocol's and the reactor's whole life.
        self._held = protocol.send_queue
        self._writers = protocol.transport.reactor._writers
        self._send = direct_send(protocol.transport)
        self._open = True

    def write(self, frame: Frame) -> None:
        # This is done for every socket and event. Most of its time goes into reading
        # memory that no cache has, so it looks at as few objects as it can: whoever
        # has bytes to send, or is ending after them, is among the writers; whoever
        # ends without them is not open any more.
        if (
            self._send is not None
            and self._transport not in self._writers
            and not self._held
            and self._protocol.state == STATE_OPEN
        ):
            try:
                sent = self._send(frame.wire)
            except OSError:  # full, or gone: the transport will find out which
                sent = 0
            if sent != frame.size:
                self._transport.write(frame.wire[sent:])
        else:
            self._write_behind(frame)

    def _write_behind(self, frame: Frame) -> None:
        """Write behind what waits already, unless that is too much."""
        protocol, transport = self._protocol, self._transport
        if not self._open or protocol.state != STATE_OPEN:
            return
        waiting = len(transport.dataBuffer) - transport.offset + transport._tempDataLen
        if waiting > conf().socket_buffer_bytes:
            logger.warning("live: cut a client with %d unread bytes", waiting)
            meter.count("cut_slow")
            self.abort()
        elif self._held:
            protocol.sendData(frame.wire)  # behind what autobahn still holds
        else:
            transport.write(frame.wire)

    def close(self, code: int) -> None:
        if self._open:
            self._end()
            self._protocol.sendClose(code=code)

    def abort(self) -> None:
        # Autobahn stays "open" for one more turn of the loop after this.
        self._end()
        transport = self._transport
        transport.abortConnection()
        # The connection is remembered for a while; what was meant for it need not be.
        transport.dataBuffer, transport._tempDataBuffer, transport._tempDataLen = b"", [], 0

    def _end(self) -> None:
        self._open, self._send = False, None


def direct_send(transport: Any) -> Callable[[bytes], int] | None:
    """The socket's own ``send``, where the transport adds nothing to the bytes.

    It is bound to the socket, not to its number: once this socket is closed, the
    number may be another's.

    Returns:
        None when the transport does add something (TLS, a file descriptor to be
        passed on), or is not known.
    """
    is_plain = type(transport) is tcp.Server and not transport.TLS
    if is_plain or (type(transport) is unix.Server and not transport._sendmsgQueue):
        send: Callable[[bytes], int] = transport.socket.send
        return send
    return None


class QueueWire:
    """A socket of any ASGI server: a bounded queue and a task that sends.

    Args:
        send: the ASGI ``send`` of the accepted socket.
        cut: called when the client is too far behind to be served.
    """

    def __init__(
        self, send: Callable[[dict[str, Any]], Awaitable[None]], cut: Callable[[], None]
    ) -> None:
        self._send = send
        self._cut = cut
        self._queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(conf().socket_queue_frames)
        self._open = True
        self._task = asyncio.create_task(self._run(), name="live-wire")

    def write(self, frame: Frame) -> None:
        self._put({"type": "websocket.send", "text": frame.text})

    def close(self, code: int) -> None:
        self._put({"type": "websocket.close", "code": code})

    def abort(self) -> None:
        self.end()
        self._cut()

    def end(self) -> None:
        """The socket is gone: stop sending."""
        self._open = False
        self._task.cancel()

    def _put(self, message: dict[str, Any]) -> None:
        if not self._open:
            return
        try:
            self._queue.put_nowait(message)
        except asyncio.QueueFull:
            logger.warning("live: cut a client with %d unread frames", self._queue.qsize())
            meter.count("cut_slow")
            self.abort()

    async def _run(self) -> None:
        while self._open:
            message = await self._queue.get()
            try:
                await self._send(message)
            except Exception as error:  # whatever a server raises for a dead socket
                logger.info("live: a socket went away while sending: %s", error)
                self._open = False
            if message["type"] == "websocket.close":
                self._open = False
