"""Frames reach a socket of Daphne whole and in order, whatever the socket does."""

# ruff: noqa: N802 (the names are Twisted's and autobahn's)

from __future__ import annotations

import asyncio
import errno
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet import tcp, unix

from collab.live.conf import conf
from collab.live.metrics import meter
from collab.live.transport import (
    WHOLE,
    Bundle,
    Frame,
    QueueWire,
    Turn,
    WiredProtocol,
    direct_send,
    framed,
    straight_ways,
)

#: What a socket does with a ``send``: take at most so many bytes, or fail.
Step = int | OSError
FULL = BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
NO_BUFFERS = OSError(errno.ENOBUFS, "No buffer space available")
GONE = BrokenPipeError(errno.EPIPE, "Broken pipe")
ALL = 1 << 30


class Socket:
    """A socket that follows a script, and takes everything after its end."""

    def __init__(self, script: Iterable[Step] = ()) -> None:
        self.script = deque(script)
        self.taken = bytearray()
        self.sends = 0

    def send(self, data: bytes | memoryview) -> int:
        self.sends += 1
        step = self.script.popleft() if self.script else ALL
        if step is GONE:  # for ever
            self.script.appendleft(step)
        if isinstance(step, OSError):
            raise step
        self.taken += bytes(data[:step])
        return min(step, len(data))

    def setblocking(self, flag: bool) -> None: ...

    def fileno(self) -> int:
        return -1

    def shutdown(self, how: int) -> None: ...

    def close(self) -> None: ...


class Reactor:
    """Knows who wants to write, and lets them when it is told to."""

    def __init__(self) -> None:
        self._writers: dict[Any, None] = {}
        self.later: list[tuple[Any, ...]] = []

    def addReader(self, reader: object) -> None: ...

    def removeReader(self, reader: object) -> None: ...

    @property
    def writers(self) -> Collection[Any]:
        return self._writers

    def addWriter(self, writer: object) -> None:
        self._writers[writer] = None

    def removeWriter(self, writer: object) -> None:
        self._writers.pop(writer, None)

    def callLater(self, seconds: float, *call: Any) -> None:
        self.later.append(call)

    def turn(self) -> None:
        """One turn of the loop: every writer may write."""
        for writer in list(self.writers):
            if lost := writer.doWrite():
                self.removeWriter(writer)
                writer.connectionLost(Lost(lost))


class Lost:
    """As much of a Twisted failure as a lost connection needs."""

    def __init__(self, error: object) -> None:
        self.error = error

    def check(self, *kinds: object) -> None: ...


class Autobahn:
    """As much of autobahn's protocol as the wire touches."""

    STATE_CLOSED, STATE_OPEN = 0, 3
    state: int

    def __init__(self) -> None:
        self.state = self.STATE_OPEN
        self.send_queue: list[bytes] = []
        self.transport: Any = None
        self.data = b""
        self.current_frame: object = None
        self.received: list[bytes] = []
        self.closes: list[int] = []
        self.encrypted: list[bytes] = []

    def write(self, data: bytes) -> None:
        """What a TLS transport hands to the protocol that encrypts."""
        self.encrypted.append(data)

    def sendClose(self, code: int) -> None:
        self.closes.append(code)

    def dataReceived(self, data: bytes) -> None:
        self.received.append(data)

    def hold(self, data: bytes) -> None:
        """Something is sent in pieces, and waits."""
        self.send_queue.append(data)
        self._trigger()

    def _trigger(self) -> None: ...

    def sendData(self, data: bytes) -> None:
        """Ordinary sends and pings."""
        if self.send_queue:
            self.send_queue.append(data)
        else:
            self.transport.write(data)

    def let_go(self) -> None:
        """Autobahn empties its queue."""
        for data in self.send_queue:
            self.transport.write(data)
        self.send_queue.clear()

    def connectionLost(self, reason: object) -> None:
        self.state = self.STATE_CLOSED


class Protocol(WiredProtocol, Autobahn):
    """The two together, as in the server."""


class Stage:
    """A wire on a real transport of Twisted, with a scripted socket."""

    def __init__(
        self, *script: Step, server: Any = tcp.Server, reactor: Reactor | None = None
    ) -> None:
        self.socket = Socket(script)
        self.reactor = reactor or Reactor()
        self.protocol = Protocol()
        self.transport = server(self.socket, self.protocol, ("127.0.0.1", 1), None, 1, self.reactor)
        self.protocol.transport = self.transport
        self.wire = self.protocol.open_wire()
        self.sent = b""

    def push(self, text: str) -> None:
        """The hub writes."""
        frame = Frame(text)
        self.sent += frame.wire
        self.wire.write(frame)

    def hold(self) -> None:
        """Autobahn holds something back, unless it does so already."""
        if not self.protocol.send_queue:
            held = framed(b"held")
            self.sent += held
            self.protocol.hold(held)

    def say(self, text: str) -> None:
        """Daphne or autobahn writes: an ordinary message, a pong."""
        data = framed(text.encode())
        self.sent += data
        self.protocol.sendData(data)

    def does(self, act: str, number: int) -> None:
        """One of ``acts``, which happens to this socket alone."""
        if act == "say":
            self.say(f"pong {number}")
        elif act == "ping":
            self.sent += PING
            self.wire.ping()
        elif act == "hold":
            self.hold()
        elif act == "let go":
            self.protocol.let_go()
        elif act == "turn":
            self.reactor.turn()

    def drain(self) -> bytes:
        """Let the loop turn until nobody wants to write; what the socket has."""
        self.protocol.let_go()
        while self.reactor.writers:
            self.reactor.turn()
        return bytes(self.socket.taken)

    def is_right(self) -> None:
        """All has arrived, or the connection has broken and ended after a part of it."""
        taken = self.drain()
        if GONE in self.socket.script and self.protocol.state == Protocol.STATE_CLOSED:
            assert self.sent.startswith(taken)
        else:
            assert taken == self.sent


def test_a_frame_goes_straight_to_an_idle_socket() -> None:
    """One send, and the event loop hears nothing of it."""
    stage = Stage()
    stage.push("green")
    assert stage.socket.taken == framed(b"green")
    assert not stage.reactor.writers


def test_the_rest_of_a_short_send_follows() -> None:
    """What the socket did not take goes through the transport, nothing twice."""
    stage = Stage(3)
    stage.push("yellow")
    assert bytes(stage.socket.taken) == stage.sent[:3]
    assert stage.reactor.writers
    assert stage.drain() == stage.sent


@pytest.mark.parametrize("error", [FULL, NO_BUFFERS])
def test_a_full_socket_gets_the_frame_later(error: OSError) -> None:
    """EAGAIN and ENOBUFS lose nothing."""
    stage = Stage(error, error, 2, error)
    stage.push("red")
    assert not stage.socket.taken
    assert stage.drain() == stage.sent


def test_nothing_overtakes_what_waits() -> None:
    """With bytes left in the transport, a frame goes behind them."""
    stage = Stage(4)
    stage.push("first")
    sends = stage.socket.sends
    stage.push("second")
    assert stage.socket.sends == sends
    assert stage.drain() == stage.sent


def test_nothing_overtakes_an_ordinary_send() -> None:
    """A message or pong of Daphne's own waits in the transport for the next turn."""
    stage = Stage()
    stage.say("pong")
    stage.push("green")
    assert not stage.socket.taken
    assert stage.drain() == stage.sent


def test_nothing_overtakes_autobahns_queue() -> None:
    """While autobahn holds something back, it gets the frame too."""
    stage = Stage()
    stage.hold()
    stage.push("green")
    assert not stage.socket.taken
    assert stage.drain() == stage.sent


def test_the_straight_way_opens_again() -> None:
    """Once all is written, the next frame goes to the socket at once."""
    stage = Stage(FULL)
    stage.push("first")
    stage.drain()
    stage.push("second")
    assert bytes(stage.socket.taken) == stage.sent


@pytest.mark.parametrize(
    "error", [GONE, ConnectionResetError(errno.ECONNRESET, "Reset"), OSError(errno.EBADF, "Closed")]
)
def test_a_broken_connection_ends_quietly(error: OSError) -> None:
    """The hub sees no error; the transport finds it and ends the connection."""
    stage = Stage(error, error)
    stage.push("green")
    stage.drain()
    assert stage.protocol.state == Protocol.STATE_CLOSED
    stage.push("red")
    assert not stage.socket.taken


def test_an_ending_transport_decides_itself() -> None:
    """Nothing is written past a transport that ends when it has sent what it has."""
    stage = Stage(FULL)
    stage.say("goodbye")
    stage.transport.loseConnection()
    stage.push("green")
    assert not stage.socket.sends
    stage.drain()
    assert stage.protocol.state == Protocol.STATE_CLOSED
    sends = stage.socket.sends
    stage.push("red")
    assert stage.socket.sends == sends


def test_a_closed_socket_gets_nothing() -> None:
    """After autobahn's close frame, no frame may follow (RFC 6455, 5.5.1)."""
    stage = Stage()
    stage.protocol.state = Protocol.STATE_CLOSED
    stage.push("green")
    assert not stage.socket.sends
    assert not stage.reactor.writers


def test_a_client_that_does_not_read_is_cut() -> None:
    """Beyond the limit the connection is aborted, what waits is forgotten, and nothing
    more is queued."""
    stage = Stage(*[FULL] * 100)
    megabyte = "x" * 1_000_000
    frames = conf().socket_buffer_bytes // 1_000_000 + 1
    for _ in range(frames):
        stage.push(megabyte)
    assert not stage.reactor.later
    stage.push("one too many")
    assert len(stage.reactor.later) == 1
    stage.push("another")
    transport = stage.transport
    assert (transport.dataBuffer, transport._tempDataBuffer, transport._tempDataLen) == (b"", [], 0)


def test_one_frame_longer_than_what_may_wait_is_no_reason_to_cut() -> None:
    """Nor is the next, which comes before it is read. But no third as long."""
    stage = Stage(4, *[FULL] * 100)
    long = "x" * (conf().socket_buffer_bytes + 1_000_000)
    stage.push(long)
    stage.push("news")
    stage.push(long)
    assert not stage.reactor.later
    stage.push("too much")
    assert len(stage.reactor.later) == 1


def test_who_has_read_a_long_frame_has_no_more_room_than_others() -> None:
    stage = Stage(4)
    stage.push("x" * (conf().socket_buffer_bytes + 1_000_000))
    assert stage.drain() == stage.sent
    stage.socket.script.extend([FULL] * 100)
    for _ in range(conf().socket_buffer_bytes // 1_000_000 + 1):
        stage.push("x" * 1_000_000)
    assert not stage.reactor.later
    stage.push("one too many")
    assert len(stage.reactor.later) == 1


def test_a_socket_that_is_closed_is_closed_once_and_gets_no_more() -> None:
    """With the application's code, behind what was written before."""
    stage = Stage()
    stage.push("green")
    stage.wire.close(4401)
    stage.wire.close(4403)
    stage.wire.write(Frame("late"))
    assert stage.protocol.closes == [4401]
    assert stage.drain() == stage.sent


def test_over_tls_frames_go_through_the_transport() -> None:
    """Their bytes are not those on the line: the socket never gets them itself."""
    stage = Stage()
    stage.transport.TLS = True
    stage.protocol.state = Protocol.STATE_OPEN
    wire = stage.protocol.open_wire()
    stage.protocol.transport = stage.transport
    Bundle([wire]).write(Frame("green"), Turn())
    wire.ping()
    assert not stage.socket.sends
    assert stage.protocol.encrypted == [framed(b"green"), PING]


class Clock:
    """The monotonic clock, as far as a test lets it go."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr("collab.live.transport.time", found)
    return found


PING, PONG = b"\x89\x00", b"\x8a\x80mask"
EVERY, ANSWER = 8.0, 3.0


def test_a_silent_client_is_asked_and_then_cut(clock: Clock) -> None:
    """One ping after a silence, straight to the socket; without an answer in time the
    connection is aborted."""
    stage = Stage()
    clock.now += EVERY - 1
    stage.protocol.check_life(EVERY, ANSWER)
    assert not stage.socket.taken
    clock.now += 2
    stage.protocol.check_life(EVERY, ANSWER)
    assert stage.socket.taken == PING
    clock.now += ANSWER - 1
    stage.protocol.check_life(EVERY, ANSWER)
    assert not stage.reactor.later
    clock.now += 2
    stage.protocol.check_life(EVERY, ANSWER)
    assert len(stage.reactor.later) == 1
    assert stage.socket.taken == PING
    stage.protocol.check_life(EVERY, ANSWER)
    assert len(stage.reactor.later) == 1


@pytest.mark.parametrize(("data", "is_passed_on"), [(PONG, False), (b"\x81\x85maskhello", True)])
def test_whatever_a_client_says_is_a_sign_of_life(
    clock: Clock, data: bytes, is_passed_on: bool
) -> None:
    """An empty pong is nothing else, and autobahn need not see it."""
    stage = Stage()
    for _ in range(3):
        clock.now += EVERY + 1
        stage.protocol.check_life(EVERY, ANSWER)
        stage.protocol.dataReceived(data)
    assert stage.socket.taken == PING * 3
    assert not stage.reactor.later
    assert stage.protocol.received == ([data] * 3 if is_passed_on else [])


@pytest.mark.parametrize(
    ("data", "frame", "state"),
    [(b"\x81", None, 3), (b"", object(), 3), (b"", None, 2), (b"", None, 1)],
    ids=["part of a header waits", "within a frame", "closing", "connecting"],
)
def test_what_only_looks_like_a_pong_is_passed_on(
    clock: Clock, data: bytes, frame: object, state: int
) -> None:
    """Within another frame the same bytes are a part of its payload."""
    stage = Stage()
    stage.protocol.data, stage.protocol.current_frame = data, frame
    stage.protocol.state = state
    stage.protocol.dataReceived(PONG)
    assert stage.protocol.received == [PONG]


@pytest.mark.parametrize("almost", [b"\x8a\x81maskx", b"\x8a\x00\x8a\x00\x8a\x00", PONG + PONG])
def test_another_pong_is_autobahns(clock: Clock, almost: bytes) -> None:
    """With a payload, without its mask (against the protocol), or several at once."""
    stage = Stage()
    stage.protocol.dataReceived(almost)
    assert stage.protocol.received == [almost]


def test_a_client_that_takes_nothing_is_cut(clock: Clock) -> None:
    """However little waits for it; it is not asked, since it could not hear."""
    stage = Stage(*[FULL] * 100)
    stage.push("green")
    stage.protocol.check_life(EVERY, ANSWER)
    clock.now += conf().socket_stall_seconds - 1
    stage.push("red")
    stage.protocol.check_life(EVERY, ANSWER)
    assert not stage.reactor.later
    clock.now += 2
    stage.protocol.check_life(EVERY, ANSWER)
    assert len(stage.reactor.later) == 1
    assert not stage.socket.taken


def test_a_client_that_takes_a_little_is_waited_for(clock: Clock) -> None:
    """A long text over a slow line. When it has all, it is asked like others."""
    stage = Stage(*[10] * 6)
    stage.push("x" * 50)
    while stage.reactor.writers:
        clock.now += conf().socket_stall_seconds - 1
        stage.protocol.check_life(EVERY, ANSWER)
        stage.reactor.turn()
    assert stage.socket.taken == stage.sent
    assert not stage.reactor.later
    clock.now += EVERY + 1
    stage.protocol.check_life(EVERY, ANSWER)
    assert stage.socket.taken == stage.sent + PING


def test_who_was_heard_of_need_not_be_looked_at(clock: Clock) -> None:
    """Before it may have to be asked, its answer is late, or something waits for it."""
    stage = Stage(ALL, FULL, FULL)
    one, began = stage.protocol, clock.now
    assert one.look_at <= clock.now, "nobody has looked at it"
    one.check_life(EVERY, ANSWER)
    assert one.look_at == began + EVERY
    clock.now += EVERY + 1
    one.check_life(EVERY, ANSWER)
    assert stage.socket.taken == PING
    assert one.look_at == clock.now + ANSWER
    clock.now += 1
    one.dataReceived(PONG)
    clock.now += ANSWER
    one.check_life(EVERY, ANSWER)
    assert one.look_at == clock.now - ANSWER + EVERY
    stage.push("x")
    assert one.look_at <= clock.now, "something waits"
    one.check_life(EVERY, ANSWER)
    assert one.look_at <= clock.now
    stage.push("y")
    stage.drain()
    one.check_life(EVERY, ANSWER)
    assert one.look_at == clock.now + EVERY


def test_who_does_not_even_take_the_ping_is_looked_at_in_each_round(clock: Clock) -> None:
    """It waits, though nothing did before."""
    stage = Stage(FULL, FULL)
    clock.now += EVERY + 1
    stage.protocol.check_life(EVERY, ANSWER)
    assert stage.protocol.look_at <= clock.now
    assert stage.drain() == PING


class Elsewhere:
    """A queue wire, whose server sends when it is told to, or fails."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.gate = asyncio.Event()
        self.cut = asyncio.Event()
        self.error: Exception | None = None
        self.wire = QueueWire(self.send, self.cut.set)

    async def send(self, message: dict[str, Any]) -> None:
        await self.gate.wait()
        if self.error:
            raise self.error
        self.sent.append(message.get("text", message.get("code")))

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0)


async def test_elsewhere_frames_are_sent_in_order_until_the_close() -> None:
    there = Elsewhere()
    there.gate.set()
    for text in ("green", "yellow"):
        there.wire.write(Frame(text))
    there.wire.close(4401)
    await there.until(lambda: len(there.sent) == 3)
    there.wire.write(Frame("late"))
    await asyncio.sleep(0)
    assert there.sent == ["green", "yellow", 4401]
    assert not there.cut.is_set()


@pytest.mark.parametrize(
    ("limit", "text"),
    [({"socket_queue_frames": 3}, "x"), ({"socket_buffer_bytes": 2_000}, "x" * 1_000)],
    ids=["frames", "bytes"],
)
async def test_elsewhere_a_client_that_is_too_far_behind_is_cut(
    settings: Any, limit: dict[str, int], text: str
) -> None:
    """By the number of frames or of bytes, not counting the one on its way."""
    settings.LIVE = limit
    there = Elsewhere()
    counted = meter.counts["cut_slow"]
    there.wire.write(Frame(text))
    await there.until(there.wire._queue.empty)
    for _ in range(3 if "socket_queue_frames" in limit else 2):
        there.wire.write(Frame(text))
    assert not there.cut.is_set()
    there.wire.write(Frame(text))
    assert there.cut.is_set()
    assert meter.counts["cut_slow"] == counted + 1
    there.gate.set()
    there.wire.write(Frame("late"))
    await asyncio.sleep(0)
    assert there.sent == []


async def test_elsewhere_a_socket_that_cannot_be_sent_to_ends() -> None:
    """Whatever the server raises: a page must not stay open, and deaf."""
    there = Elsewhere()
    there.error = RuntimeError("broken on purpose")
    there.gate.set()
    there.wire.write(Frame("green"))
    await there.until(there.cut.is_set)


async def test_elsewhere_a_client_that_takes_nothing_is_cut(settings: Any) -> None:
    """A server's ``send`` that does not come back, for too long."""
    settings.LIVE = {"socket_stall_seconds": 0.01}
    cut, forever = asyncio.Event(), asyncio.Event()

    async def send(message: object) -> None:
        await forever.wait()

    wire = QueueWire(send, cut.set)
    wire.write(Frame("green"))
    async with asyncio.timeout(5):
        await cut.wait()


def test_a_unix_socket_has_the_straight_way_too() -> None:
    """Behind a proxy; unless file descriptors wait to be passed on with the bytes."""
    stage = Stage(server=unix.Server)
    assert direct_send(stage.transport) == stage.socket.send
    stage.transport._sendmsgQueue.append(1)
    assert direct_send(stage.transport) is None


def test_what_adds_to_the_bytes_has_no_straight_way() -> None:
    """TLS changes them, and an unknown transport might."""
    stage = Stage()
    assert direct_send(stage.transport) == stage.socket.send
    stage.transport.TLS = True
    assert direct_send(stage.transport) is None
    assert direct_send(object()) is None


steps: st.SearchStrategy[Step] = st.one_of(
    st.integers(0, 300), st.just(ALL), st.sampled_from([FULL, NO_BUFFERS, GONE])
)
acts = st.sampled_from(["push", "say", "ping", "hold", "let go", "turn"])


@given(
    script=st.lists(steps, max_size=30),
    acted=st.lists(acts, max_size=40),
    server=st.sampled_from([tcp.Server, unix.Server]),
)
def test_every_byte_arrives_in_order(
    script: Sequence[Step], acted: Sequence[str], server: type
) -> None:
    """Pushes between ordinary sends, over a socket that takes what it likes."""
    stage = Stage(*script, server=server)
    for number, act in enumerate(acted):
        if act == "push":
            stage.push(f"<p>{number}</p>" * 20)
        else:
            stage.does(act, number)
    stage.is_right()


class Crowd:
    """Stages on one reactor, and the bundle of their wires."""

    def __init__(self, *stages: Stage) -> None:
        self.stages = stages
        self.bundle = Bundle(stage.wire for stage in stages)
        self.turn = Turn()

    def push(self, text: str, part: slice = WHOLE) -> list[Any]:
        """The hub writes to all, or to some; what is closed gets nothing."""
        frame = Frame(text)
        for stage in self.stages[part]:
            if stage.protocol.state == Protocol.STATE_OPEN:
                stage.sent += frame.wire
        return self.bundle.write(frame, self.turn, part)


def crowd(*scripts: Sequence[Step]) -> Crowd:
    reactor = Reactor()
    return Crowd(*[Stage(*script, reactor=reactor) for script in scripts])


def test_a_bundle_goes_straight_to_all() -> None:
    """One send each."""
    all_of_them = crowd((), (), ())
    assert all_of_them.push("green") == []
    for stage in all_of_them.stages:
        assert bytes(stage.socket.taken) == stage.sent
        assert stage.socket.sends == 1


def test_a_bundles_ways_are_those_of_its_wires() -> None:
    """Made anew, side by side in memory, and yet known among those that are behind."""
    stages = crowd((), (), ()).stages
    ways = straight_ways([stage.wire for stage in stages])
    assert list(ways) == [stage.wire.straight for stage in stages]
    assert all(way is not stage.wire.straight for way, stage in zip(ways, stages, strict=True))
    assert set(ways) == {stage.wire.straight for stage in stages}


def test_a_bundle_with_one_that_is_not_straight_has_no_ways() -> None:
    """Each of its wires is written to by itself then."""
    stages = crowd((), ()).stages
    stages[1].wire.divert()
    assert straight_ways([stage.wire for stage in stages]) == ()


def test_one_that_is_behind_holds_nobody_up() -> None:
    """It gets its frames in order, the others get theirs at once."""
    slow, quick = crowd((4, FULL, FULL), ()).stages
    both = Crowd(slow, quick)
    both.push("first")
    both.push("second")
    assert bytes(quick.socket.taken) == quick.sent
    assert slow.socket.sends == 1
    assert slow.drain() == slow.sent


def test_who_closes_is_left_out_of_the_bundle() -> None:
    """After a close frame no frame may follow (RFC 6455, 5.5.1)."""
    closing, other = (both := crowd((), ())).stages
    both.push("first")
    closing.protocol.state = Protocol.STATE_CLOSED
    both.push("second")
    assert closing.socket.sends == 1
    assert other.socket.sends == 2


def test_who_is_cut_is_left_out_of_the_bundle() -> None:
    """Autobahn takes them for open for one more turn of the loop."""
    cut, other = (both := crowd((), ())).stages
    both.push("first")
    cut.wire.abort()
    both.bundle.write(Frame("second"), Turn())
    assert (cut.socket.sends, other.socket.sends) == (1, 2)


def test_a_wire_that_raises_is_told_and_the_others_get_their_frame() -> None:
    """Whatever goes wrong in a transport."""
    broken, other = (both := crowd((3,), ())).stages

    def fail(data: bytes) -> None:
        raise RuntimeError("broken on purpose")

    broken.transport.write = fail
    assert both.push("green") == [broken.wire]
    assert bytes(other.socket.taken) == other.sent


@given(
    scripts=st.lists(st.lists(steps, max_size=15), min_size=2, max_size=4),
    acted=st.lists(st.tuples(acts, st.integers(0, 3)), max_size=40),
)
def test_every_byte_arrives_in_order_in_a_bundle(
    scripts: Sequence[Sequence[Step]], acted: Sequence[tuple[str, int]]
) -> None:
    """Pushes to all, between what happens to one."""
    everybody = crowd(*scripts)
    for number, (act, whose) in enumerate(acted):
        if act == "push":  # in the same turn as the one before, if nothing was between
            everybody.push(f"<p>{number}</p>" * 20, [WHOLE, slice(0, 1), slice(1, 4)][whose % 3])
        else:
            everybody.turn = Turn()
            everybody.stages[whose % len(scripts)].does(act, number)
    for stage in everybody.stages:
        stage.is_right()
