"""Frames that no client sends, over raw sockets to Daphne as ``manage.py serve`` runs it:
whoever sends them is told or cut, and nobody else notices.
"""

from __future__ import annotations

import html
import json
import random
import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import WebSocket

from collab.live.consumer import MALFORMED
from collab.live.deflate import TAIL, WINDOW_BITS, deflated
from collab.live.testing import TOKEN
from e2e.attacks.frames import (
    CONTINUED,
    END,
    PING,
    RSV1,
    Heard,
    RawSocket,
    against_compression,
    against_the_application,
    against_the_protocol,
    closing,
    compressed,
    forged,
    fragments,
    frame,
    noise,
)
from e2e.drills.crowd import PEAK, memory
from e2e.lengths import length
from e2e.people import Person
from e2e.stack import Stack, sqlite_stack

pytestmark = pytest.mark.parametrize("stack", ["loud"], indirect=True)

#: RFC 6455, section 7.4.1: against the protocol, no text, too long. Autobahn may also end
#: the connection without a word, which it does by default.
PROTOCOL_ERRORS = {1002, 1007, 1009}
INTERNAL_ERROR = 1011
#: What the process may need more meanwhile, for messages that would become sixty megabytes.
BOMB_BYTES = 16 * 2**20
#: Written to ``clear_refs``, it makes the peak of a process's memory what it has now (proc(5)).
FORGET_PEAK = "5"
SEED = 20


@dataclass
class Attacker:
    """Somebody who is signed in, with sockets of their own making."""

    port: int
    cookie: str
    tokens: tuple[str, str]

    def sends(self, *sent: bytes, deflates: bool = False) -> Heard:
        """On a new socket."""
        return RawSocket(self.port, self.cookie, deflates=deflates).sends(*sent)

    def resume(self, token: str | None = None) -> bytes:
        """A good resume message, or one with another token."""
        page = self.tokens[0] if token is None else token
        return json.dumps({"page": page, "region": ["active_users:x"], "headers": {}}).encode()


@pytest.fixture(scope="session")
def loud() -> Iterator[Stack]:
    """One process that writes down whatever goes wrong in it."""
    with sqlite_stack({"DJANGO_SETTINGS_MODULE": "e2e.attacks.loud"}) as stack:
        yield stack


@pytest.fixture
def attacker(fry: Person, stack: Stack) -> Attacker:
    request = fry.context.request
    pages = [request.get(f"{fry.url}{path}").text() for path in ("/", "/active/")]
    first, second = (html.unescape(TOKEN.findall(page)[0]) for page in pages)
    jar = "; ".join(f"{one['name']}={one['value']}" for one in fry.context.cookies())
    return Attacker(stack.ports[0], jar, (first, second))


@pytest.fixture(autouse=True)
def bystander(leela: Person, bender: Person, stack: Stack, document: int) -> Iterator[None]:
    """Leela has a page open all the while. It keeps its socket, and hears the next event;
    and the server has nothing to complain of."""
    sockets: list[WebSocket] = []

    def opened(one: WebSocket) -> None:  # Playwright marks its listeners: no built-in ones
        sockets.append(one)

    leela.page.on("websocket", opened)
    log = stack.services[0].log
    before = log.stat().st_size
    leela.opens_dashboard()
    yield
    place = f"{bender.url}/documents/{document}/edit/"
    bender.context.request.get(place)
    leela.sees_badge(document, "editing", "Bender is editing")
    assert [one.is_closed() for one in sockets] == [False]
    written = log.read_bytes()[before:].decode(errors="replace")
    complaints = re.findall(r".* (?:ERROR|CRITICAL) .*|Traceback .*|Unhandled.*", written)
    assert complaints == [], written


def test_good_messages_are_read_however_they_are_sent(attacker: Attacker) -> None:
    """In one frame or a hundred, with pings in between: what follows is about attacks."""
    good = attacker.resume()
    parts = fragments(good, 5)
    between = parts[:11] + frame(b"here?", PING) + parts[11:]
    for sent in (frame(good), frame(good, width=2), parts, between):
        answer = attacker.sends(sent, frame(b"last", PING), closing(1000))
        assert answer.codes == [1000]
        assert answer.pongs[-1] == b"last"


def test_frames_against_the_protocol(attacker: Attacker) -> None:
    """Their sender is cut."""
    wrong = {}
    for name, sent in against_the_protocol(attacker.resume()).items():
        answer = attacker.sends(sent)
        if answer.texts or set(answer.codes) - PROTOCOL_ERRORS:
            wrong[name] = answer
    assert not wrong


def test_good_messages_may_be_compressed(attacker: Attacker) -> None:
    """One frame or several, one message or several, between others that are not."""
    good = attacker.resume()
    parts = deflated(good)
    in_parts = frame(parts[:9], final=False, reserved=RSV1) + frame(parts[9:], CONTINUED)
    # With other compressors than ours, too: stored as it is, and in many blocks.
    blocks = zlib.compressobj(9, wbits=-WINDOW_BITS)
    many = b"".join(
        blocks.compress(good[at : at + 50]) + blocks.flush(zlib.Z_FULL_FLUSH)
        for at in range(0, len(good), 50)
    )
    others = (frame(data, reserved=RSV1) for data in (deflated(good, level=0), many[: -len(TAIL)]))
    for sent in (
        compressed(good),
        in_parts,
        compressed(good) * 3,
        compressed(good) + frame(good),
        *others,
    ):
        answer = attacker.sends(sent, frame(b"last", PING), closing(1000), deflates=True)
        assert answer.codes == [1000]
        assert answer.pongs[-1] == b"last"


def test_compressed_messages_against_the_protocol(attacker: Attacker, stack: Stack) -> None:
    """Their sender is cut, and what would become long is not made so."""
    process = stack.services[0].process
    assert process
    with suppress(OSError):  # not every kernel forgets: then only a new peak is seen
        Path(f"/proc/{process.pid}/clear_refs").write_text(FORGET_PEAK)
    before = memory(process.pid, PEAK)
    wrong = {}
    for name, sent in against_compression(attacker.resume()).items():
        answer = attacker.sends(sent, END, deflates=True)
        if set(answer.codes) - PROTOCOL_ERRORS:
            wrong[name] = answer
    assert not wrong
    assert memory(process.pid, PEAK) - before < BOMB_BYTES


def test_noise_in_compressed_messages(attacker: Attacker) -> None:
    """It is the sender's error, too."""
    chance, good, wrong = random.Random(SEED), attacker.resume(), {}
    for turn in range(length(60, full=5_000)):
        data = bytearray(deflated(good))
        for _ in range(chance.randrange(1, 6)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        sent = frame(bytes(data[: chance.randrange(len(data))]), reserved=RSV1)
        answer = attacker.sends(sent, END, deflates=True)
        if INTERNAL_ERROR in answer.codes:
            wrong[turn] = sent
    assert not wrong


def test_messages_that_are_no_resume_message(attacker: Attacker) -> None:
    """Their sender is told so, whatever they are."""
    wrong = {}
    for name, sent in against_the_application(attacker.resume()).items():
        answer = attacker.sends(sent)
        if answer.texts or answer.codes != [MALFORMED]:
            wrong[name] = answer
    assert not wrong


def test_page_tokens_of_which_a_part_is_exchanged(attacker: Attacker) -> None:
    """None opens anything."""
    wrong = {}
    for name, token in forged(*attacker.tokens, seed=SEED).items():
        answer = attacker.sends(frame(attacker.resume(token)))
        if answer.texts or answer.codes != [MALFORMED]:
            wrong[name] = answer
    assert not wrong


def test_noise(attacker: Attacker) -> None:
    """It is the sender's error, and never the server's."""
    wrong = {}
    for name, sent in noise(attacker.resume(), SEED, length(240, full=20_000)).items():
        answer = attacker.sends(sent, END)
        if INTERNAL_ERROR in answer.codes:
            wrong[name] = sent
    assert not wrong
