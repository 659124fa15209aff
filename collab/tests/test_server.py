"""The hardened Daphne, as far as it can be seen without a network."""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Coroutine, Iterator, Sequence
from typing import Any
from unittest.mock import Mock
from weakref import ref

import pytest
from autobahn.websocket.compress import PERMESSAGE_COMPRESSION_EXTENSION
from autobahn.websocket.compress_deflate import PerMessageDeflateOffer
from daphne.http_protocol import WebRequest
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings
from twisted.internet.testing import StringTransport

from collab.live.conf import conf
from collab.live.deflate import deflated
from collab.live.metrics import meter
from collab.live.transport import STATE_OPEN
from project import event_loop, server
from project.compression import SharedDeflate, accept
from project.garbage import ENDED, NEW, Garbage
from project.server import LOOKED_AT, ROUND_SECONDS, HardenedServer, Inbox, LiveProtocol, Tap

FRAME: dict[str, Any] = {"type": "websocket.receive", "text": "x"}
END: dict[str, Any] = {"type": "websocket.disconnect", "code": 1006}


def inbox() -> tuple[Inbox, asyncio.Queue[dict[str, Any]], Mock]:
    queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    protocol = Mock()
    return Inbox(protocol, queue), queue, protocol.transport.abortConnection


def test_who_sends_more_than_can_be_read_is_cut() -> None:
    """What it sent is forgotten; the application still learns of the end."""
    box, queue, abort = inbox()
    counted = meter.counts["cut_flood"]
    for _ in range(conf().inbound_frames):
        box.put_nowait(FRAME)
    assert queue.qsize() == conf().inbound_frames
    assert not abort.called
    for _ in range(3):
        box.put_nowait(FRAME)
    assert queue.empty()
    abort.assert_called_once_with()
    assert meter.counts["cut_flood"] == counted + 1
    box.put_nowait(END)
    assert queue.get_nowait() == END


def test_no_text_is_made_for_a_log_that_does_not_take_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all the options of a connection, at each that comes."""
    made, told = [], []

    def pretty(value: object) -> str:
        made.append(value)
        return "pretty"

    def connect(**attributes: object) -> None:
        factory: Any = WebSocketFactory(Mock())
        factory.protocol = LiveProtocol
        protocol = factory.buildProtocol(None)
        vars(protocol).update(attributes)
        transport: Any = StringTransport()  # type: ignore[no-untyped-call]
        protocol.makeConnection(transport)

    def tell(text: str, **options: object) -> None:
        told.append(text.format(**options))

    monkeypatch.setattr(server, "pformat", pretty)
    connect()
    assert not made
    connect(log=Mock(debug=tell))
    assert made
    assert "\npretty" in told


def test_who_waits_to_be_read_may_send_on() -> None:
    """However much it is in all."""
    box, queue, abort = inbox()
    for _ in range(conf().inbound_frames * 10):
        box.put_nowait(FRAME)
        queue.get_nowait()
    assert not abort.called


def test_the_event_loop_is_one_that_exists() -> None:
    with pytest.raises(ImproperlyConfigured, match="asyncio or uvloop, not 'uvlop'"):
        event_loop.choose("uvlop")


def test_uvloop_must_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks for it is told what to do, and does not get another one in silence."""
    monkeypatch.setitem(sys.modules, "uvloop", None)
    with pytest.raises(ImproperlyConfigured, match="which is not installed: install the version"):
        event_loop.choose("uvloop")


def test_uvloop_must_come_first() -> None:
    """Daphne, which the tests have loaded, chose its loop."""
    with pytest.raises(ImproperlyConfigured, match=r"is for manage\.py serve"):
        event_loop.choose("uvloop")


@pytest.mark.parametrize(("owner", "name", "parameters"), server.METHODS)
def test_a_changed_method_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, owner: type, name: str, parameters: list[str] | None
) -> None:
    """Better no server than one that loses what the hub writes."""
    server.check()
    changed = (lambda another: None) if parameters else None
    monkeypatch.setattr(owner, name, changed)
    with pytest.raises(RuntimeError, match=f"{owner.__name__}.{name} is not as expected"):
        server.check()


@pytest.mark.parametrize("place", range(len(server.MENTIONS)))
def test_a_function_that_works_in_another_way_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    def another() -> None: ...

    mentions = list(server.MENTIONS)
    mentions[place] = (another, mentions[place][1])
    monkeypatch.setattr(server, "MENTIONS", mentions)
    with pytest.raises(RuntimeError, match="another is not as expected"):
        server.check()


class Ending(HardenedServer):
    """A server without a network that has been told to end."""

    def __init__(self) -> None:
        self.is_draining = self.is_refusing = False
        self.ports = [Mock()]
        self.connections: dict[Any, Any] = {}

    def begin(self, request: Mock, work: Coroutine[Any, Any, None]) -> None:
        self.connections[request] = {"application_instance": asyncio.ensure_future(work)}


def request() -> Mock:
    """A request on a connection that may have others."""
    made = Mock(spec=WebRequest)
    made.channel = Mock(persistent=True)
    made.transport = Mock()
    return made


async def test_what_comes_while_it_ends_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """On connections that are open already; only then the engine stops, and nothing
    more is begun."""
    ending = Ending()
    told: list[str] = []
    first, second = asyncio.Event(), asyncio.Event()

    async def one() -> None:
        await first.wait()
        ending.begin(request(), another())
        told.append("first")

    async def another() -> None:
        await second.wait()
        told.append("second")

    async def stop() -> None:
        assert ending.is_refusing
        told.append("engine")

    monkeypatch.setattr("collab.live.process.stop", stop)
    ending.begin(request(), one())
    drain = asyncio.ensure_future(ending._drain())
    await asyncio.sleep(0)
    assert ending.is_draining
    assert not ending.is_refusing
    first.set()
    while "first" not in told:
        await asyncio.sleep(0)
    second.set()
    await drain
    assert told == ["first", "second", "engine"]


async def test_all_of_the_end_has_one_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Applications that do not end are ended in time for the engine's goodbye, and
    that has a limit, too."""
    monkeypatch.setattr(server, "DRAIN_SECONDS", 0.2)
    monkeypatch.setattr(server, "FAREWELL_SECONDS", 0.1)
    forever = asyncio.Event().wait
    ending, stopping = Ending(), Mock()

    async def stop() -> None:
        stopping()
        await forever()

    monkeypatch.setattr("collab.live.process.stop", stop)
    ending.begin(late := request(), forever())  # type: ignore[arg-type]
    async with asyncio.timeout(5):
        await ending._drain()
    assert ending.connections[late]["application_instance"].cancelled()
    stopping.assert_called_once_with()


async def test_an_answer_while_it_ends_is_the_last_of_its_connection() -> None:
    """A proxy does not send the next request to a server that is about to be gone."""
    ending, asked = Ending(), request()
    ending.connections[asked] = {"connected": 1.0}
    start = {"type": "http.response.start", "status": 200, "headers": []}
    await ending.handle_reply(asked, start)
    assert asked.channel.persistent
    ending.is_draining = True
    await ending.handle_reply(asked, start)
    assert not asked.channel.persistent
    asked.setHeader.assert_called_once_with(b"Connection", b"close")
    assert asked.handle_reply.call_count == 2


@pytest.mark.parametrize("details", [None, {"connected": 1.0, "disconnected": 2.0}])
async def test_who_has_left_is_sent_nothing(details: dict[str, float] | None) -> None:
    """The answer that was under way ends there, without an error: Twisted's request has
    no connection any more that could be asked to wait."""
    serving, gone = Ending(), request()
    if details is not None:
        serving.connections[gone] = details
    for is_last in (False, True):
        part = {"type": "http.response.body", "body": b"x", "more_body": not is_last}
        await serving.handle_reply(gone, part)
    gone.registerProducer.assert_not_called()
    gone.handle_reply.assert_not_called()


@pytest.mark.parametrize(("method", "is_answered"), [("GET", False), ("POST", True)])
def test_a_request_at_the_last_moment_is_sent_again(method: str, is_answered: bool) -> None:
    """By the proxy, to the next server, if it may be; else by who has sent it."""
    ending, late = Ending(), request()
    ending.is_refusing = True
    assert ending.create_application(late, {"type": "http", "method": method}) is None
    assert late.transport.loseConnection.called is not is_answered
    assert late.basic_error.called is is_answered
    if is_answered:
        assert late.basic_error.call_args.args[0] == 503
        late.setHeader.assert_any_call(b"Retry-After", b"1")
        assert not late.channel.persistent


class Transport:
    """To a client that takes as much at each look as it is told."""

    offset = _tempDataLen = 0  # noqa: N815

    def __init__(self, waiting: int, takes: int) -> None:
        self.waiting, self.takes = waiting, takes
        self.looks, self.is_cut = 0, False

    @property
    def dataBuffer(self) -> bytes:  # noqa: N802
        self.looks += 1
        self.waiting -= self.takes
        if not self.waiting:
            self.tap.resumeProducing()
        return bytes(self.waiting)

    def abortConnection(self) -> None:  # noqa: N802
        self.is_cut = True

    tap: Tap


async def stalled(settings: Settings, waiting: int, takes: int) -> Transport:
    """Wait for a client that reads so slowly that its tap is closed."""
    settings.LIVE = {**getattr(settings, "LIVE", {}), "socket_stall_seconds": 0.01}
    transport = Transport(waiting, takes)
    transport.tap = Tap(transport)
    transport.tap.pauseProducing()
    await asyncio.wait_for(transport.tap.opened(), 10)
    return transport


async def test_who_takes_nothing_of_a_long_answer_is_cut(settings: Settings) -> None:
    """It would keep a thread, and a connection to the database, for as long as it likes."""
    counted = meter.counts["cut_slow"]
    transport = await stalled(settings, waiting=9, takes=0)
    assert transport.is_cut
    assert meter.counts["cut_slow"] == counted + 1


async def test_who_takes_little_of_a_long_answer_is_waited_for(settings: Settings) -> None:
    """However long it takes."""
    transport = await stalled(settings, waiting=9, takes=1)
    assert not transport.is_cut
    assert transport.looks == 9


class Rounds(HardenedServer):
    """A server without a network, whose connections write down when they are looked at."""

    def __init__(self, number: int) -> None:
        self.unchecked, self.parts, self.garbage = [], 1, Garbage()
        self.looked_at: list[int] = []
        self.connections: dict[Any, Any] = {self.connection(n): {} for n in range(number)}

    def connection(self, number: int) -> Any:
        return Mock(check_timeouts=lambda: self.looked_at.append(number), look_at=0.0)


async def test_each_connection_is_looked_at_once_in_a_round(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In parts, so that thousands of pings hold nobody up; who has gone is left out."""
    loop, later = asyncio.get_running_loop(), Mock()
    monkeypatch.setattr(loop, "call_later", later)
    number = LOOKED_AT * 2 + 6
    rounds = Rounds(number)
    rounds.timeout_checker()
    assert len(rounds.looked_at) == LOOKED_AT
    later.assert_called_with(ROUND_SECONDS / 3, rounds.timeout_checker)
    gone = list(rounds.connections)[LOOKED_AT + 1]
    del rounds.connections[gone]
    rounds.timeout_checker()
    rounds.timeout_checker()
    assert sorted(rounds.looked_at) == [n for n in range(number) if n != LOOKED_AT + 1]
    rounds.timeout_checker()
    assert len(rounds.looked_at) == number - 1 + LOOKED_AT


async def test_a_server_without_connections_looks_for_some(monkeypatch: pytest.MonkeyPatch) -> None:
    """In each round."""
    later = Mock()
    monkeypatch.setattr(asyncio.get_running_loop(), "call_later", later)
    rounds = Rounds(0)
    rounds.timeout_checker()
    later.assert_called_with(ROUND_SECONDS, rounds.timeout_checker)


async def test_who_need_not_be_looked_at_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until its time has come."""
    monkeypatch.setattr(asyncio.get_running_loop(), "call_later", Mock())
    rounds = Rounds(2)
    later, _ = rounds.connections
    later.look_at = time.monotonic() + 1_000
    rounds.timeout_checker()
    assert rounds.looked_at == [1]
    later.look_at = time.monotonic()
    rounds.timeout_checker()
    assert rounds.looked_at == [1, 0, 1]


@pytest.mark.parametrize("has_wire", [True, False])
def test_a_handshake_has_a_limit_too(monkeypatch: pytest.MonkeyPatch, has_wire: bool) -> None:
    """Open sockets are asked for a sign of life; others are Daphne's business."""
    asked, daphne = Mock(), Mock()
    monkeypatch.setattr(LiveProtocol, "check_life", asked)
    monkeypatch.setattr(WebSocketProtocol, "check_timeouts", daphne)
    protocol = LiveProtocol.__new__(LiveProtocol)
    protocol.wire = Mock() if has_wire else None
    protocol._state = STATE_OPEN
    protocol.check_timeouts()
    assert asked.called is has_wire
    assert daphne.called is not has_wire


class Loop:
    """Something that refers to itself, so that only a collection finds it."""

    def __init__(self) -> None:
        self.self = self


@pytest.fixture
def garbage() -> Iterator[Garbage]:
    yield Garbage()
    gc.unfreeze()


def test_new_connections_are_put_aside(garbage: Garbage) -> None:
    """Enough of them, and without what is garbage already."""
    gone = ref(Loop())
    before = gc.get_freeze_count()
    for _ in range(NEW - 1):
        garbage.opened()
    garbage.tidy(100)
    assert gc.get_freeze_count() == before
    garbage.opened()
    garbage.tidy(100)
    assert gc.get_freeze_count() > before
    assert gone() is None


@pytest.mark.parametrize("still_open", [0, ENDED * 2])
def test_what_was_put_aside_is_looked_through_when_enough_have_ended(
    garbage: Garbage, still_open: int
) -> None:
    """As many as are open, and not a few."""
    loop = Loop()
    for _ in range(NEW):
        garbage.opened()
    garbage.tidy(still_open)
    gone = ref(loop)
    del loop
    for _ in range(max(ENDED, still_open) - 1):
        garbage.ended()
    garbage.tidy(still_open)
    gc.collect()
    assert gone() is not None
    garbage.ended()
    garbage.tidy(still_open)
    assert gone() is None
    assert gc.get_freeze_count()


def offer(**parameters: list[str | bool]) -> PerMessageDeflateOffer:
    """As autobahn reads it from a handshake."""
    read = PerMessageDeflateOffer.parse(parameters)  # type: ignore[no-untyped-call]
    assert isinstance(read, PerMessageDeflateOffer)
    return read


@pytest.mark.parametrize(
    "offered",
    [
        [offer(client_max_window_bits=[True])],  # Chromium's, Firefox's and Safari's
        [offer()],
        [offer(client_no_context_takeover=[True], server_no_context_takeover=[True])],
        [object(), offer()],
        [offer(server_max_window_bits=["10"]), offer()],
    ],
)
def test_compression_is_agreed_on_without_a_memory(offered: Sequence[object]) -> None:
    """Neither the server nor the client keeps a window for messages to come."""
    accepted = accept(offered)
    assert accepted is not None
    assert accepted.get_extension_string() == (
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
    )


@pytest.mark.parametrize("offered", [[], [object()], [offer(server_max_window_bits=["10"])]])
def test_compression_that_does_not_fit_is_declined(offered: Sequence[object]) -> None:
    """A client that looks back on little could not read the engine's frames."""
    assert accept(offered) is None


def test_nothing_is_kept_of_what_a_client_has_compressed() -> None:
    """A window of 32 KB for each page would be as much as all the rest of it."""
    accepted = accept([offer()])
    pmce: Any = PERMESSAGE_COMPRESSION_EXTENSION["permessage-deflate"]["PMCE"]
    ours: Any = pmce.create_from_offer_accept(True, accepted)
    for text in (b"the same words " * 50, b"and others"):
        ours.start_decompress_message()
        assert ours.decompress_message_data(deflated(text)) == text
        ours.end_decompress_message()
        assert ours._decompressor is None
    assert pmce is SharedDeflate


def test_of_a_handshake_that_is_over_nothing_is_remembered() -> None:
    """Its headers, in four forms, would be as long as all that a page's socket needs."""
    protocol: Any = LiveProtocol.__new__(LiveProtocol)
    protocol.transport = Mock(socket=None)
    protocol._state, protocol.send_queue = STATE_OPEN, []
    protocol.request = Mock(headers={"cookie": "x" * 1_000})
    protocol.http_headers = protocol.request.headers
    protocol.clean_headers = [(b"cookie", b"x" * 1_000)]
    protocol.http_request_data = protocol.http_response_data = "x" * 1_000
    wire = protocol.open_wire()
    assert protocol.wire is wire
    assert "x" * 1_000 not in repr([*vars(protocol).values(), protocol.request.headers])
