"""The hub: from "topic X changed" to bytes on every socket that shows X.

One hub per process. It keeps, for each region somebody looks at, a *watch*: who
shows it, and which version they have. Events mark watches dirty; on the next
tick every dirty region is rendered once per variant, compared with what each
page has, and sent where it differs. All fragments of a tick travel in one frame.

Order is what makes this right: a page subscribes first and is compared after, a
region is never rendered twice at the same time, and all sending is done by one
task. So a page can never be left with an older state than one it was sent.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from . import db, parts, regions
from .conf import conf
from .metrics import meter
from .presence import Page
from .regions import Entry, Feed, Region, Rendering
from .transport import Frame, Wire

logger = logging.getLogger(__name__)

#: Sockets written to before the event loop gets a turn.
CHUNK = 250
#: Longest text joined into one frame; Daphne's own limit is 1 MiB.
FRAME_CHARACTERS = 256 * 1024
#: A region that failed is tried again after this long, doubling up to a minute.
RETRY_SECONDS = 1.0
RETRY_MAX_SECONDS = 60.0
#: The most feed entries looked at to bring pages up to date.
FEED_LOOKBACK = 500


@dataclass(eq=False, slots=True)
class Socket:
    """One page's open socket."""

    wire: Wire
    page: Page
    language: str
    session_key: str
    regions: tuple[str, ...] = ()


class Version(NamedTuple):
    """Which rendering pages have, and the outline of its parts."""

    etag: str
    outline: parts.Outline | None


@dataclass(eq=False, slots=True)
class Watch:
    """Who shows a state region in this process, and which version they have.

    ``current`` is the shared rendering's version by language; a socket in
    ``marks`` has something else: the ETag it brought along when it connected, or
    that of the rendering made for the person alone.
    """

    region: Region
    key: str
    sockets: dict[str, set[Socket]] = field(default_factory=dict)
    current: dict[str, Version] = field(default_factory=dict)
    marks: dict[Socket, str] = field(default_factory=dict)
    #: Who has resumed, and whose mark is not compared yet.
    newcomers: set[Socket] = field(default_factory=set)
    #: Not rendered again before this time of the event loop's clock.
    due: float = 0.0

    def add(self, socket: Socket, mark: str) -> bool:
        """Returns whether the page may be out of date."""
        self.sockets.setdefault(socket.language, set()).add(socket)
        current = self.current.get(socket.language)
        if current and mark == current.etag:
            return False
        self.marks[socket] = mark
        self.newcomers.add(socket)
        return True

    def discard(self, socket: Socket) -> None:
        self.marks.pop(socket, None)
        self.newcomers.discard(socket)
        same_language = self.sockets.get(socket.language, set())
        same_language.discard(socket)
        if not same_language:
            self.sockets.pop(socket.language, None)
            self.current.pop(socket.language, None)


@dataclass(eq=False, slots=True)
class FeedWatch:
    """Who shows a feed in this process, and the last entry each has."""

    region: Feed
    key: str
    cursors: dict[Socket, int] = field(default_factory=dict)
    head: int = -1

    def add(self, socket: Socket, mark: str) -> bool:
        """Returns whether the page may have missed entries."""
        self.cursors[socket] = int(mark) if mark.isdecimal() else 0
        return self.cursors[socket] != self.head

    def discard(self, socket: Socket) -> None:
        self.cursors.pop(socket, None)

    @property
    def sockets(self) -> Mapping[Socket, int]:
        return self.cursors


AnyWatch = Watch | FeedWatch


class Variants(NamedTuple):
    """A state region in one language."""

    shared: Rendering
    #: The renderings made for one person each.
    own: Mapping[int, Rendering] = {}
    #: From the version that pages have to ``shared``, if that can be told.
    step: Step | None = None


class Step(NamedTuple):
    """What a page needs that has one certain version."""

    since: str
    fragment: str


class Batch:
    """Fragments that travel together. Sockets that get the same share the object,
    and so its frames; a fan-out allocates nothing per socket."""

    __slots__ = ("fragments", "frames", "longer", "size")

    def __init__(self, fragments: tuple[str, ...] = ()) -> None:
        self.fragments = fragments
        #: By fragment, the batch that has it at its end.
        self.longer: dict[str, Batch] = {}
        #: The fragments on the wire, made at the first delivery.
        self.frames: Sequence[Frame] = ()
        #: Their bytes together.
        self.size = 0

    def plus(self, fragment: str) -> Batch:
        """The one batch that has ``fragment`` after these."""
        return self.longer.setdefault(fragment, Batch((*self.fragments, fragment)))


class Outbox:
    """What each socket gets in one flush, in the order it was put."""

    def __init__(self) -> None:
        self.batches: dict[Socket, Batch] = {}
        self._empty = Batch()

    def put(self, fragment: str, sockets: Iterable[Socket]) -> None:
        """Send ``fragment`` to each of ``sockets``, after what they get already."""
        batches, empty = self.batches, self._empty
        for socket in sockets:
            batch = batches.get(socket, empty)
            batches[socket] = batch.longer.get(fragment) or batch.plus(fragment)


#: Puts what a job has rendered; returns what could not be rendered.
Put = Callable[[Outbox], Sequence[AnyWatch]]
Job = asyncio.Task[Put]


class Hub:
    """Keeps the sockets of one process up to date."""

    def __init__(self) -> None:
        self.sockets: set[Socket] = set()
        self.by_user: dict[int, set[Socket]] = {}
        self._watches: dict[str, AnyWatch] = {}
        self._topics: dict[str, set[str]] = {}
        self._dirty: set[str] = set()
        self._jobs: dict[Job, Sequence[AnyWatch]] = {}
        self._failures: dict[str, int] = {}
        self._alarm: asyncio.TimerHandle | None = None
        #: When the first event came that no flush has served yet.
        self._since: float | None = None
        self._wake = asyncio.Event()

    # Subscriptions, called in the event loop.

    def join(self, socket: Socket, marks: Mapping[str, str]) -> None:
        """Subscribe a page to its regions; send only what it has not got.

        Args:
            socket: the page's socket; its ``regions`` are those it may see.
            marks: by region id, the version the page has: an ETag, or the id of
                the last feed entry.
        """
        self.sockets.add(socket)
        self.by_user.setdefault(socket.page.user_id, set()).add(socket)
        # What is being rendered now does not know of this page yet.
        busy = self._busy()
        for identifier in socket.regions:
            watch = self._watches.get(identifier) or self._watch(identifier)
            if watch.add(socket, marks.get(identifier, "")) or watch.region.name in busy:
                self._dirty.add(identifier)
        if self._dirty:
            self._wake.set()

    def leave(self, socket: Socket) -> None:
        """Forget a socket."""
        self.sockets.discard(socket)
        same_user = self.by_user.get(socket.page.user_id, set())
        same_user.discard(socket)
        if not same_user:
            self.by_user.pop(socket.page.user_id, None)
        self._unsubscribe(socket, socket.regions)

    def drop(self, socket: Socket, lost: Collection[str]) -> None:
        """Take regions away from a page whose person may not see them any more."""
        self._unsubscribe(socket, lost)
        socket.regions = tuple(i for i in socket.regions if i not in lost)
        socket.wire.write(Frame("".join(removed(i) for i in lost)))

    def _unsubscribe(self, socket: Socket, identifiers: Iterable[str]) -> None:
        for identifier in identifiers:
            if watch := self._watches.get(identifier):
                watch.discard(socket)
                if not watch.sockets:
                    self._unwatch(identifier, watch)

    # Events, called in the event loop.

    def changed(self, topics: Iterable[str]) -> None:
        """Mark every region that depends on one of ``topics``."""
        for topic in topics:
            meter.count("events")
            if identifiers := self._topics.get(topic):
                meter.count("coalesced", len(identifiers & self._dirty))
                self._dirty |= identifiers
                self._since = self._since or time.monotonic()
                self._wake.set()

    def everything_changed(self) -> None:
        """Events may have been lost: look at everything anew."""
        self._dirty |= self._watches.keys()
        self._wake.set()

    # The flush.

    async def run(self) -> None:
        """Flush for ever. Ends only by an error; the caller starts it again."""
        last = 0.0
        while True:
            await self._wake.wait()
            # An isolated event leaves at once; a storm is cut into ticks.
            await asyncio.sleep(max(0.0, last + conf().tick_seconds - time.monotonic()))
            last = time.monotonic()
            self._wake.clear()
            await self.flush()

    async def flush(self) -> None:
        """Render what is dirty and send what differs.

        A region that takes long (or hangs) delays only itself: the others are
        sent without it, and it follows when it is done.
        """
        if started := self._start_jobs():
            try:
                await asyncio.wait(started, timeout=conf().region_wait_seconds)
            finally:  # even if this task is ended here
                for job in started:
                    if not job.done():
                        job.add_done_callback(lambda _: self._wake.set())
        since, self._since = self._since, None
        outbox = Outbox()
        done = [job for job in self._jobs if job.done()]
        for job in done:
            self._collect(job, self._jobs.pop(job), outbox)
        await self._deliver(outbox)
        if since is not None:
            meter.flushed(time.monotonic() - since)
        if done and self._dirty:
            self._wake.set()  # what became dirty again while it was rendered

    def _busy(self) -> set[str]:
        """The names of the regions that are being rendered."""
        return {watches[0].region.name for watches in self._jobs.values()}

    def _start_jobs(self) -> list[Job]:
        """Start rendering what is dirty, due, and not being rendered already."""
        busy = self._busy()
        by_name: dict[str, list[AnyWatch]] = {}
        for identifier in list(self._dirty):
            watch = self._watches.get(identifier)
            if watch is not None and (watch.region.name in busy or not self._is_due(watch)):
                continue
            self._dirty.discard(identifier)
            if watch is not None:
                by_name.setdefault(watch.region.name, []).append(watch)
        started = []
        for name, watches in by_name.items():
            job = asyncio.create_task(self._job(watches), name=f"live-render-{name}")
            self._jobs[job] = watches
            started.append(job)
        return started

    def _is_due(self, watch: AnyWatch) -> bool:
        """May it be rendered now? If not, a flush is set for when it may."""
        if isinstance(watch, FeedWatch) or not watch.region.pace_seconds:
            return True
        loop = asyncio.get_running_loop()
        if watch.due <= loop.time():
            watch.due = loop.time() + watch.region.pace_seconds
            return True
        if self._alarm is None or not loop.time() < self._alarm.when() <= watch.due:
            if self._alarm is not None:
                self._alarm.cancel()
            self._alarm = loop.call_at(watch.due, self._wake.set)
        return False

    async def _job(self, watches: Sequence[AnyWatch]) -> Put:
        users = frozenset(self.by_user)
        states = [watch for watch in watches if isinstance(watch, Watch)]
        if states:
            wanted = {
                watch.key: {language: watch.current.get(language) for language in watch.sockets}
                for watch in states
            }
            rendered = await db.run(render_states, states[0].region, wanted, users)
            return lambda outbox: self._put_states(states, rendered, outbox)
        feed = next(watch for watch in watches if isinstance(watch, FeedWatch))
        behind = min(feed.cursors.values(), default=0)
        languages = frozenset(socket.language for socket in feed.cursors)
        news = await db.run(read_feed, feed.region, behind, languages, users)
        return lambda outbox: self._put_entries(feed, news, outbox)

    def _collect(self, job: Job, watches: Sequence[AnyWatch], outbox: Outbox) -> None:
        """Put what a job has rendered; what failed is tried again later."""
        name = watches[0].region.name
        try:
            failed = job.result()(outbox)
        except Exception:  # a region is the product's code: anything may come
            logger.exception("live: region %r failed", name)
            failed = watches
        if not failed:
            self._failures.pop(name, None)
            return
        failures = self._failures[name] = self._failures.get(name, 0) + 1
        delay = min(RETRY_SECONDS * 2 ** (failures - 1), RETRY_MAX_SECONDS)
        again = {regions.region_id(name, watch.key) for watch in failed}
        asyncio.get_running_loop().call_later(delay, self._retry, again)

    def _retry(self, identifiers: set[str]) -> None:
        self._dirty |= identifiers
        self._wake.set()

    def _put_states(
        self,
        watches: Sequence[Watch],
        rendered: Mapping[str, Mapping[str, Variants]],
        outbox: Outbox,
    ) -> Sequence[AnyWatch]:
        """Returns the watches that could not be rendered."""
        for watch in watches:
            for language, variants in rendered.get(watch.key, {}).items():
                meter.count("renders", 1 + len(variants.own))
                self._put_state(watch, language, variants, outbox)
        return [watch for watch in watches if watch.key not in rendered]

    def _put_state(self, watch: Watch, language: str, variants: Variants, outbox: Outbox) -> None:
        showing = watch.sockets.get(language)
        if showing is None:
            return  # the last of them left while we rendered
        shared, own, step = variants
        version = watch.current.get(language)
        before = version.etag if version else None
        watch.current[language] = Version(shared.etag, shared.outline)
        if before == shared.etag:
            # Everybody but these has it already.
            special = {s for user in own for s in self.by_user.get(user, ())}
            receivers = showing & (special | watch.marks.keys())
        else:
            receivers = showing
        identifier = regions.region_id(watch.region.name, watch.key)
        if not receivers:
            return
        update = step.fragment if step and step.since == before else ""
        if not own and not watch.marks:  # the same news for everybody
            outbox.put(update or replaced(identifier, shared), receivers)
            return
        fragments = {r.etag: replaced(identifier, r) for r in (shared, *own.values())}
        stale = 0
        for socket in receivers:
            rendering = own.get(socket.page.user_id, shared)
            has = watch.marks.pop(socket, before)
            if rendering is not shared:
                watch.marks[socket] = rendering.etag
            if has != rendering.etag:
                stale += socket in watch.newcomers
                fragment = update if rendering is shared and has == before else ""
                outbox.put(fragment or fragments[rendering.etag], [socket])
        # Made anew, since what many have left keeps their room.
        watch.newcomers = watch.newcomers - receivers
        watch.marks = dict(watch.marks)
        meter.count("stale", stale)

    def _put_entries(self, watch: FeedWatch, news: News, outbox: Outbox) -> Sequence[AnyWatch]:
        watch.head = news.head
        for socket, cursor in watch.cursors.items():
            if cursor >= news.head or not news.covers(socket, cursor):
                continue  # who came too late for this is served by the next flush
            for fragment in news.fragments_for(watch.region, socket, cursor):
                outbox.put(fragment, [socket])
            watch.cursors[socket] = news.head
        return ()

    async def _deliver(self, outbox: Outbox) -> None:
        waiting = iter(outbox.batches.items())
        try:
            await self._write(waiting)
        except BaseException:
            # The hub takes them for up to date, and they are not: they resume.
            for socket, _ in waiting:
                self._give_up(socket)
            raise
        meter.count("deliveries", len(outbox.batches))

    async def _write(self, waiting: Iterator[tuple[Socket, Batch]]) -> None:
        sent = 0
        for number, (socket, batch) in enumerate(waiting, 1):
            try:
                if not batch.frames:
                    batch.frames = joined(batch.fragments)
                    batch.size = sum(frame.size for frame in batch.frames)
                for frame in batch.frames:
                    socket.wire.write(frame)
            except Exception:  # one broken socket must not cost the others their frame
                logger.exception("live: could not write to a socket")
                self._give_up(socket)
            sent += batch.size
            if number % CHUNK == 0:
                await asyncio.sleep(0)
        meter.count("bytes", sent)

    def _give_up(self, socket: Socket) -> None:
        """End a page's socket: it comes back, and says what it has."""
        self.leave(socket)
        socket.wire.abort()

    def _watch(self, identifier: str) -> AnyWatch:
        name, key = regions.parse_id(identifier)
        region = regions.get(name)
        watch: AnyWatch = FeedWatch(region, key) if isinstance(region, Feed) else Watch(region, key)
        self._watches[identifier] = watch
        for topic in region.topics_for(key):
            self._topics.setdefault(topic, set()).add(identifier)
        return watch

    def _unwatch(self, identifier: str, watch: AnyWatch) -> None:
        del self._watches[identifier]
        for topic in watch.region.topics_for(watch.key):
            identifiers = self._topics.get(topic, set())
            identifiers.discard(identifier)
            if not identifiers:
                self._topics.pop(topic, None)


# Rendering: plain functions, run in the engine's threads.


def render_states(
    region: Region,
    wanted: Mapping[str, Mapping[str, Version | None]],
    users: frozenset[int],
) -> dict[str, dict[str, Variants]]:
    """Render regions of one name, once per variant that somebody needs.

    Args:
        region: what to render.
        wanted: by key, the languages it is shown in, with the version pages have.
        users: the people connected here; nobody else needs an own variant.

    Returns:
        By key and language, the variants. A key whose rendering raised is left
        out and logged, so that it does not stop the others.
    """
    contexts = region.load(list(wanted))
    rendered: dict[str, dict[str, Variants]] = {}
    for key, languages in wanted.items():
        context = contexts.get(key)
        try:
            if context is None:
                rendered[key] = {language: Variants(regions.GONE) for language in languages}
                continue
            involved = users.intersection(region.you(context))
            rendered[key] = {
                language: variants(region, key, context, language, version, involved)
                for language, version in languages.items()
            }
        except Exception:  # a region is the product's code: anything may come
            logger.exception("live: region %r failed for %r", region.name, key)
    return rendered


def variants(
    region: Region,
    key: str,
    context: regions.Context,
    language: str,
    version: Version | None,
    involved: Collection[int],
) -> Variants:
    """Render one region in one language for everybody who needs it.

    Args:
        version: what pages have; the step from there is made too, if that is
            shorter than the whole.
        involved: the people who get a rendering of their own.
    """
    shared = region.render(key, context, language, None)
    own = {user: region.render(key, context, language, user) for user in involved}
    step = None
    if version and version.outline and shared.outline and version.etag != shared.etag:
        identifier = regions.region_id(region.name, key)
        made = parts.steps(identifier, version.outline, shared.outline, shared.html)
        if made is not None and len(made) < len(shared.html):
            step = Step(version.etag, made + moved_mark(identifier, shared.etag))
    return Variants(shared, own, step)


@dataclass(frozen=True)
class News:
    """What a feed has to say since some entry, rendered for all who are here."""

    #: What was known when it was read: pages that have come since are not covered.
    after: int
    languages: frozenset[str]
    users: frozenset[int]

    head: int
    entries: Sequence[Entry]
    #: By entry, language and person (None: everybody else).
    html: Mapping[tuple[int, str, int | None], str]

    def covers(self, socket: Socket, cursor: int) -> bool:
        """Is everything in here that this page has missed?"""
        return (
            cursor >= self.after
            and socket.language in self.languages
            and socket.page.user_id in self.users
        )

    def fragments_for(self, feed: Feed, socket: Socket, cursor: int) -> Iterator[str]:
        """What one page gets that has seen all up to ``cursor``."""
        user = socket.page.user_id
        missed = [e for e in self.entries if e.id > cursor and e.seen_by(user)]
        shown = latest_of_slots(missed)[-conf().feed_replay :]
        slots = {entry.slot for entry in shown}
        if older := sum(entry.slot not in slots for entry in missed):
            yield removed(f"{feed.name}-missed")
            yield appended(feed.name, feed.render_missed(older, socket.language))
        for entry in shown:
            html = self.html.get((entry.id, socket.language, user))
            if html is None:
                html = self.html[entry.id, socket.language, None]
            yield removed(feed.entry_id(entry))
            yield appended(feed.name, html)
        if missed:
            yield moved_mark(feed.name, str(self.head))


def read_feed(feed: Feed, after: int, languages: frozenset[str], users: frozenset[int]) -> News:
    """A feed's entries after ``after``, rendered once per variant somebody needs."""
    entries = feed.entries(after, FEED_LOOKBACK)
    html = {
        (entry.id, language, you): feed.render(entry, language, you)
        for entry in entries
        for language in languages
        for you in (None, *(users & entry.you))
    }
    head = entries[-1].id if entries else max(after, feed.head())
    return News(after, languages, users, head, entries, html)


def latest_of_slots(entries: Sequence[Entry]) -> list[Entry]:
    """Of entries that would replace each other, only the last."""
    return sorted({entry.slot: entry for entry in entries}.values(), key=lambda e: e.id)


# Fragments: what htmx swaps. Each is one or more <hx-partial> elements.


def replaced(identifier: str, rendering: Rendering) -> str:
    """The fragment that brings a state region up to date. What is gone leaves its
    place empty, with a mark: it may come back."""
    is_gone = rendering is regions.GONE
    html = regions.mark_input(identifier, rendering.etag) if is_gone else rendering.html
    return f'<hx-partial hx-target="#{identifier}" hx-swap="innerMorph">{html}</hx-partial>'


def removed(identifier: str) -> str:
    """The fragment that takes an element away, if it is there."""
    return f'<hx-partial hx-target="#{identifier}" hx-swap="delete"></hx-partial>'


def appended(identifier: str, html: str) -> str:
    """The fragment that appends to a feed."""
    return f'<hx-partial hx-target="#{identifier}" hx-swap="beforeend">{html}</hx-partial>'


def moved_mark(identifier: str, mark: str) -> str:
    """The fragment that moves on the page's memory of a region."""
    return (
        f'<hx-partial hx-target="#{identifier}-mark" hx-swap="outerHTML">'
        f"{regions.mark_input(identifier, mark)}</hx-partial>"
    )


def joined(fragments: Sequence[str]) -> list[Frame]:
    """Fragments as few frames, each short enough for every server."""
    frames: list[Frame] = []
    part: list[str] = []
    size = 0
    for fragment in fragments:
        if part and size + len(fragment) > FRAME_CHARACTERS:
            frames.append(Frame("".join(part)))
            part, size = [], 0
        part.append(fragment)
        size += len(fragment)
    frames.append(Frame("".join(part)))
    return frames
