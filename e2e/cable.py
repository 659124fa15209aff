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
        self._swallows = False
        self._left: dict[str, int] = {}
        #: How often it has been cut in the middle of something.
        self.cuts = 0
        self._lock = threading.RLock()

    def plug(self) -> None:
        """Connections pass from now on."""
        with self._lock:
            self._passes.set()
            self._swallows = False
            self._left.clear()
            listener = socket.create_server((LOCALHOST, self._port))
            self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def pull(self) -> None:
        """All connections break, and none can be made."""
        with self._lock:
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

    def swallow(self) -> None:
        """What is asked still passes, but no answer comes back."""
        self._swallows = True

    def cut_after(self, way: str, count: int) -> None:
        """Let so many more bytes pass ``up`` (or ``down``), and then pull the cable:
        in the middle of whatever it is."""
        self._left[way] = count

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:  # pulled
                return
            try:
                far = socket.create_connection((LOCALHOST, self._to))
            except OSError:  # the server is not there: whoever called is told so
                close(near)
                continue
            with self._lock:
                if self._listener is not listener:  # pulled meanwhile
                    close(near)
                    close(far)
                    return
                self._ends |= {near, far}
            for way in ((near, far, "up"), (far, near, "down")):
                threading.Thread(target=self._pump, args=(*way, listener), daemon=True).start()

    def _pump(
        self, source: socket.socket, sink: socket.socket, way: str, listener: socket.socket
    ) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                self._passes.wait()
                if way == "down" and self._swallows:
                    continue
                allowed = self._allowed(way, len(data))
                sink.sendall(data[:allowed])
                if allowed < len(data):
                    self._cut(listener)
        close(source)
        close(sink)
        self._ends -= {source, sink}

    def _allowed(self, way: str, count: int) -> int:
        """How many of these bytes may pass before the cut."""
        with self._lock:
            if way not in self._left:
                return count
            allowed = min(count, self._left[way])
            self._left[way] -= allowed
            return allowed

    def _cut(self, listener: socket.socket) -> None:
        """Pull the cable, unless it has been plugged anew since."""
        with self._lock:
            if self._listener is listener:
                self.cuts += 1
                self.pull()


def close(end: socket.socket) -> None:
    """Close a socket even while another thread waits for it."""
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
