"""What the drills of a broken network rely on."""

from __future__ import annotations

import socket

from e2e.cable import Cable
from e2e.services import LOCALHOST, free_ports


def test_who_calls_while_the_server_is_away_is_told_so() -> None:
    """And so is the next: the cable goes on. Nothing of either stays open."""
    port, nobody = free_ports(2)
    cable = Cable(port, nobody)
    cable.plug()
    for _ in range(2):
        with socket.create_connection((LOCALHOST, port), 10) as caller:
            assert caller.recv(1) == b""
    cable.pull()
