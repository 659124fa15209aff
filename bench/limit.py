"""The limit: a bare asyncio server, one preframed ``send`` per socket.

It listens on the port given as its argument. On its standard input it takes
events: four bytes of length, then the text. Each goes to all sockets.
"""

from __future__ import annotations

import asyncio
import socket
import sys

from . import frames

ACCEPTED = (
    b"HTTP/1.1 101 Switching Protocols\r\n"
    b"Upgrade: websocket\r\n"
    b"Connection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)


async def accept(listening: socket.socket, sockets: list[socket.socket]) -> None:
    """Take in sockets for ever. The answer fits the client's constant key."""
    loop = asyncio.get_running_loop()
    while True:
        accepted, _ = await loop.sock_accept(listening)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        request = b""
        while data := await loop.sock_recv(accepted, 1 << 16):
            request += data
            if request.endswith(b"\r\n\r\n"):
                await loop.sock_sendall(accepted, ACCEPTED)
                sockets.append(accepted)
                break


async def serve(port: int) -> None:
    """Serve until the standard input ends."""
    loop = asyncio.get_running_loop()
    listening = socket.create_server(("127.0.0.1", port), backlog=128)
    listening.setblocking(False)
    sockets: list[socket.socket] = []
    accepting = asyncio.create_task(accept(listening, sockets))
    events = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(events), sys.stdin)
    while size := await events.read(4):
        frame = frames.from_server(await events.readexactly(int.from_bytes(size, "big")))
        for receiver in sockets:
            if receiver.send(frame) != len(frame):
                raise RuntimeError("The client does not keep up.")
        await asyncio.sleep(0)
    accepting.cancel()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
