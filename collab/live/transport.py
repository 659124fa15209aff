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
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import Any, Protocol

from twisted.internet import tcp, unix

from .conf import conf
from .deflate import deflated
from .metrics import meter

logger = logging.getLogger(__name__)

#: Where a server that can write frames itself leaves a factory of wires.
EXTENSION = "live.wire"

#: Of autobahn's protocol (``WebSocketProtocol.STATE_OPEN``; the server checks it).
STATE_OPEN = 3
TEXT_FRAME = 0x81  # FIN and opcode 1, RFC 6455 section 5.2
COMPRESSED = 0x40  # RSV1, RFC 7692 section 6
#: What is compressed: more than fits into one packet of an Ethernet, and no more than
#: takes some 5 ms, if it is prose.
DEFLATED_BYTES = range(1400, 256 * 1024)
#: An empty ping as a server sends it, and how a client's empty pong begins: four bytes
#: of its mask follow (RFC 6455, sections 5.2, 5.5.2 and 5.5.3).
PING = b"\x89\x00"
PONG_HEAD = b"\x8a\x80"
PONG_BYTES = 6
#: All wires of a bundle.
WHOLE = slice(None)

#: A socket's own ``send``.
Send = Callable[[bytes], int]


class Frame:
    """One WebSocket text message, encoded and framed once for all receivers.

    Attributes:
        text: the message.
        wire: the bytes on the wire, an unmasked, final text frame (RFC 6455, 5.2).
        size: how many they are.
    """

    __slots__ = ("_deflated", "size", "text", "wire")

    def __init__(self, text: str, wire: bytes | None = None) -> None:
        self.text = text
        self.wire = framed(text.encode()) if wire is None else wire
        self.size = len(self.wire)
        self._deflated: Frame | None = None

    @property
    def is_compressed(self) -> bool:
        """Is it for those only who have agreed to that?"""
        return bool(self.wire[0] & COMPRESSED)

    @property
    def deflated(self) -> Frame:
        """The same message, compressed at the first call; or this one, if it is too short
        for that, or so long that it would hold up everybody else."""
        if self.size not in DEFLATED_BYTES:
            return self
        if self._deflated is None:
            wire = framed(deflated(self.text.encode()), TEXT_FRAME | COMPRESSED)
            self._deflated = Frame(self.text, wire)
        return self._deflated


def framed(payload: bytes, head: int = TEXT_FRAME) -> bytes:
    """A payload with its frame header, as a server sends it."""
    size = len(payload)
    if size < 126:
        return bytes((head, size)) + payload
    if size < 1 << 16:
        return bytes((head, 126)) + size.to_bytes(2, "big") + payload
    return bytes((head, 127)) + size.to_bytes(8, "big") + payload


class Wire(Protocol):
    """One open socket, as the hub sees it.

    Attributes:
        deflates: whether it takes frames that are compressed already.
    """

    deflates: bool

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
        protocol: Daphne's ``WebSocketProtocol``, open, and a :class:`WiredProtocol`.

    Attributes:
        deflates: whether the client has agreed to compressed messages.
        straight: the socket's own ``send``, while nothing but the transport can
            have bytes for it; then None, for good.
    """

    __slots__ = ("_longest", "_open", "_protocol", "_transport", "deflates", "straight")

    #: How often a wire of this process has lost its straight way.
    diverted = 0

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol
        self._transport = protocol.transport
        self._open = True
        self.deflates: bool = protocol.deflates
        #: The longest frame that may be among what waits, if one is longer than what may.
        self._longest = 0
        is_clear = protocol.state == STATE_OPEN and not protocol.send_queue
        self.straight = direct_send(protocol.transport) if is_clear else None

    def write(self, frame: Frame) -> None:
        self._write(frame.wire)

    def ping(self) -> None:
        """Ask the client for a sign of life."""
        self._write(PING)

    def _write(self, data: bytes) -> None:
        # Whoever has bytes to send, or is ending after them, is among the writers;
        # whoever ends without them is not open any more.
        if self.straight is None or self._transport in self.writers:
            self._write_behind(data)
            return
        try:
            sent = self.straight(data)
        except OSError:  # full, or gone: the transport will find out which
            sent = 0
        if sent != len(data):
            self.follow(data[sent:])

    @property
    def writers(self) -> Collection[Any]:
        """The transports of this process that have something to send."""
        writers: Collection[Any] = self._transport.reactor._writers
        return writers

    def follow(self, rest: bytes) -> None:
        """Leave to the transport what the socket did not take."""
        self._protocol.look_at = 0.0
        self._allow(len(rest), 0)
        self._transport.write(rest)

    def _allow(self, size: int, waiting: int) -> None:
        """A single frame longer than what may wait is no reason to cut who reads it; nor
        is the next, which comes before it is read."""
        longer = size if size > conf().socket_buffer_bytes else 0
        self._longest = max(longer, self._longest) if waiting else longer

    @property
    def waiting(self) -> int:
        """How many bytes the socket has not taken yet."""
        return unsent(self._transport)

    def _write_behind(self, data: bytes) -> None:
        """Write behind what waits already, unless that is too much."""
        if not self._open or self._protocol.state != STATE_OPEN:
            return
        self._protocol.look_at = 0.0
        waiting = self.waiting
        if waiting > conf().socket_buffer_bytes + self._longest:
            self.cut()
        else:
            self._allow(len(data), waiting)
            self._protocol.sendData(data)  # behind what autobahn still holds, too

    def cut(self) -> None:
        """End the connection of a client that does not read."""
        logger.warning("live: cut a client with %d unread bytes", self.waiting)
        meter.count("cut_slow")
        self.abort()

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

    def bound(self) -> Send | None:
        """The straight way, as an object made now."""
        if self.straight is None:
            return None
        method: Any = self.straight
        send: Send = method.__self__.send
        return send

    def divert(self) -> None:
        """From here on, every frame takes the way of all other bytes."""
        if self.straight is not None:
            self.straight = None
            DaphneWire.diverted += 1

    def _end(self) -> None:
        self._open = False
        self.divert()


class WiredProtocol:
    """For Daphne's ``WebSocketProtocol`` to inherit from first: it tells its wire when
    frames may not go straight to the socket any more. To ask before each frame would
    cost more than all of it but the sending.
    """

    wire: DaphneWire | None = None
    data: bytes  # autobahn's: what it has received and not looked at yet
    current_frame: Any
    #: Autobahn's: what compresses, once that is agreed on.
    _perMessageCompress: Any = None  # noqa: N815
    _state = 0
    #: When the client last gave a sign of life, or was asked for one, in seconds of the
    #: monotonic clock; and whether it was asked since.
    _heard_at = 0.0
    _is_asked = False
    #: How many bytes waited for it when that was last looked at.
    _waited = 0
    #: Before this time of the monotonic clock there is no need to look at it: most of
    #: those who are open have been heard of a moment ago, and nothing waits for them.
    look_at = 0.0

    @property
    def deflates(self) -> bool:
        """Has the client agreed to compressed messages?"""
        return self._perMessageCompress is not None

    @property
    def state(self) -> int:
        """Autobahn's state of the connection."""
        return self._state

    @state.setter
    def state(self, value: int) -> None:
        self._state = value
        if self.wire is not None and value != STATE_OPEN:
            self.wire.divert()

    def _trigger(self) -> None:
        """Autobahn has put something into a queue of its own."""
        if self.wire is not None:
            self.wire.divert()
        super()._trigger()  # type: ignore[misc]

    def open_wire(self) -> DaphneWire:
        """The wire on which the hub writes to this socket."""
        self.wire = DaphneWire(self)
        self._heard_at = time.monotonic()
        return self.wire

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Whatever comes is a sign of life. If it is an empty pong, it is nothing else,
        and autobahn, which would take it apart byte by byte, need not see it."""
        self._heard_at, self._is_asked = time.monotonic(), False
        is_pong = len(data) == PONG_BYTES and data.startswith(PONG_HEAD)
        if not (is_pong and self._state == STATE_OPEN and self._is_between_frames()):
            super().dataReceived(data)  # type: ignore[misc]

    def _is_between_frames(self) -> bool:
        return not self.data and self.current_frame is None

    def check_life(self, ping_seconds: float, answer_seconds: float) -> None:
        """Ask for a sign of life after a silence, and cut who does not give it in time,
        or who takes nothing of what waits. For the server to call often.

        Args:
            ping_seconds: how long a silence lasts.
            answer_seconds: how much time there is for an answer.

        A ping of autobahn's, its timer and the answer cost twenty times as much: for
        5,000 idle pages half a second of computing, every few seconds.
        """
        wire, now = self.wire, time.monotonic()
        if wire is None or self._state != STATE_OPEN:
            return
        self.look_at = 0.0
        if waiting := wire.waiting:
            # A ping would stand behind it. But who takes something lives.
            if not self._waited or waiting < self._waited:
                self._heard_at, self._is_asked = now, False
            elif now - self._heard_at > conf().socket_stall_seconds:
                wire.cut()
        elif self._is_asked:
            if now - self._heard_at > answer_seconds:
                wire.abort()
        elif now - self._heard_at > ping_seconds:
            self._heard_at, self._is_asked = now, True
            wire.ping()
        if not wire.waiting:  # the ping may
            self.look_at = self._heard_at + (answer_seconds if self._is_asked else ping_seconds)
        self._waited = waiting


class Bundle:
    """Wires that get the same frames, kept ready from one event to the next.

    What a delivery costs beyond its system call is mostly reading memory that no
    cache has. So a bundle has the ``send`` of all its sockets side by side, and
    looks at nothing else of a socket while nothing is the matter with it.

    Args:
        wires: they take compressed frames, all of them or none.
    """

    __slots__ = ("_diverted", "_sends", "deflates", "wires")

    def __init__(self, wires: Iterable[Wire]) -> None:
        self.wires = tuple(wires)
        self.deflates = self.wires[0].deflates
        #: Of all wires, or none: then they are not all straight.
        self._sends: Sequence[Send] = ()
        self._diverted = -1

    def write(self, frame: Frame, turn: Turn, part: slice = WHOLE) -> list[Wire]:
        """Send a frame to all of them, or to a part.

        Args:
            turn: the event loop's; the same for all that is written in it.

        Returns:
            Those that raised an error.
        """
        if self._diverted != DaphneWire.diverted:
            self._diverted = DaphneWire.diverted
            self._sends = straight_ways(self.wires)
        wires = self.wires[part]
        if self._sends:
            left = self._write_straight(frame, turn, wires, self._sends[part])
        else:
            left = [(wire, 0) for wire in wires]
        broken = []
        for wire, sent in left:
            try:
                if sent and isinstance(wire, DaphneWire):
                    wire.follow(frame.wire[sent:])
                else:
                    wire.write(frame)
            except Exception:  # one broken socket must not cost the others their frame
                logger.exception("live: could not write to a socket")
                broken.append(wire)
        return broken

    def _write_straight(
        self, frame: Frame, turn: Turn, wires: Sequence[Wire], sends: Sequence[Send]
    ) -> list[tuple[Wire, int]]:
        """Returns the wires whose socket did not take it all, and how many bytes it took."""
        behind = turn.behind(wires[0])
        # Nearly always nobody is: then there is no need to look each of them up.
        left = dict.fromkeys(behind.intersection(sends), 0) if behind else {}
        data, size = frame.wire, frame.size
        # Nothing here that is not needed for each: it is done for every delivery.
        for send in [send for send in sends if send not in left] if left else sends:
            try:
                sent = send(data)
            except OSError:  # full, or gone: the transport will find out which
                sent = 0
            if sent != size:
                left[send] = sent
        if not left:
            return []
        behind.update(left)
        return [(w, left[send]) for w, send in zip(wires, sends, strict=True) if send in left]


def straight_ways(wires: Iterable[Wire]) -> Sequence[Send]:
    """The straight ways of all these wires; nothing, if one of them has none. They are
    bound anew, each equal to its wire's own: made together, they lie side by side in memory,
    where those of the wires lie as far apart as the handshakes were."""
    found = []
    for wire in wires:
        if not isinstance(wire, DaphneWire) or (send := wire.bound()) is None:
            return ()
        found.append(send)
    return tuple(found)  # a part that is the whole is no copy then


class Turn:
    """A turn of the event loop, in which many frames are written: who is behind, of all
    wires of the process, is asked once. Until the loop's next turn nobody catches up,
    and who falls behind does so because of what is written here."""

    __slots__ = ("_behind",)

    def __init__(self) -> None:
        self._behind: set[Send] | None = None

    def behind(self, one: Wire) -> set[Send]:
        """The straight ways that may not be taken now: their transports have something to
        send.

        Args:
            one: any wire that has a straight way.
        """
        if self._behind is None:
            writers = one.writers if isinstance(one, DaphneWire) else ()
            # A transport of something else, such as an answer over HTTP, has no wire.
            wires = [getattr(transport.protocol, "wire", None) for transport in writers]
            self._behind = {wire.straight for wire in wires if wire is not None}
        return self._behind


def unsent(transport: Any) -> int:
    """How many bytes a transport of Twisted's still has to send."""
    size: int = len(transport.dataBuffer) - transport.offset + transport._tempDataLen
    return size


def direct_send(transport: Any) -> Send | None:
    """The socket's own ``send``, where the transport adds nothing to the bytes.

    It is bound to the socket, not to its number: once this socket is closed, the
    number may be another's.

    Returns:
        None when the transport does add something (TLS, a file descriptor to be
        passed on), or is not known.
    """
    is_plain = type(transport) is tcp.Server and not transport.TLS
    if is_plain or (type(transport) is unix.Server and not transport._sendmsgQueue):
        send: Send = transport.socket.send
        return send
    return None


class QueueWire:
    """A socket of any ASGI server: a bounded queue and a task that sends.

    Args:
        send: the ASGI ``send`` of the accepted socket.
        cut: called when the socket must end: the client is too far behind to be served,
            or the server cannot send to it any more.
    """

    #: Whatever is compressed there, the server compresses by itself.
    deflates = False

    def __init__(
        self, send: Callable[[dict[str, Any]], Awaitable[None]], cut: Callable[[], None]
    ) -> None:
        self._send = send
        self._cut = cut
        #: What waits behind the one that is being sent, and how many bytes that is.
        self._queue: asyncio.Queue[tuple[dict[str, Any], int]] = asyncio.Queue()
        self._bytes = 0
        self._open = True
        self._task = asyncio.create_task(self._run(), name="live-wire")

    def write(self, frame: Frame) -> None:
        self._put({"type": "websocket.send", "text": frame.text}, frame.size)

    def close(self, code: int) -> None:
        self._put({"type": "websocket.close", "code": code}, 0)

    def abort(self) -> None:
        self.end()
        self._cut()

    def end(self) -> None:
        """The socket is gone: stop sending."""
        self._open = False
        self._task.cancel()

    def _put(self, message: dict[str, Any], size: int) -> None:
        if not self._open:
            return
        is_full = self._queue.qsize() >= conf().socket_queue_frames
        if is_full or self._bytes > conf().socket_buffer_bytes:
            self._too_slow()
            return
        self._bytes += size
        self._queue.put_nowait((message, size))

    def _too_slow(self) -> None:
        logger.warning("live: cut a client with %d unread frames", self._queue.qsize())
        meter.count("cut_slow")
        self.abort()

    async def _run(self) -> None:
        while self._open:
            message, size = await self._queue.get()
            self._bytes -= size
            try:
                async with asyncio.timeout(conf().socket_stall_seconds):
                    await self._send(message)
            except TimeoutError:
                self._too_slow()
                return
            except Exception as error:  # whatever a server raises for a dead socket
                logger.info("live: a socket went away while sending: %r", error)
                self.abort()
                return
            if message["type"] == "websocket.close":
                self._open = False
