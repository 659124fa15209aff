"""A network cable that can be pulled: Playwright's ``set_offline`` leaves open
WebSockets alone."""

from __future__ import annotations

import contextlib
import socket
import threading

from e2e.services import LOCALHOST


class Cable:
    """Forwards TCP from one port to another while it is plugged.

    Args:
        port: where people connect.
        to: where the server listens.
    """

    def __init__(self, port: int, to: int) -> None:
        self._port, self._to = port, to
        self._listener: socket.socket | None = None
        self._ends: set[socket.socket] = set()
        self._passes = threading.Event()
        self._passes.set()

    def plug(self) -> None:
        """Connections pass from now on."""
        self._passes.set()
        listener = socket.create_server((LOCALHOST, self._port))
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def pull(self) -> None:
        """All connections break, and none can be made."""
        if self._listener is not None:
            close(self._listener)
            self._listener = None
        self._passes.set()
        for end in list(self._ends):
            close(end)
        self._ends.clear()

    def freeze(self) -> None:
        """Nothing passes, and neither side is told: the cable hangs loose."""
        self._passes.clear()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
                far = socket.create_connection((LOCALHOST, self._to))
            except OSError:  # pulled
                return
            self._ends |= {near, far}
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                self._passes.wait()
                sink.sendall(data)
        close(source)
        close(sink)
        self._ends -= {source, sink}


def close(end: socket.socket) -> None:
    """Close a socket even while another thread waits for it."""
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
