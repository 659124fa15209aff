"""The hub without a network: who is sent what, and in which order."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest
import pytest_asyncio
from django.template import engines
from pytest_django import Settings

from collab.live import db, parts, regions
from collab.live.hub import JOBS, Hub
from collab.live.metrics import meter
from collab.live.outbox import DEFLATED_FOR, FRAME_CHARACTERS, joined
from collab.live.presence import Page
from collab.live.regions import Context, Entry, Feed, Region
from collab.live.seals import opened, sealed
from collab.live.transport import Frame
from collab.live.watches import CHUNK, CHUNK_BYTES, Socket, Watch

LEELA, FRY = 1, 2


async def until(condition: Callable[[], object]) -> None:
    """Wait for a state, with a limit."""
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


class FakeWire:
    """Remembers what it was given."""

    deflates = False

    def __init__(self) -> None:
        self.frames: list[str] = []
        self.closed: int | None = None

    def write(self, frame: Frame) -> None:
        self.frames.append(frame.text)

    def close(self, code: int) -> None:
        self.closed = code

    def abort(self) -> None:
        self.closed = 1006


class BrokenWire(FakeWire):
    """Raises at every write."""

    def write(self, frame: Frame) -> None:
        raise RuntimeError("broken on purpose")


class Board:
    """The database of these tests: notes by key, and how often each was read."""

    def __init__(self) -> None:
        self.notes: dict[str, str] = {}
        self.owners: dict[str, int] = {}
        self.loads: list[list[str]] = []
        self.renders = 0
        self.broken = False
        #: Keys that cannot be loaded; and those that wait at the gate, if not all do.
        self.bad: set[str] = set()
        self.slow: set[str] = set()
        self.asked = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    def load(self, keys: Sequence[str]) -> Mapping[str, Context]:
        self.asked.set()
        if not self.slow or self.slow.intersection(keys):
            self.gate.wait(5)
        self.loads.append(list(keys))
        if self.broken or self.bad.intersection(keys):
            raise RuntimeError("broken on purpose")
        return {k: {"note": self.notes[k], "board": self} for k in keys if k in self.notes}


class Log(Feed):
    name = "log"
    template = "entry"
    missed_template = "missed"
    topics = ("log",)
    rows: list[Entry] = []

    def head(self) -> int:
        return self.rows[-1].id if self.rows else 0

    def entries(self, after: int, limit: int) -> Sequence[Entry]:
        return [row for row in self.rows if row.id > after][-limit:]

    def render(self, entry: Entry, language: str, you: int | None) -> str:
        return f"<p>{entry.context['text']}{' you' if you else ''}</p>"

    def render_missed(self, missed: int, language: str) -> str:
        return f"<p>missed {missed}</p>"


def note_region(board: Board, name: str = "note") -> Region:
    template = engines["django"].from_string("<b>{{ note }}</b>{% if you %} yours{% endif %}")

    class NoteRegion(Region):
        def render(
            self, key: str, context: Context, language: str, you: int | None
        ) -> regions.Rendering:
            board.renders += 1
            html = template.render({**context, "you": you})
            return regions.Rendering(html + f" [{language}]", etag=f"{html}|{language}")

    return NoteRegion(
        name=name,
        template="",
        load=board.load,
        topics_for=lambda key: [f"{name}:{key}"],
        allow=regions.everyone,
        you=lambda context: [o for o in board.owners.values() if board.owners],
    )


@pytest.fixture
def board() -> Board:
    return Board()


@pytest.fixture
def registry(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log()
    log.rows.clear()
    monkeypatch.setattr(
        regions,
        "_registry",
        {"note": note_region(board), "other": note_region(Board(), "other"), "log": log},
    )
    return


@pytest_asyncio.fixture
async def hub(registry: None, settings: Settings) -> AsyncIterator[Hub]:
    # Longer than usual: a busy machine must not make a region slow that is not.
    settings.LIVE = {"region_wait_seconds": 0.5}
    yield Hub()
    db.shutdown()


def socket(user: int = LEELA, language: str = "en", *shown: str) -> tuple[Socket, FakeWire]:
    wire = FakeWire()
    page = Page(f"page-{user}", user)
    return Socket(wire, page, language, "session", shown or ("note-1",)), wire


class Parted(Region):
    """A region of three parts, of which the second says what the note says."""

    def render(
        self, key: str, context: Context, language: str, you: int | None
    ) -> regions.Rendering:
        shell = "for you" if you else ""
        told = {"a": "a" * 500, "note": context["note"], "z": "z" * 500}
        html = "".join(parts.wrapped(name, f"<p>{text}</p>") for name, text in told.items())
        return regions.Rendering(html + shell, context["note"] + shell, parts.outline_of(html))


@pytest.fixture
def parted(board: Board, registry: None, monkeypatch: pytest.MonkeyPatch) -> Region:
    region = Parted(
        name="note",
        template="",
        load=board.load,
        topics_for=lambda key: [f"note:{key}"],
        allow=regions.everyone,
        you=lambda context: board.owners.values(),
    )
    monkeypatch.setitem(regions._registry, "note", region)
    return region


async def change(hub: Hub, board: Board, note: str) -> None:
    board.notes["1"] = note
    hub.changed(["note:1"])
    await hub.flush()


async def test_only_the_part_that_changed_is_sent(hub: Hub, board: Board, parted: Region) -> None:
    """To pages that have the version before; with the mark of the new one."""
    (leela, wire), (fry, fry_wire) = socket(LEELA), socket(FRY)
    hub.join(leela, {})
    hub.join(fry, {})
    await change(hub, board, "one")
    assert "zzz" in wire.frames[0]
    await change(hub, board, "two")
    assert "<p>two</p>" in wire.frames[1]
    assert "zzz" not in wire.frames[1]
    assert 'value="note-1:two"' in wire.frames[1]
    assert fry_wire.frames == wire.frames


async def test_a_page_with_another_version_gets_the_whole(
    hub: Hub, board: Board, parted: Region
) -> None:
    """Who comes with an older version has parts that nobody remembers."""
    (leela, wire), (late, late_wire) = socket(LEELA), socket(FRY)
    hub.join(leela, {})
    await change(hub, board, "one")
    hub.join(late, {"note-1": "zero"})
    await change(hub, board, "two")
    assert "zzz" not in wire.frames[1]
    assert "zzz" in late_wire.frames[0]
    await change(hub, board, "three")
    assert "zzz" not in late_wire.frames[1]


async def test_whose_own_words_they_are_gets_the_whole(
    hub: Hub, board: Board, parted: Region
) -> None:
    """The step is from the shared rendering to the shared rendering."""
    (leela, wire), (fry, fry_wire) = socket(LEELA), socket(FRY)
    hub.join(leela, {})
    hub.join(fry, {})
    board.owners["1"] = FRY
    await change(hub, board, "one")
    await change(hub, board, "two")
    assert "for you" in fry_wire.frames[1]
    assert "zzz" in fry_wire.frames[1]
    assert "zzz" not in wire.frames[1]
    board.owners.clear()
    await change(hub, board, "three")
    assert "zzz" in fry_wire.frames[2]
    assert "for you" not in fry_wire.frames[2]


async def test_a_paced_region_is_sent_at_once_and_then_not_before_its_time(
    hub: Hub, board: Board, registry: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many changes the first and the last are sent, one pace apart."""
    monkeypatch.setitem(regions._registry, "note", replace(note_region(board), pace_seconds=0.2))
    leela, wire = socket(LEELA)
    hub.join(leela, {})
    started = asyncio.get_running_loop().time()
    running = asyncio.create_task(hub.run())
    for number in range(20):
        board.notes["1"] = str(number)
        hub.changed(["note:1"])
        await asyncio.sleep(0.005)
    await until(lambda: wire.frames and "<b>19</b>" in wire.frames[-1])
    elapsed = asyncio.get_running_loop().time() - started
    running.cancel()
    assert 2 <= len(wire.frames) <= 1 + elapsed / 0.2


async def test_a_page_with_the_current_version_is_sent_nothing(hub: Hub, board: Board) -> None:
    """Compare after subscribing: only what differs is sent."""
    board.notes["1"] = "a"
    behind, behind_wire = socket()
    current, current_wire = socket(FRY)
    hub.join(behind, {"note-1": "old"})
    hub.join(current, {"note-1": "<b>a</b>|en"})
    await hub.flush()
    assert len(behind_wire.frames) == 1
    assert current_wire.frames == []


async def test_a_storm_of_events_costs_one_render(hub: Hub, board: Board) -> None:
    """A hundred events between two ticks are one rendering and one frame."""
    board.notes["1"] = "a"
    one, wire = socket()
    hub.join(one, {})
    await hub.flush()
    board.notes["1"] = "b"
    renders = board.renders
    for _ in range(100):
        hub.changed(["note:1"])
    await hub.flush()
    assert board.renders == renders + 1
    assert len(wire.frames) == 2


async def test_one_rendering_serves_all_and_is_one_frame_object(hub: Hub, board: Board) -> None:
    """Ten sockets, one language: one rendering."""
    board.notes["1"] = "a"
    wires = []
    for _ in range(10):
        one, wire = socket()
        hub.join(one, {})
        wires.append(wire)
    await hub.flush()
    assert board.renders == 1
    assert all(len(wire.frames) == 1 for wire in wires)


async def test_an_event_that_changes_nothing_sends_nothing(hub: Hub, board: Board) -> None:
    """Events are hints: what renders as before is not sent again."""
    board.notes["1"] = "a"
    one, wire = socket()
    hub.join(one, {})
    await hub.flush()
    hub.everything_changed()
    await hub.flush()
    assert len(wire.frames) == 1


async def test_each_language_gets_its_own_rendering(hub: Hub, board: Board) -> None:
    """Variants by language."""
    board.notes["1"] = "a"
    english, english_wire = socket(LEELA, "en")
    italian, italian_wire = socket(FRY, "it")
    hub.join(english, {})
    hub.join(italian, {})
    await hub.flush()
    assert "[en]" in english_wire.frames[0]
    assert "[it]" in italian_wire.frames[0]


async def test_only_the_person_concerned_sees_it_in_their_words(hub: Hub, board: Board) -> None:
    """``you``: an own rendering for those involved, one shared by all others."""
    board.notes["1"] = "a"
    leela, leela_wire = socket(LEELA)
    fry, fry_wire = socket(FRY)
    hub.join(leela, {})
    hub.join(fry, {})
    await hub.flush()
    board.owners["1"] = FRY
    hub.changed(["note:1"])
    await hub.flush()
    assert len(leela_wire.frames) == 1, "nothing has changed for Leela"
    assert "yours" in fry_wire.frames[-1]
    board.owners.clear()
    hub.changed(["note:1"])
    await hub.flush()
    assert len(leela_wire.frames) == 1
    assert "yours" not in fry_wire.frames[-1]
    assert len(fry_wire.frames) == 3


async def test_an_object_that_is_gone_leaves_its_place(hub: Hub, board: Board) -> None:
    """No context: the element is empty, with a mark; and the object may come back."""
    board.notes["1"] = "a"
    one, wire = socket()
    hub.join(one, {})
    await hub.flush()
    del board.notes["1"]
    hub.changed(["note:1"])
    await hub.flush()
    empty = regions.mark_input("note-1", "gone")
    assert wire.frames[-1] == (
        f'<hx-partial hx-target="#note-1" hx-swap="innerMorph">{empty}</hx-partial>'
    )
    resumed, resumed_wire = socket()
    hub.join(resumed, {"note-1": "gone"})
    await hub.flush()
    assert resumed_wire.frames == [], "it knows already"
    board.notes["1"] = "again"
    hub.changed(["note:1"])
    await hub.flush()
    assert "again" in wire.frames[-1]
    assert resumed_wire.frames == wire.frames[-1:]


async def test_many_dirty_keys_are_loaded_together(hub: Hub, board: Board) -> None:
    """A page of rows costs one load, not one per row."""
    board.notes.update({str(n): "a" for n in range(50)})
    one, wire = socket(LEELA, "en", *(f"note-{n}" for n in range(50)))
    hub.join(one, {})
    await hub.flush()
    assert len(board.loads) == 1
    assert len(wire.frames) == 1


async def test_a_region_that_raises_does_not_stop_the_others(
    hub: Hub, board: Board, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged with its name, and tried again."""
    board.notes["1"] = "a"
    other: Region = regions.get("other")  # type: ignore[assignment]
    other.load.__self__.notes["1"] = "b"  # type: ignore[attr-defined]
    board.broken = True
    one, wire = socket(LEELA, "en", "note-1", "other-1")
    hub.join(one, {})
    await hub.flush()
    assert "other-1" in wire.frames[0]
    assert "note-1" not in wire.frames[0]
    assert "'note' failed" in caplog.text
    board.broken = False
    hub._retry({"note-1"})
    await hub.flush()
    assert "note-1" in wire.frames[-1]


async def test_one_key_that_raises_is_tried_again_and_the_others_are_sent(
    hub: Hub, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rendering that fails for one object costs only that object."""
    board.notes.update({"1": "a", "2": "b"})
    monkeypatch.setattr("collab.live.hub.RETRY_SECONDS", 0.01)
    region: Region = regions.get("note")  # type: ignore[assignment]
    broken = {"2"}
    render = type(region).render

    def sometimes(self: Region, key: str, *rest: Any) -> regions.Rendering:
        if key in broken:
            raise RuntimeError("broken on purpose")
        return render(self, key, *rest)

    monkeypatch.setattr(type(region), "render", sometimes)
    one, wire = socket(LEELA, "en", "note-1", "note-2")
    hub.join(one, {})
    await hub.flush()
    assert "#note-1" in wire.frames[0]
    assert "#note-2" not in wire.frames[0]
    broken.clear()
    running = asyncio.create_task(hub.run())
    await until(lambda: "#note-2" in wire.frames[-1])
    running.cancel()


async def test_one_key_that_cannot_be_loaded_costs_only_that_key(
    hub: Hub, board: Board, caplog: pytest.LogCaptureFixture
) -> None:
    """Together it fails for all of them; then each is loaded by itself."""
    board.notes.update({"1": "a", "2": "b", "3": "c"})
    board.bad = {"2"}
    one, wire = socket(LEELA, "en", "note-1", "note-2", "note-3", "note-4")
    hub.join(one, {})
    await hub.flush()
    assert "#note-1" in wire.frames[0]
    assert "#note-2" not in wire.frames[0]
    assert "#note-3" in wire.frames[0]
    assert 'value="note-4:gone"' in wire.frames[0]
    assert board.loads == [["1", "2", "3", "4"], ["1"], ["2"], ["3"], ["4"]]
    assert "'note' failed for '2'" in caplog.text
    board.bad.clear()
    hub._retry(["note-2"])
    await hub.flush()
    assert "#note-2" in wire.frames[1]


async def test_when_none_can_be_loaded_not_all_are_tried(hub: Hub, board: Board) -> None:
    """Then it is the database and not a key: each may take as long as a statement may.
    Those that were not tried come first at the next try."""
    keys = [str(number) for number in range(1, 10)]
    board.notes.update(dict.fromkeys(keys, "a"))
    board.bad = {"1", "2", "3"}
    one, wire = socket(LEELA, "en", *(f"note-{key}" for key in keys))
    hub.join(one, {})
    loop = asyncio.get_running_loop()
    with patch.object(loop, "call_later") as later:
        await hub.flush()
    assert board.loads == [keys, ["1"], ["2"], ["3"]]
    assert wire.frames == []
    _, retry, *again = later.call_args_list[-1].args
    retry(*again)
    await hub.flush()
    assert all(f"#note-{key}" in wire.frames[0] for key in keys[3:])


async def test_a_key_that_takes_long_does_not_hold_up_the_others(
    hub: Hub, board: Board, settings: Settings
) -> None:
    """What changes of other objects is rendered beside it; but not in all threads, and
    never the same object twice at once."""
    settings.LIVE = {"region_wait_seconds": 0.1}
    board.notes.update({"1": "a", "2": "b", "3": "c"})
    board.slow = {"1", "3"}
    board.gate.clear()
    one, wire = socket(LEELA, "en", "note-1", "note-2", "note-3")
    hub.join(one, {"note-2": "<b>b</b>|en", "note-3": "<b>c</b>|en"})
    hub._dirty = {"note-1": None}
    await hub.flush()
    board.notes["2"] = "news"
    hub.changed(["note:1", "note:2"])
    await hub.flush()
    assert "news" in wire.frames[0]
    hub.changed(["note:3"])
    await hub.flush()
    assert len(hub._jobs) == JOBS
    hub.changed(["note:2"])
    await hub.flush()
    assert len(hub._jobs) == JOBS
    assert set(hub._dirty) == {"note-1", "note-2"}
    board.gate.set()
    await asyncio.wait(hub._jobs)
    await hub.flush()
    await hub.flush()
    assert not hub._dirty
    assert "#note-1" in "".join(wire.frames)


class Clock:
    """The monotonic clock, as far as a test lets it go."""

    def __init__(self) -> None:
        self.now = asyncio.get_event_loop().time()

    def monotonic(self) -> float:
        return self.now


def booked() -> Any:
    """How many deliveries have been timed so far, and how long they took in all."""
    flush = meter.snapshot()["flush"]
    return sum(flush["counts"]), flush["sum"]


async def test_the_time_of_a_delivery_is_that_of_its_own_region(
    hub: Hub, board: Board, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From its event on, however many flushes went by; also after a failure."""
    settings.LIVE = {"region_wait_seconds": 0.01}
    clock = Clock()
    monkeypatch.setattr("collab.live.hub.time", clock)
    board.notes["1"] = "a"
    board.gate.clear()
    one, wire = socket()
    hub.join(one, {})
    count, total = booked()
    hub.changed(["note:1"])
    clock.now += 1
    await hub.flush()
    assert booked() == (count, total), "nothing was delivered"
    clock.now += 2
    board.gate.set()
    await asyncio.wait(hub._jobs)
    await hub.flush()
    assert wire.frames
    assert booked() == (count + 1, pytest.approx(total + 3))
    board.broken = True
    hub.changed(["note:1"])
    with patch.object(asyncio.get_running_loop(), "call_later") as later:
        await hub.flush()
        await asyncio.wait(hub._jobs) if hub._jobs else None
        await hub.flush()
    board.broken = False
    clock.now += 5
    _, retry, *again = later.call_args_list[-1].args
    retry(*again)
    await hub.flush()
    await asyncio.wait(hub._jobs) if hub._jobs else None
    await hub.flush()
    assert booked() == (count + 2, pytest.approx(total + 3 + 5))


async def test_a_paced_region_is_late_only_after_it_is_due(
    hub: Hub, board: Board, registry: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To wait is what its pace is for."""
    monkeypatch.setitem(regions._registry, "note", replace(note_region(board), pace_seconds=60))
    clock = Clock()
    monkeypatch.setattr("collab.live.hub.time", clock)
    one, _ = socket()
    hub.join(one, {})
    await hub.flush()
    count, total = booked()
    clock.now -= 40
    hub.changed(["note:1"])
    clock.now += 40
    watch = hub._watches["note-1"]
    assert isinstance(watch, Watch)
    watch.due = clock.now - 10
    await hub.flush()
    assert booked() == (count + 1, pytest.approx(total + 10))


async def test_a_broken_socket_is_cut_and_the_others_get_their_frame(
    hub: Hub, board: Board
) -> None:
    """Whatever a socket raises, the fan-out goes on."""
    board.notes["1"] = "a"
    sockets = [socket() for _ in range(3)]
    sockets[1][0].wire = broken = BrokenWire()
    for one, _ in sockets:
        hub.join(one, {})
    await hub.flush()
    assert [len(wire.frames) for _, wire in sockets] == [1, 0, 1]
    assert broken.closed == 1006
    assert sockets[1][0] not in hub.sockets


async def test_what_is_taken_away_is_gone_and_no_longer_sent(hub: Hub, board: Board) -> None:
    """A page whose person may not see a region any more."""
    board.notes["1"] = "a"
    one, wire = socket(LEELA, "en", "note-1", "other-1")
    hub.join(one, {})
    await hub.flush()
    hub.drop(one, ["note-1"])
    assert wire.frames[-1] == '<hx-partial hx-target="#note-1" hx-swap="delete"></hx-partial>'
    board.notes["1"] = "b"
    hub.changed(["note:1"])
    sent = len(wire.frames)
    await hub.flush()
    assert len(wire.frames) == sent


async def test_who_comes_while_a_feed_is_read_misses_nothing(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that is further behind, in another language, or a new person: the
    next flush serves it, from where it stands."""
    Log.rows.extend(Entry(n, {"text": f"e{n}."}, f"s{n}") for n in range(1, 6))
    first, first_wire = socket(LEELA, "en", "log")
    hub.join(first, {"log": sealed(5)})
    await hub.flush()
    reading, gate = threading.Event(), threading.Event()
    entries = Log.entries

    def slowly(self: Log, after: int, limit: int) -> Sequence[Entry]:
        reading.set()
        gate.wait(5)
        return entries(self, after, limit)

    monkeypatch.setattr(Log, "entries", slowly)
    Log.rows.append(Entry(6, {"text": "e6."}, "s6"))
    hub.changed(["log"])
    flush = asyncio.create_task(hub.flush())
    await until(reading.is_set)
    late, late_wire = socket(FRY, "it", "log")
    hub.join(late, {"log": sealed(2)})
    gate.set()
    await flush
    await hub.flush()
    assert "e6." in first_wire.frames[0]
    assert all(f"e{n}." in late_wire.frames[0] for n in (3, 4, 5, 6))


async def test_who_comes_while_a_region_is_rendered_sees_their_own_words(
    hub: Hub, board: Board
) -> None:
    """Even when their page has the shared version already."""
    board.notes["1"] = "a"
    first, _ = socket(LEELA)
    hub.join(first, {})
    await hub.flush()
    board.owners["1"] = FRY
    board.gate.clear()
    board.asked.clear()
    hub.changed(["note:1"])
    flush = asyncio.create_task(hub.flush())
    await until(board.asked.is_set)
    fry, wire = socket(FRY)
    hub.join(fry, {"note-1": "<b>a</b>|en"})
    board.gate.set()
    await flush
    await hub.flush()
    assert "yours" in wire.frames[-1]


async def test_a_feed_that_cannot_render_loses_nothing(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page's memory moves only with what it was sent."""
    one, wire = socket(LEELA, "en", "log")
    hub.join(one, {"log": sealed(0)})
    Log.rows.append(Entry(1, {"text": "first"}, "a"))
    with monkeypatch.context() as broken:
        broken.setattr(Log, "render", lambda *args: 1 / 0)
        hub.changed(["log"])
        await hub.flush()
    assert wire.frames == []
    hub._retry({"log"})
    await hub.flush()
    assert "first" in wire.frames[0]


async def test_a_slow_region_delays_only_itself(hub: Hub, board: Board) -> None:
    """The others leave without it; it follows when it is done."""
    board.notes["1"] = "a"
    other: Region = regions.get("other")  # type: ignore[assignment]
    other.load.__self__.notes["1"] = "b"  # type: ignore[attr-defined]
    board.gate.clear()
    one, wire = socket(LEELA, "en", "note-1", "other-1")
    hub.join(one, {})
    await hub.flush()
    assert "other-1" in wire.frames[0]
    assert "note-1" not in wire.frames[0]
    board.gate.set()
    running = asyncio.create_task(hub.run())
    await until(lambda: "note-1" in wire.frames[-1])
    running.cancel()


async def test_what_changes_while_it_is_rendered_is_rendered_again(hub: Hub, board: Board) -> None:
    """No region is rendered twice at once, and no event is swallowed by that."""
    board.notes["1"] = "a"
    board.gate.clear()
    one, wire = socket()
    hub.join(one, {})
    await hub.flush()
    hub.changed(["note:1"])
    await hub.flush()
    assert len(hub._jobs) == 1
    board.notes["1"] = "b"
    board.gate.set()
    running = asyncio.create_task(hub.run())
    await until(lambda: wire.frames and "<b>b</b>" in wire.frames[-1])
    running.cancel()


@pytest.mark.parametrize(
    ("sizes", "frames"),
    [
        ([1], [1]),
        ([FRAME_CHARACTERS // 2] * 2, [FRAME_CHARACTERS]),
        ([FRAME_CHARACTERS // 2] * 3, [FRAME_CHARACTERS, FRAME_CHARACTERS // 2]),
        ([1, FRAME_CHARACTERS, 1], [1, FRAME_CHARACTERS, 1]),
        ([1, FRAME_CHARACTERS * 8, 1, 1], [1, FRAME_CHARACTERS * 8, 2]),
    ],
)
def test_fragments_travel_in_few_frames_and_not_in_too_long_ones(
    sizes: list[int], frames: list[int]
) -> None:
    """In their order. What is longer by itself has a frame of its own: no server or
    browser has a limit for what a server sends."""
    fragments = [chr(97 + number) * size for number, size in enumerate(sizes)]
    made = joined(fragments)
    assert [len(frame.text) for frame in made] == frames
    assert "".join(frame.text for frame in made) == "".join(fragments)


async def test_who_left_is_sent_nothing_and_leaves_nothing_behind(hub: Hub, board: Board) -> None:
    """A hub without sockets is empty."""
    board.notes["1"] = "a"
    one, wire = socket()
    hub.join(one, {})
    await hub.flush()
    hub.leave(one)
    board.notes["1"] = "b"
    hub.changed(["note:1"])
    await hub.flush()
    assert len(wire.frames) == 1
    assert not any([hub.sockets, hub.by_user, hub._watches, hub._topics])


async def test_the_people_here_are_those_with_a_socket(hub: Hub) -> None:
    """Whoever asks in between, and however many tabs they have."""
    (first, _), (second, _), (other, _) = socket(LEELA), socket(LEELA), socket(FRY)
    steps: list[tuple[Callable[..., None], tuple[Any, ...], set[int]]] = [
        (hub.join, (first, {}), {LEELA}),
        (hub.join, (second, {}), {LEELA}),
        (hub.join, (other, {}), {LEELA, FRY}),
        (hub.leave, (first,), {LEELA, FRY}),
        (hub.leave, (second,), {FRY}),
        (hub.leave, (other,), set()),
    ]
    for step, arguments, here in steps:
        step(*arguments)
        assert hub.users == here


async def test_a_feed_appends_what_came_and_never_repeats(hub: Hub) -> None:
    """Entries go to those they are for, once, and the page's mark moves on."""
    one, wire = socket(LEELA, "en", "log")
    hub.join(one, {"log": sealed(0)})
    Log.rows.append(Entry(1, {"text": "first"}, "a"))
    Log.rows.append(Entry(2, {"text": "own"}, "b", seen_by=lambda user: user != LEELA))
    hub.changed(["log"])
    await hub.flush()
    assert "first" in wire.frames[0]
    assert "own" not in wire.frames[0]
    (mark,) = re.findall(r'value="log:(\w+)"', wire.frames[0])
    assert opened(mark) == 2
    hub.changed(["log"])
    await hub.flush()
    assert len(wire.frames) == 1


async def test_an_entry_that_comes_while_the_feed_is_read_is_not_passed_over(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the question for entries and that for the newest."""
    one, wire = socket(LEELA, "en", "log")
    hub.join(one, {"log": sealed(0)})
    head = Log.head

    def head_after_one_more(self: Log) -> int:
        if not self.rows:
            self.rows.append(Entry(1, {"text": "just in time"}, "a"))
        return head(self)

    monkeypatch.setattr(Log, "head", head_after_one_more)
    await hub.flush()
    hub.changed(["log"])
    await hub.flush()
    assert [frame for frame in wire.frames if "just in time" in frame] != []


async def test_a_feed_replays_the_newest_and_counts_the_rest(hub: Hub) -> None:
    """A page that was away gets twenty entries and a count."""
    Log.rows.extend(Entry(n, {"text": f"e{n}."}, f"s{n}") for n in range(1, 36))
    away, wire = socket(LEELA, "en", "log")
    hub.join(away, {"log": sealed(5)})
    await hub.flush()
    assert "missed 10" in wire.frames[0]
    assert "e15." not in wire.frames[0]
    assert all(f"e{n}." in wire.frames[0] for n in range(16, 36))


async def test_entries_of_a_slot_replace_each_other(hub: Hub) -> None:
    """Repeated events are one entry: the earlier one goes, the later one comes."""
    Log.rows.extend([Entry(1, {"text": "opened"}, "doc"), Entry(2, {"text": "saved"}, "doc")])
    one, wire = socket(LEELA, "en", "log")
    hub.join(one, {"log": sealed(0)})
    await hub.flush()
    assert "opened" not in wire.frames[0]
    assert '<hx-partial hx-target="#log-doc" hx-swap="delete">' in wire.frames[0]


async def test_a_feed_speaks_to_the_person_concerned(hub: Hub) -> None:
    """``you`` in feeds: the author reads of "your document"."""
    Log.rows.append(Entry(1, {"text": "opened"}, "doc", you=frozenset({FRY})))
    leela, leela_wire = socket(LEELA, "en", "log")
    fry, fry_wire = socket(FRY, "en", "log")
    hub.join(leela, {"log": sealed(0)})
    hub.join(fry, {"log": sealed(0)})
    await hub.flush()
    assert "opened you" not in leela_wire.frames[0]
    assert "opened you" in fry_wire.frames[0]


async def test_who_is_left_out_by_a_delivery_that_ends_early_comes_back(
    hub: Hub, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub has noted that they are up to date: only a resume can tell otherwise."""
    monkeypatch.setattr("collab.live.hub.CHUNK", 1)
    monkeypatch.setattr("collab.live.watches.CHUNK", 1)
    pages = [socket(user) for user in (LEELA, FRY, 3)]
    for page, _ in pages:
        hub.join(page, {})
    board.notes["1"] = "news"
    hub.changed(["note:1"])
    flush = asyncio.create_task(hub.flush())
    async with asyncio.timeout(5):
        while not any(wire.frames for _, wire in pages):
            await asyncio.sleep(0)
    flush.cancel()
    with pytest.raises(asyncio.CancelledError):
        await flush
    assert [wire.closed for _, wire in pages if wire.frames] == [None]
    assert [wire.closed for _, wire in pages if not wire.frames] == [1006, 1006]
    assert len(hub.sockets) == 1


class Ticking(FakeWire):
    """Notes in which turn of the event loop it got how many bytes."""

    turn = 0
    got: list[tuple[int, int]] = []

    def write(self, frame: Frame) -> None:
        self.got.append((self.turn, frame.size))


@pytest.fixture
def by_turn() -> Iterator[Callable[[], list[tuple[int, int]]]]:
    """By turn of the event loop, how many frames and how many bytes were written."""
    Ticking.got.clear()

    async def tick() -> None:
        while True:
            await asyncio.sleep(0)
            Ticking.turn += 1

    ticking = asyncio.get_event_loop().create_task(tick())

    def found() -> list[tuple[int, int]]:
        turns = {turn for turn, _ in Ticking.got}
        sizes = [[size for at, size in Ticking.got if at == turn] for turn in turns]
        return [(len(written), sum(written)) for written in sizes]

    yield found
    ticking.cancel()


@pytest.mark.parametrize("size", [10, 1_000, 5_000, CHUNK_BYTES * 2])
async def test_the_event_loop_gets_its_turn_however_many_read_however_much(
    hub: Hub, board: Board, by_turn: Callable[[], list[tuple[int, int]]], size: int
) -> None:
    """After 500 frames or a megabyte at the latest, which takes 2 ms: also within one
    frame that all get, and between frames that one page gets."""
    readers = 5_000 if size <= 1_000 else 600 if size <= 5_000 else 3
    for user in range(readers):
        one, _ = socket(user, "en", "note-1")
        one.wire = Ticking()
        hub.join(one, {})
    board.notes["1"] = "x" * size
    hub.changed(["note:1"])
    await hub.flush()
    turns = by_turn()
    assert sum(count for count, _ in turns) == readers
    assert max(count for count, _ in turns) <= CHUNK
    assert max(total for _, total in turns) <= max(CHUNK_BYTES, size + 200)


async def test_the_event_loop_gets_its_turn_between_the_frames_of_a_page(
    hub: Hub, board: Board, by_turn: Callable[[], list[tuple[int, int]]]
) -> None:
    """And between letters to one page each. Frames are counted, not letters."""
    keys = [str(number) for number in range(12)]
    board.notes.update(dict.fromkeys(keys, "x" * FRAME_CHARACTERS))
    counted = meter.counts["deliveries"]
    one, _ = socket(LEELA, "en", *(f"note-{key}" for key in keys))
    one.wire = Ticking()
    hub.join(one, {})
    await hub.flush()
    turns = by_turn()
    assert sum(count for count, _ in turns) == len(keys)
    assert max(count for count, _ in turns) <= 4
    assert meter.counts["deliveries"] == counted + len(keys)


async def test_a_rendering_that_outlives_a_flush_that_was_ended_is_sent(
    hub: Hub, board: Board
) -> None:
    """The next one is woken by its end."""
    leela, wire = socket()
    hub.join(leela, {})
    board.notes["1"] = "news"
    board.gate.clear()
    flush = asyncio.create_task(hub.flush())
    await until(lambda: hub._jobs)
    flush.cancel()
    with pytest.raises(asyncio.CancelledError):
        await flush
    hub._wake.clear()
    board.gate.set()
    await asyncio.wait_for(hub._wake.wait(), 5)
    await hub.flush()
    assert "news" in wire.frames[0]


class Deflating(FakeWire):
    """One of a client that takes compressed frames, and reads them."""

    deflates = True

    def __init__(self) -> None:
        super().__init__()
        self.compressed = 0

    def write(self, frame: Frame) -> None:
        self.compressed += frame.is_compressed
        super().write(frame)


@pytest.mark.parametrize("others", [DEFLATED_FOR - 2, DEFLATED_FOR - 1])
async def test_what_many_get_is_compressed_for_those_who_agreed(
    hub: Hub, board: Board, others: int
) -> None:
    """From so many pages on, whoever they are; the others get it as it is."""
    plain = [socket(user)[0] for user in range(others)]
    agreed, wire = socket(LEELA)
    agreed.wire = wire = Deflating()
    for one in (*plain, agreed):
        hub.join(one, {})
    counted = meter.counts["compressed"]
    board.notes["1"] = "news " * 1_000
    hub.changed(["note:1"])
    await hub.flush()
    is_compressed = others + 1 >= DEFLATED_FOR
    assert wire.compressed == is_compressed
    assert meter.counts["compressed"] == counted + is_compressed
    texts = {tuple(one.wire.frames) for one in (*plain, agreed) if isinstance(one.wire, FakeWire)}
    assert len(texts) == 1, "it is the same for all"
    assert "news news" in texts.pop()[-1]
