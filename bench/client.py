"""Many light sockets in one thread: handshake by hand, epoll, count, remember.

A library's object per socket would cost the client more than the server under
test spends, and the measurement would be of the client.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from collab.live import deflate

from . import frames

#: Sockets opened together: below the servers' accept backlog of 50.
BATCH = 32
#: Anything that takes longer than this has failed.
PATIENCE_SECONDS = 60.0
#: Read at a time: room for many frames, and little enough to be had without asking the
#: system for memory, which would take longer than the reading.
READ_BYTES = 1 << 14


class Failed(Exception):
    """The servers under test did not do what is being measured."""


@dataclass(eq=False, slots=True)
class Client:
    """One socket: what it still has to parse, and what it has received."""

    socket: socket.socket
    group: Clients
    number: int
    rest: bytes = b""
    count: int = 0
    last: bytes = b""

    def read(self) -> None:
        """Read what is there."""
        data = self.socket.recv(READ_BYTES)
        group = self.group
        if not data:
            group.ended(self, b"")
            return
        group.bytes += len(data)
        complete, self.rest = frames.split(self.rest + data) if self.rest else cut(data)
        for opcode, payload in complete:
            if opcode == frames.TEXT:
                group.note(self, payload)
            elif opcode == frames.DEFLATED:
                group.note(self, inflated(payload))
            elif opcode == frames.PING:
                self._answer(payload)
            else:
                group.ended(self, payload)

    def _answer(self, ping: bytes) -> None:
        """Who has answered on a connection keeps its acknowledgments back for a while, to
        send them along (RFC 1122, section 4.2.3.2). Within one machine it is the server's
        next ``send`` then that makes and takes in the acknowledgment, and pays for it: a
        server that pings would be charged for what others are not. So they go at once,
        from here, as they do where nothing was answered (tcp(7), ``TCP_QUICKACK``)."""
        self.socket.sendall(frames.from_client(ping, frames.PONG))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


class Reader:
    """Reads all sockets of all ways, so that each server's pings are answered
    whichever is being measured."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._by_fd: dict[int, Client] = {}

    def add(self, client: Client) -> None:
        client.socket.setblocking(False)
        self._by_fd[client.socket.fileno()] = client
        self._epoll.register(client.socket, select.EPOLLIN)

    def remove(self, client: Client) -> None:
        del self._by_fd[client.socket.fileno()]
        self._epoll.unregister(client.socket)

    def pump(self, seconds: float) -> bool:
        """Read whatever is there, waiting at most ``seconds`` for the first byte.

        Returns:
            Whether anything came.
        """
        ready = self._epoll.poll(seconds)
        for fd, _ in ready:
            self._by_fd[fd].read()
        return bool(ready)

    def idle(self, seconds: float) -> None:
        """Read for ``seconds``."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.pump(left)


class Clients:
    """All sockets of one way.

    Args:
        reader: reads them.
        counted: text frames that contain these bytes are counted, and the last
            of them is kept; others (counters, notifications) are only read.
    """

    def __init__(self, reader: Reader, counted: bytes) -> None:
        self.reader = reader
        self.counted = counted
        #: Counted frames on all sockets, and the bytes of everything received.
        self.count = 0
        self.bytes = 0
        self._clients: list[Client] = []

    def __len__(self) -> int:
        return len(self._clients)

    def connect(self, port: int, requests: Sequence[bytes]) -> None:
        """Open one socket per handshake request.

        Raises:
            Failed: a server answered anything but 101.
        """
        for start in range(0, len(requests), BATCH):
            batch = []
            for request in requests[start : start + BATCH]:
                opened = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)
                opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                opened.sendall(request)
                batch.append(opened)
            for opened in batch:
                client = Client(opened, self, len(self._clients), _past_handshake(opened))
                self._clients.append(client)
                self.reader.add(client)
            self.reader.pump(0)

    def note(self, client: Client, payload: bytes) -> None:
        """A text frame has come."""
        if self.counted in payload:
            client.count += 1
            client.last = payload
            self.count += 1

    def ended(self, client: Client, payload: bytes) -> None:
        """A server has closed a socket.

        Raises:
            Failed: nobody asked it to.
        """
        raise Failed(f"A server closed a socket with {payload!r}.")

    def send(self, texts: Sequence[str]) -> None:
        """Send one text message on each of the last sockets, in the order of connecting."""
        fresh = self._clients[len(self._clients) - len(texts) :]
        for number, (client, text) in enumerate(zip(fresh, texts, strict=True)):
            client.socket.sendall(frames.from_client(text.encode()))
            if number % BATCH == 0:
                self.reader.pump(0)

    def receive(self, count: int) -> None:
        """Read until ``count`` frames have been counted since the beginning.

        Raises:
            Failed: they did not come.
        """
        until = time.monotonic() + PATIENCE_SECONDS
        while self.count < count:
            self.reader.pump(1.0)
            if time.monotonic() > until:
                raise Failed(f"Only {self.count} of {count} frames came.")

    def quieten(self, seconds: float) -> None:
        """Read until no counted frame has come for ``seconds``.

        Raises:
            Failed: there was no end of them.
        """
        until = time.monotonic() + PATIENCE_SECONDS
        before = -1
        while before != self.count:
            before = self.count
            self.reader.idle(seconds)
            if time.monotonic() > until:
                raise Failed("It does not become quiet.")

    def forget(self) -> None:
        """Start counting anew."""
        self.count = self.bytes = 0
        for client in self._clients:
            client.count, client.last = 0, b""

    def verify(self, count: int, marker: bytes) -> None:
        """Check that each socket got ``count`` frames, the last with ``marker``.

        Raises:
            Failed: one did not, or one was sent something else than the others.
        """
        lasts = {client.last for client in self._clients}
        if {client.count for client in self._clients} != {count}:
            raise Failed(f"Not every socket got exactly {count} frames.")
        if len(lasts) != 1 or marker not in lasts.pop():
            raise Failed(f"Not every socket has {marker!r} in its last frame.")

    def close(self) -> None:
        for client in self._clients:
            self.reader.remove(client)
            client.socket.close()


#: All sockets get the same frames: the client, which is all of them, does its work once.
inflated = lru_cache(maxsize=256)(deflate.inflated)
cut = lru_cache(maxsize=64)(frames.split)


def handshake(port: int, path: str = "/", *headers: str) -> bytes:
    """A WebSocket handshake request (RFC 6455, section 4.1), with the offer of every
    browser."""
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        f"Origin: http://127.0.0.1:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def _past_handshake(opened: socket.socket) -> bytes:
    """Wait for the answer; returns what came after it."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        data = opened.recv(1 << 16)
        if not data:
            raise Failed(f"The handshake ended with {answer!r}.")
        answer += data
    if not answer.startswith(b"HTTP/1.1 101"):
        raise Failed(f"The handshake was answered by {answer.splitlines()[0]!r}.")
    return answer.partition(b"\r\n\r\n")[2]
