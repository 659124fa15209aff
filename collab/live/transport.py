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

TEXT_FRAME = 0x81  # FIN and opcode 1, RFC 6455 section 5.2


class Frame:
    """One WebSocket text message, encoded and framed once for all receivers."""

    __slots__ = ("_wire", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._wire: bytes | None = None

    @property
    def wire(self) -> bytes:
        """The bytes on the wire: an unmasked, final text frame (RFC 6455, 5.2)."""
        if self._wire is None:
            self._wire = framed(self.text.encode())
        return self._wire


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

    __slots__ = ("_limit", "_open", "_protocol", "_send")

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol
        self._limit = conf().socket_buffer_bytes
        self._send = direct_send(protocol.transport)
        self._open = True

    def write(self, frame: Frame) -> None:
        protocol = self._protocol
        if not self._open or protocol.state != protocol.STATE_OPEN:
            return
        transport = protocol.transport
        waiting = len(transport.dataBuffer) - transport.offset + transport._tempDataLen
        if waiting > self._limit:
            logger.warning("live: cut a client with %d unread bytes", waiting)
            meter.count("cut_slow")
            self.abort()
        elif protocol.send_queue:
            protocol.sendData(frame.wire)  # behind what autobahn still holds
        elif waiting or not self._send or transport.disconnecting or not transport.connected:
            transport.write(frame.wire)
        else:
            data = frame.wire
            try:
                sent = self._send(data)
            except OSError:  # full, or gone: the transport will find out which
                sent = 0
            if sent < len(data):
                transport.write(data[sent:])

    def close(self, code: int) -> None:
        if self._open:
            self._open = False
            self._protocol.sendClose(code=code)

    def abort(self) -> None:
        # Autobahn stays "open" for one more turn of the loop after this.
        self._open = False
        transport = self._protocol.transport
        transport.abortConnection()
        # The connection is remembered for a while; what was meant for it need not be.
        transport.dataBuffer, transport._tempDataBuffer, transport._tempDataLen = b"", [], 0


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
