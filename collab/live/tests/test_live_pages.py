"""Pages that stay current: resume, push, refusal. Over the real consumer."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from unittest.mock import patch

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st
from pytest_django import Settings

from collab.live import db, pages, process
from collab.live.consumer import MALFORMED, TRY_AGAIN, Malformed, read_resume
from collab.live.metrics import meter
from collab.live.models import Connection, Node
from collab.live.presence import Page
from collab.live.process import FORBIDDEN, SIGNED_OUT, SWITCHED_OFF, Process
from collab.live.testing import LivePage, connect, eventually, signed_in, visit
from collab.live.transport import QueueWire
from collab.models import Document, Person
from collab.operations import documents, editing
from e2e.lengths import IS_DRILL, length

pytestmark = pytest.mark.django_db(transaction=True)

Refused = Callable[[], dict[str, int]]


@pytest.fixture
def refused() -> Refused:
    """What has been counted as refused since the test began."""
    before = meter.counts.copy()
    return lambda: {
        name: more
        for name, count in meter.counts.items()
        if name.startswith("refused") and (more := count - before[name])
    }


take = sync_to_async(editing.take)
save = sync_to_async(documents.save)


async def test_a_page_that_missed_nothing_is_sent_nothing(
    engine: Process, leela: Person, document: Document
) -> None:
    """A resume whose marks are all current costs no bytes."""
    async with visit(leela, f"/documents/{document.pk}/") as page:
        # Its own arrival changes what it shows; after that, all is quiet.
        await page.until(lambda: "You are reading" in page.regions[f"lock_badge-{document.pk}"])
        await page.until_current("toasts")
        again = LivePage(page.url, page.client, connect(page.client))
        await again.load()
        await again.connect()
        assert await again.hears_nothing()
        await again.socket.disconnect()


async def test_what_happens_between_render_and_connect_arrives(
    engine: Process, leela: Person, fry: Person, document: Document
) -> None:
    """An event before the socket opens is not lost: the resume finds it."""
    client = await signed_in(leela)
    page = LivePage("/", client, connect(client))
    await page.load()
    await take(document.pk, fry.pk)
    await page.connect()
    await page.until(lambda: "Fry is editing" in page.regions[f"lock_badge-{document.pk}"])
    await page.socket.disconnect()


async def test_what_happens_while_away_arrives_at_the_reconnect(
    engine: Process, leela: Person, fry: Person, document: Document
) -> None:
    """A page that was offline gets the current state over its next socket."""
    async with visit(leela, f"/documents/{document.pk}/") as page:
        await page.socket.disconnect()
        fence = await take(document.pk, fry.pk)
        assert fence
        new = "Second words."
        await save(document.pk, fry.pk, new, fence=fence, version=1)
        page.socket = connect(page.client)
        await page.connect()
        await page.until(lambda: "Second words." in page.regions[f"document_text-{document.pk}"])
        await page.until(lambda: 'data-verb="saved"' in page.regions["toasts"])


async def test_an_event_is_one_frame_with_every_changed_region(
    engine: Process, leela: Person, fry: Person, document: Document, settings: Settings
) -> None:
    """All that one event changes on a page travels together."""
    settings.LIVE = {"region_wait_seconds": 5}  # however busy the machine is
    async with visit(leela, f"/documents/{document.pk}/") as page:
        await page.until(lambda: "You are reading" in page.regions[f"lock_badge-{document.pk}"])
        await page.until_current("toasts")
        before = len(page.frames)
        await take(document.pk, fry.pk)
        await page.receive()
        assert len(page.frames) == before + 1
        for changed in ("lock_badge", "document_people", "pen"):
            assert f'hx-target="#{changed}-{document.pk}"' in page.frames[-1]


async def test_the_acting_person_gets_the_push_but_no_toast(
    engine: Process, leela: Person, document: Document
) -> None:
    """Whoever acts is updated by the same push as all others, without a toast."""
    async with visit(leela, "/") as page:
        await take(document.pk, leela.pk)
        await page.until(lambda: "You are editing" in page.regions[f"lock_badge-{document.pk}"])
        assert "toast" not in page.regions["toasts"].replace("toasts", "")


async def test_each_reads_in_their_own_language(
    engine: Process, leela: Person, fry: Person, document: Document
) -> None:
    """Variants by language: the same event, in the words of the page."""
    leela.language = "it"
    await leela.asave()
    async with visit(leela, "/") as italian, visit(fry, "/") as english:
        await take(document.pk, fry.pk)
        badge = f"lock_badge-{document.pk}"
        await english.until(lambda: "You are editing" in english.regions[badge])
        await italian.until(lambda: 'data-state="editing"' in italian.regions[badge])
        assert "is editing" not in italian.regions[badge]


@pytest.mark.parametrize(
    ("code", "claims"), [(1000, ["1"]), (1001, ["1"]), (1005, ["1"]), (1006, [""]), (1012, [""])]
)
async def test_a_page_says_goodbye_or_is_lost(
    engine: Process, leela: Person, document: Document, code: int, claims: list[str]
) -> None:
    """The browser's code tells which; any other end of a socket is a loss."""
    client = await signed_in(leela)
    page = LivePage(f"/documents/{document.pk}/edit/", client, connect(client))
    await page.load()
    await page.connect()
    await eventually(lambda: Connection.objects.filter(claim="1", left_at=None).exists())
    await page.socket.disconnect(code)
    await eventually(lambda: Connection.objects.exclude(left_at=None).exists())
    left = Connection.objects.values_list("claim", flat=True)
    assert [claim async for claim in left] == claims


async def test_no_message_waits_for_a_thread_of_channels(
    engine: Process, leela: Person, document: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is only one of those, for a whole process (django/channels#2132)."""

    async def fail() -> None:
        raise AssertionError("Channels looks after connections of its own")

    monkeypatch.setattr("channels.consumer.aclose_old_connections", fail)
    monkeypatch.setattr("channels.generic.websocket.aclose_old_connections", fail)
    async with visit(leela, f"/documents/{document.pk}/") as page:
        await page.until(lambda: "You are reading" in page.regions[f"lock_badge-{document.pk}"])
    await eventually(lambda: not engine.hub.sockets)


async def test_a_swapped_in_page_resumes_over_the_same_socket(
    engine: Process, leela: Person, document: Document
) -> None:
    """A second resume replaces the first page: its presence moves at once."""
    async with visit(leela, "/") as page:
        await eventually(lambda: Connection.objects.filter(subject="").count() == 1)
        page.url = f"/documents/{document.pk}/"
        await page.load()
        await page.socket.send_to(text_data=page.resume_message())
        await page.until(lambda: "You are reading" in page.regions[f"lock_badge-{document.pk}"])
        only = await Connection.objects.aget()
        assert only.subject == f"document:{document.pk}"


@pytest.mark.parametrize(
    "frame",
    [
        " ",
        "hello",
        "[]",
        "{}",
        '{"page": 7}',
        '{"page": "x", "region": 7}',
        '{"page": "x", "region": ["no mark"]}',
        '{"page": "x", "region": [], "action": "save"}',
        "[" * 50_000,
        "x" * 70_000,
    ],
)
async def test_any_other_inbound_frame_closes_the_socket(
    engine: Process, leela: Person, frame: str, refused: Refused
) -> None:
    """Writes go over HTTP: the socket takes the resume message and nothing else."""
    socket = connect(await signed_in(leela))
    assert (await socket.connect())[0]
    await socket.send_to(text_data=frame)
    closed = await socket.receive_output(timeout=5)
    assert closed == {"type": "websocket.close", "code": MALFORMED}
    assert refused() == {"refused_malformed": 1}


async def test_a_binary_frame_closes_the_socket(engine: Process, leela: Person) -> None:
    """Bytes are no resume message."""
    socket = connect(await signed_in(leela))
    assert (await socket.connect())[0]
    await socket.send_to(bytes_data=b"\x00\xff")
    assert (await socket.receive_output(timeout=5))["code"] == MALFORMED


async def test_a_forged_token_is_refused(engine: Process, leela: Person, refused: Refused) -> None:
    """A page that nobody rendered gets nothing."""
    socket = connect(await signed_in(leela))
    assert (await socket.connect())[0]
    await socket.send_to(text_data=json.dumps({"page": "forged", "region": []}))
    assert (await socket.receive_output(timeout=5))["code"] == MALFORMED
    assert refused() == {"refused_malformed": 1}


async def test_an_expired_token_is_refused(
    engine: Process, leela: Person, settings: Settings
) -> None:
    """A page that is too old must be loaded again."""
    token = pages.Token(Page("p", leela.pk), "en", ()).sign()
    settings.LIVE = {"page_token_seconds": -1}
    socket = connect(await signed_in(leela))
    assert (await socket.connect())[0]
    await socket.send_to(text_data=json.dumps({"page": token}))
    assert (await socket.receive_output(timeout=5))["code"] == MALFORMED


async def test_another_persons_token_is_refused(
    engine: Process, leela: Person, fry: Person, refused: Refused
) -> None:
    """A token counts only with the session of the person it was made for."""
    token = pages.Token(Page("p", leela.pk), "en", ("active_users",)).sign()
    socket = connect(await signed_in(fry))
    assert (await socket.connect())[0]
    await socket.send_to(text_data=json.dumps({"page": token}))
    assert (await socket.receive_output(timeout=5))["code"] == FORBIDDEN
    assert refused() == {"refused_forbidden": 1}


@pytest.mark.parametrize("how", ["old cookie", "no cookie", "open socket"])
async def test_a_token_is_worth_nothing_after_the_sign_out(
    engine: Process, leela: Person, how: str
) -> None:
    """Whoever has kept a page, or read it over somebody's shoulder, resumes nothing."""
    client = await signed_in(leela)
    page = LivePage("/", client, connect(client))
    await page.load()
    message = page.resume_message()
    cookies = client.cookies.copy()
    if how == "open socket":  # without a page yet, so nothing has closed it
        assert (await page.socket.connect())[0]
    await client.post("/logout/")
    if how != "open socket":
        client.cookies.clear()
        if how == "old cookie":
            client.cookies.update(cookies)
        page.socket = connect(client)
        assert (await page.socket.connect())[0]
    await page.socket.send_to(text_data=message)
    assert await page.is_closed() == SIGNED_OUT
    assert not engine.hub.sockets


def test_there_is_one_permission_of_pages() -> None:
    """A second one would have to say what happens where they disagree."""
    with pytest.raises(ValueError, match="two permissions"):
        pages.allow_pages(lambda user, shown: shown)


async def test_a_stranger_is_told_to_sign_in_and_receives_nothing(
    engine: Process, refused: Refused
) -> None:
    """Without a session the socket closes with 4401, whatever it sends."""
    socket = connect(AsyncClient())
    assert (await socket.connect())[0]
    assert (await socket.receive_output(timeout=5))["code"] == SIGNED_OUT
    await socket.send_to(text_data='{"page": "x"}')
    assert await socket.receive_nothing()
    assert refused() == {"refused_signed_out": 1}


#: Ours is http://127.0.0.1:8000.
FOREIGN = [
    "",
    "null",
    "https://127.0.0.1:8000",
    "ws://127.0.0.1:8000",
    "file://127.0.0.1:8000",
    "//127.0.0.1:8000",
    "127.0.0.1:8000",
    "http://127.0.0.1",
    "http://127.0.0.1:9999",
    "http://127.0.0.1:80000",
    "http://127.0.0.1:8000.evil.example",
    "http://127.0.0.1.evil.example:8000",
    "http://127.0.0.1.:8000",
    "http://127.0.0.1%00.evil.example:8000",
    "http://evil.example",
    "http://evil127.0.0.1:8000",
    "http://evil.example/http://127.0.0.1:8000",
    "http://evil.example#http://127.0.0.1:8000",
    "http://evil.example\\@127.0.0.1:8000",
    "http://evil.example@127.0.0.1:8000",
    "http://127.0.0.1:8000@evil.example",
    "http://127.0.0.1:8000:8000",
    "http://127.0.0.1:8000/",
    "http://127.0.0.1:8000 http://evil.example",
    "http://evil.example, http://127.0.0.1:8000",
    "http://127.1:8000",
    "http://2130706433:8000",
    "http://[::1]:8000",
    "http://[127.0.0.1]:8000",
    "http://[::ffff:127.0.0.1]:8000",
    "http://[",
    "http://127.0.0.1:x",
    "HTTP://127.0.0.1:8000",
    "http://LOCALHOST:8000",
    "http://127.0.0.1:8000\xff",
    "chrome-extension://127.0.0.1:8000",
]


@pytest.mark.parametrize("origin", FOREIGN)
async def test_a_foreign_origin_is_refused(
    engine: Process, leela: Person, origin: str, refused: Refused
) -> None:
    """Scheme, host and port must all be ours, as a browser writes them."""
    socket = connect(await signed_in(leela), origin=origin)
    accepted, _ = await socket.connect()
    assert not accepted
    assert refused() == {"refused_origin": 1}


async def test_a_socket_elsewhere_is_refused(engine: Process, leela: Person) -> None:
    """Without an error: anybody may ask for anything."""
    client = await signed_in(leela)
    for place in ("/", "/elsewhere/", "/live/x", "/live"):
        accepted, _ = await connect(client, place=place).connect()
        assert not accepted


async def test_signing_out_elsewhere_closes_the_socket(
    engine: Process, leela: Person, refused: Refused
) -> None:
    """The end of a session is noticed at once, wherever it happens."""
    async with visit(leela, "/") as page:
        await page.until_current("toasts")
        await page.client.post("/logout/")
        assert await page.is_closed() == SIGNED_OUT
    assert refused() == {"refused_signed_out": 1}


async def test_deactivation_closes_the_socket(engine: Process, leela: Person) -> None:
    """An account that is switched off stops receiving."""
    async with visit(leela, "/") as page:
        await page.until_current("toasts")
        leela.is_active = False
        await leela.asave()
        assert await page.is_closed() == SWITCHED_OFF


async def test_a_dead_hub_is_started_again_and_looks_at_everything(
    engine: Process, leela: Person, fry: Person, document: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What changed while it was dead is pushed when it lives again."""
    monkeypatch.setattr(process, "RESTART_SECONDS", 0.05)
    async with visit(leela, "/") as page:
        await page.until_current("toasts")
        flush = engine.hub.flush

        async def die() -> None:
            engine.hub._dirty.clear()  # the event is lost with it
            engine.hub.flush = flush  # type: ignore[method-assign]
            raise RuntimeError("dead on purpose")

        engine.hub.flush = die  # type: ignore[method-assign]
        await take(document.pk, fry.pk)
        badge = f"lock_badge-{document.pk}"
        await page.until(lambda: "Fry is editing" in page.regions[badge])


async def test_the_end_does_not_wait_for_a_thread_that_waits(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not for long; and the event loop turns meanwhile."""
    monkeypatch.setattr(db, "CLOSING_SECONDS", 0.05)
    await process.current()
    gate = threading.Event()
    waiting = asyncio.create_task(db.run(gate.wait, 10))
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await process.stop()
    assert not waiting.done()
    gate.set()
    await waiting


async def test_the_end_says_what_is_left_to_say(engine: Process) -> None:
    """What was announced last, and that this process has ended."""
    with patch.object(engine.bus, "flush") as flush:
        await process.stop()
    flush.assert_awaited_once_with()
    assert (await Node.objects.aget()).pid == 0


@pytest.mark.parametrize("server_listens", [True, False])
async def test_a_page_that_is_cut_is_told_to_come_back(
    engine: Process,
    leela: Person,
    server_listens: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On servers that would leave its socket open when its application is gone: also
    when the server takes no more messages, the application ends."""
    monkeypatch.setattr("collab.live.consumer.FAREWELL_SECONDS", 0.05)
    client = await signed_in(leela)
    page = LivePage("/", client, connect(client))
    await page.load()
    await page.connect()
    await page.until_current("toasts")
    (socket,) = engine.hub.sockets
    assert isinstance(socket.wire, QueueWire)
    if not server_listens:
        never = asyncio.Event()
        monkeypatch.setattr(page.socket.output_queue, "put", lambda message: never.wait())
    socket.wire.abort()
    if server_listens:
        assert await page.is_closed() == TRY_AGAIN
    await page.socket.wait(timeout=5)
    assert not engine.hub.sockets
    assert not engine.open_sockets


async def test_the_engine_starts_again_after_a_failed_start(
    transactional_db: None, leela: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that is away at the first connect does not stop the second."""

    async def fail(self: object) -> None:
        raise RuntimeError("no database")

    with monkeypatch.context() as broken:
        broken.setattr("collab.live.presence.Presence.register", fail)
        with pytest.raises(RuntimeError):
            await process.current()
    await process.current()
    await process.stop()


#: JSON of any shape, and what only looks like it.
SHAPES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["page", "region", "headers"]) | st.text(), inner)
    ),
    max_leaves=8,
)


@given(st.data())
@example_settings(max_examples=length(300, full=50_000), derandomize=not IS_DRILL, database=None)
def test_no_inbound_frame_is_an_error(data: st.DataObject) -> None:
    """Refused as malformed or forged: random text, JSON of wrong shapes, numbers of any
    size, and a good message with a part of it exchanged."""
    token = pages.Token(Page("p", 1), "en", ("toasts",)).sign()
    good = json.dumps({"page": token, "region": ["toasts:1"], "headers": {}})
    frame = data.draw(
        st.text(max_size=60)
        | SHAPES.map(json.dumps)
        | st.tuples(st.integers(0, len(good)), st.integers(0, 9), st.text(max_size=4)).map(
            lambda cut: good[: cut[0]] + cut[2] + good[cut[0] + cut[1] :]
        )
        | st.sampled_from(["[" * 60_000, '{"page":' * 9_000, "9" * 60_000, '{"page": 1e999}'])
    )
    try:
        read, marks = read_resume(frame)
    except (Malformed, pages.BadToken):
        return
    assert read.regions == ("toasts",), "what is read was signed"
    assert all(isinstance(value, str) for value in marks.values())
