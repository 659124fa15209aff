"""HTTP as bytes: what no client library would send."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path
from typing import Any

from e2e.services import LOCALHOST

#: How long a server may be silent before the test fails, in seconds.
PATIENCE = 10.0


def exchanged(port: int, sent: bytes, address: str = LOCALHOST) -> bytes:
    """Everything a server answers on one connection, until it ends that.

    Args:
        port: where the server listens.
        sent: all that the client sends.
        address: from where it does (any of 127.0.0.0/8).

    Raises:
        TimeoutError: it neither answers nor ends the connection.
    """
    with socket.create_connection((LOCALHOST, port), PATIENCE, (address, 0)) as line:
        answer = bytearray()
        try:
            line.sendall(sent)
            while part := line.recv(65536):
                answer += part
        except (ConnectionResetError, BrokenPipeError):
            pass  # refused before everything was read
        return bytes(answer)


def statuses(answer: bytes) -> list[int]:
    """The codes of the answers on one connection, in their order."""
    return [int(code) for code in re.findall(rb"HTTP/1\.[01] (\d{3}) ", answer)]


class Record:
    """What the witness has written down (see :mod:`e2e.attacks.witness`).

    Args:
        folder: the stack's.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "requests.jsonl"
        self._read = 0

    def news(self) -> list[dict[str, Any]]:
        """The requests that have arrived since this was asked before."""
        if not self._path.exists():
            return []
        with self._path.open() as written:
            written.seek(self._read)
            lines = written.readlines()
            self._read = written.tell()
        return [json.loads(line) for line in lines]
