"""Clients that are gone without a word, do not read, or never stop talking."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from bench import frames
from bench.client import handshake
from e2e.conftest import on_either_loop
from e2e.drills.crowd import ENOUGH, FEEDS, Crowd, Visitor, Waits, memory
from e2e.lengths import length
from e2e.people import PULLED
from e2e.services import LOCALHOST, eventually
from e2e.stack import Stack

#: What is promised: a client that misbehaves costs a process no more memory than
#: this (bytes), and the others no more time (seconds, 99 of 100).
MEMORY, WAIT = 10 * 2**20, 0.1
#: How much is meant for a client that does not read, and how much comes from one
#: that does not stop, in bytes.
UNREAD, FLOOD = length(15, full=50) * 2**20, length(50, full=200) * 2**20
#: A text of the greatest length, nearly.
LONG = ("Some words. " * 80 + "\n\n") * 200
#: Only for getting a crowd in, in seconds.
ENTERING = 60.0


class Rude:
    """A bare socket of a visitor: it reads and writes only what it is told to."""

    def __init__(self, visitor: Visitor) -> None:
        port = visitor.ports[0]
        self.socket = socket.socket()
        # Small, so that what is not read waits in the server.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.settimeout(5)
        self.socket.connect((LOCALHOST, port))
        self.socket.sendall(handshake(port, "/live/", f"Cookie: {visitor.cookie}"))
        assert self.socket.recv(12) == b"HTTP/1.1 101"

    def says(self, text: str) -> bool:
        """Send a text frame. Returns whether the connection is still there."""
        try:
            self.socket.sendall(frames.from_client(text.encode()))
        except OSError:  # refused, or not taken within the time limit
            return False
        return True

    def leaves(self) -> None:
        self.socket.close()


class Harm:
    """What a process and the others suffer meanwhile."""

    def __init__(self, stack: Stack, waits: Waits) -> None:
        process = stack.service("serve-0").process
        assert process
        self.pid = process.pid
        self.waits = waits
        self.before = self.most = memory(self.pid)

    def look(self) -> None:
        """See how much memory it has now."""
        self.most = max(self.most, memory(self.pid))


@contextmanager
def harmless(stack: Stack, crowd: Crowd, others: Sequence[Visitor]) -> Iterator[Harm]:
    """Whatever is done, the process and the others suffer no more than is promised."""
    with crowd.pinging(others) as waits:
        harm = Harm(stack, waits)
        yield harm
        eventually(lambda: len(waits.answers) >= ENOUGH, "the others are served")
    assert harm.most - harm.before <= MEMORY
    assert waits.p99() < WAIT


def test_half_open_clients(stack: Stack, crowd: Crowd) -> None:
    """100 clients lie there with an open connection and answer nothing, as after a cut
    that nobody was told of.

    Pass: within 25 s the others count exactly those who are there.
    """
    visitors = crowd.enter(110)
    here, gone = visitors[:10], visitors[10:]
    crowd.connect(here)
    rude = [Rude(visitor) for visitor in gone]
    for one, visitor in zip(rude, gone, strict=True):
        assert one.says(visitor.resume())
    crowd.become_right(here, 110, within=ENTERING, what="all are in")
    crowd.become_right(here, 10, within=PULLED / 1000, what="the dead are gone")
    for one in rude:
        one.leaves()


@on_either_loop
def test_a_client_that_does_not_read(stack: Stack, crowd: Crowd) -> None:
    """It asks again and again for the whole of a long document (50 MB in the end) and
    reads nothing; whenever it is cut it comes back.

    Pass: the process needs at most 10 MB more than before, and 99 of 100 times the
    others wait less than 100 ms; each time it was cut because it did not read, and for
    nothing else; when it comes back and reads, its page is right.
    """
    before = stack.new_numbers()
    (document,) = crowd.ask("write", count=1, text=LONG)
    others = crowd.enter(20)
    crowd.connect(others)
    page = others[0].another(f"/documents/{document}/")
    size = len(page.loads(f"/documents/{document}/"))
    assert size > 100_000
    page.marks = dict.fromkeys(page.marks, "0")  # nothing of what it has is current
    polite = others[0].another(f"/documents/{document}/")
    crowd.connect([polite])
    for _ in range(50):  # as much memory as it takes to serve somebody who reads
        polite.marks = dict.fromkeys(polite.marks, "0")
        crowd.asks_again(polite)
        eventually(lambda: len(set(polite.marks.values()) - {"0"}), "it is sent all")
    reader = Rude(page)
    sent = cuts = 0
    with harmless(stack, crowd, others) as harm:
        while sent < UNREAD:
            if reader.says(page.resume()):
                sent += size
            else:
                reader.leaves()
                cuts += 1
                reader = Rude(page)
            answered = len(harm.waits.answers) + 2
            eventually(lambda: len(harm.waits.answers) >= answered, "the others are served")  # noqa: B023
            harm.look()
    reader.leaves()
    assert cuts
    crowd.connect([page])
    fresh = others[0].another(f"/documents/{document}/")
    shown = {name: mark for name, mark in fresh.marks.items() if name not in FEEDS}
    eventually(lambda: shown.items() <= page.marks.items(), "it is right again")
    assert page.codes == []
    eventually(lambda: stack.numbers()["cut_slow"] >= before["cut_slow"] + cuts, "all are counted")
    assert stack.numbers()["cut_flood"] == before["cut_flood"]


def flood(kind: str, page: Visitor) -> bytes:
    """A frame that is sent again and again."""
    if kind == "a frame without end":
        return b"\x81\xff" + (2**40).to_bytes(8, "big") + bytes(100_000)
    if kind == "rubbish":
        return frames.from_client(b"x" * 60_000)
    marks = ",".join(f'"lock_badge-{number}:0"' for number in range(2600))
    text = page.resume().replace('"region": [', f'"region": [{marks}, ')
    assert 50_000 < len(text) < 64 * 1024
    return frames.from_client(text.encode())


@pytest.mark.parametrize("kind", ["rubbish", "resumes", "a frame without end"])
def test_an_inbound_flood(stack: Stack, crowd: Crowd, kind: str) -> None:
    """A client sends 200 MB as fast as it can: frames of no meaning, well-formed
    messages, or one frame that never ends; cut off, it comes back.

    Pass: the process needs at most 10 MB more than before, and 99 of 100 times the
    others wait less than 100 ms.
    """
    others = crowd.enter(20)
    crowd.connect(others)
    page = others[0].another()
    data = flood(kind, page)
    flooder = Rude(page)
    sent = cuts = 0
    with harmless(stack, crowd, others) as harm:
        while sent < FLOOD:
            try:
                flooder.socket.sendall(data)
                sent += len(data)
            except OSError:
                cuts += 1
                flooder.leaves()
                flooder = Rude(page)
            harm.look()
    flooder.leaves()
    assert cuts
