"""The hub: from "topic X changed" to bytes on every socket that shows X.

One hub per process. It keeps, for each region somebody looks at, a *watch*: who
shows it, and which version they have (:mod:`collab.live.watches`). Events mark
watches dirty; on the next tick every dirty region is rendered once per variant
(:mod:`collab.live.rendering`), compared with what each page has, and sent where it
differs. All fragments of a tick travel in one frame (:mod:`collab.live.outbox`).

Order is what makes this right: a page subscribes first and is compared after, a
region is never rendered twice at the same time, and all sending is done by one
task. So a page can never be left with an older state than one it was sent.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from . import db, regions
from .conf import conf
from .fragments import removed, replaced
from .metrics import meter
from .outbox import Letter, Outbox, pieces
from .presence import topic as topic_of
from .regions import Feed
from .rendering import News, Variants, Version, read_feed, render_states
from .transport import Frame, Turn, Wire
from .watches import CHUNK, CHUNK_BYTES, AnyWatch, Cohort, FeedWatch, Socket, Watch

logger = logging.getLogger(__name__)

#: A region that failed is tried again after this long, doubling up to a minute.
RETRY_SECONDS = 1.0
RETRY_MAX_SECONDS = 60.0

#: Puts what a job has rendered; returns what could not be rendered.
Put = Callable[[Outbox], Sequence[AnyWatch]]
Job = asyncio.Task[Put]
#: How many jobs may render regions of one name: one object that takes long does not hold
#: up what changes of the others, nor do they take all threads.
JOBS = 2


class Work(NamedTuple):
    """What a job renders, and since when the first event waits that it serves."""

    watches: Sequence[AnyWatch]
    since: float | None


class Hub:
    """Keeps the sockets of one process up to date."""

    def __init__(self) -> None:
        self.sockets: set[Socket] = set()
        self.by_user: dict[int, set[Socket]] = {}
        #: Who is here, made anew when it is asked for after somebody has come or gone.
        self._users: frozenset[int] | None = None
        self._watches: dict[str, AnyWatch] = {}
        self._cohorts: dict[tuple[str, tuple[str, ...]], Cohort] = {}
        self._topics: dict[str, set[str]] = {}
        #: And since when, if that was an event; in order, so that pages that need the
        #: same get the same bytes.
        self._dirty: dict[str, float | None] = {}
        self._jobs: dict[Job, Work] = {}
        self._failures: dict[str, int] = {}
        self._alarm: asyncio.TimerHandle | None = None
        self._wake = asyncio.Event()

    # Subscriptions, called in the event loop.

    def join(self, socket: Socket, marks: Mapping[str, str]) -> None:
        """Subscribe a page to its regions; send only what it has not got.

        Args:
            socket: the page's socket; its ``regions`` are those it may see.
            marks: by region id, the version the page has: an ETag, or the id of
                the last feed entry, sealed.
        """
        self.sockets.add(socket)
        if socket.page.user_id not in self.by_user:
            self.by_user[socket.page.user_id] = set()
            self._users = None
        self.by_user[socket.page.user_id].add(socket)
        self._enter(socket, socket.regions)
        busy = self._busy()
        for identifier in socket.regions:
            watch = self._watches[identifier]
            if watch.enter(socket, marks.get(identifier, ""), is_busy=watch in busy):
                self._dirty.setdefault(identifier)
        if self._dirty:
            self._wake.set()

    def leave(self, socket: Socket) -> None:
        """Forget a socket."""
        self.sockets.discard(socket)
        same_user = self.by_user.get(socket.page.user_id, set())
        same_user.discard(socket)
        if not same_user:
            self.by_user.pop(socket.page.user_id, None)
            self._users = None
        if (cohort := socket.cohort) is not None:
            for identifier in socket.regions:
                self._watches[identifier].leave(socket)
            self._part(socket, cohort)

    def drop(self, socket: Socket, lost: Collection[str]) -> None:
        """Take regions away from a page whose person may not see them any more."""
        if (before := socket.cohort) is not None:
            self._enter(socket, tuple(i for i in socket.regions if i not in lost))
            if socket.cohort is not before:
                for identifier in set(before.regions).intersection(lost):
                    self._watches[identifier].leave(socket)
                self._part(socket, before)
        socket.wire.write(Frame("".join(removed(i) for i in lost)))

    def _enter(self, socket: Socket, shown: tuple[str, ...]) -> None:
        """Make a socket one of the cohort that shows these regions."""
        cohort = self._cohorts.get((socket.language, shown))
        if cohort is None:
            cohort = Cohort(socket.language, shown)
            self._cohorts[socket.language, shown] = cohort
            for identifier in shown:
                watch = self._watches.get(identifier) or self._watch(identifier)
                watch.audience.add(cohort)
        cohort.add(socket)

    def _part(self, socket: Socket, cohort: Cohort) -> None:
        """A socket is no longer one of that cohort."""
        cohort.discard(socket)
        if cohort.sockets:
            return
        del self._cohorts[cohort.language, cohort.regions]
        for identifier in cohort.regions:
            watch = self._watches[identifier]
            watch.discard(cohort)
            if not watch.audience:
                self._unwatch(identifier, watch)

    def showing(self, topic: str) -> set[Socket]:
        """The sockets whose page shows a region that depends on ``topic``, or is at the
        subject whose presence it is."""
        found = {s for s in self.sockets if s.page.subject and topic_of(s.page.subject) == topic}
        for identifier in self._topics.get(topic, ()):
            for cohorts in self._watches[identifier].audience.by_language.values():
                found.update(*(cohort.sockets for cohort in cohorts))
        return found

    # Events, called in the event loop.

    def changed(self, topics: Iterable[str]) -> None:
        """Mark every region that depends on one of ``topics``."""
        for topic in topics:
            meter.count("events")
            if identifiers := self._topics.get(topic):
                meter.count("coalesced", len(identifiers & self._dirty.keys()))
                now = time.monotonic()
                for identifier in identifiers:
                    self._dirty[identifier] = self._dirty.get(identifier) or now
                self._wake.set()

    def everything_changed(self) -> None:
        """Events may have been lost: look at everything anew."""
        for identifier in self._watches:
            self._dirty.setdefault(identifier)
        self._wake.set()

    # The flush.

    async def run(self) -> None:
        """Flush for ever. Ends only by an error; the caller starts it again."""
        last = 0.0
        while True:
            await self._wake.wait()
            # An isolated event leaves at once; a storm is cut into ticks.
            if (early := last + conf().tick_seconds - time.monotonic()) > 0:
                await asyncio.sleep(early)
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
        outbox = Outbox()
        done = {job: self._jobs.pop(job) for job in list(self._jobs) if job.done()}
        served = [work.since for job, work in done.items() if self._collect(job, work, outbox)]
        await self._deliver(outbox)
        now = time.monotonic()
        for since in served:
            if since is not None:
                meter.flushed(now - since)
        if done and self._dirty:
            self._wake.set()  # what became dirty again while it was rendered

    @property
    def users(self) -> frozenset[int]:
        """The people connected here."""
        if self._users is None:
            self._users = frozenset(self.by_user)
        return self._users

    def _busy(self) -> set[AnyWatch]:
        """What is being rendered."""
        return {watch for work in self._jobs.values() for watch in work.watches}

    def _start_jobs(self) -> list[Job]:
        """Start rendering what is dirty, due, and not being rendered already."""
        busy = self._busy()
        jobs = Counter(work.watches[0].region.name for work in self._jobs.values())
        by_name: dict[str, list[AnyWatch]] = {}
        first: dict[str, float] = {}
        for identifier, since in list(self._dirty.items()):
            watch = self._watches.get(identifier)
            if watch is None:
                del self._dirty[identifier]
                continue
            name = watch.region.name
            due = 0.0 if isinstance(watch, FeedWatch) else watch.due
            if watch in busy or jobs[name] >= JOBS or not self._is_due(watch):
                continue
            del self._dirty[identifier]
            by_name.setdefault(name, []).append(watch)
            if since is not None:  # what has a pace is not late before it is due
                first[name] = min(first.get(name, math.inf), max(since, due))
        started = []
        for name, watches in by_name.items():
            job = asyncio.create_task(self._job(watches), name=f"live-render-{name}")
            self._jobs[job] = Work(watches, first.get(name))
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
        users = self.users
        states = [watch for watch in watches if isinstance(watch, Watch)]
        if states:
            wanted = {
                watch.key: {
                    language: watch.current.get(language) for language in watch.audience.by_language
                }
                for watch in states
            }
            rendered = await db.run(render_states, states[0].region, wanted, users)
            return lambda outbox: self._put_states(states, rendered, outbox)
        feed = next(watch for watch in watches if isinstance(watch, FeedWatch))
        languages = frozenset(feed.audience.by_language)
        news = await db.run(read_feed, feed.region, feed.behind, feed.head, languages, users)
        return lambda outbox: self._put_entries(feed, news, outbox)

    def _collect(self, job: Job, work: Work, outbox: Outbox) -> bool:
        """Put what a job has rendered; what failed is tried again later. Returns whether
        all went well."""
        watches = work.watches
        name = watches[0].region.name
        try:
            failed = job.result()(outbox)
        except Exception:  # a region is the product's code: anything may come
            logger.exception("live: region %r failed", name)
            failed = watches
        if not failed:
            self._failures.pop(name, None)
            return True
        failures = self._failures[name] = self._failures.get(name, 0) + 1
        delay = min(RETRY_SECONDS * 2 ** (failures - 1), RETRY_MAX_SECONDS)
        # The last, which may not have been tried, come first.
        again = [regions.region_id(name, watch.key) for watch in reversed(failed)]
        asyncio.get_running_loop().call_later(delay, self._retry, again, work.since)
        return False

    def _retry(self, identifiers: Iterable[str], since: float | None = None) -> None:
        for identifier in identifiers:
            self._dirty[identifier] = self._dirty.get(identifier) or since
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
        cohorts = watch.audience.by_language.get(language)
        if cohorts is None:
            return  # the last of them left while we rendered
        shared, own, step = variants
        version = watch.current.get(language)
        before = version.etag if version else None
        watch.current[language] = Version(shared.etag, shared.outline)
        identifier = regions.region_id(watch.region.name, watch.key)
        update = step.fragment if step and step.since == before else ""
        apart = {socket for socket in watch.marks if socket.cohort in cohorts}
        if own:
            concerned = (socket for user in own for socket in self.by_user.get(user, ()))
            apart.update(socket for socket in concerned if socket.cohort in cohorts)
        if before not in (None, shared.etag):
            outbox.put(update or replaced(identifier, shared), cohorts, but=apart)
        if not apart:
            return
        whole = {r.etag: replaced(identifier, r) for r in (shared, *own.values())}
        stale = 0
        for socket in apart:
            rendering = own.get(socket.page.user_id, shared)
            has = watch.marks.pop(socket, before)
            if rendering is not shared:
                watch.marks[socket] = rendering.etag
            if has != rendering.etag:
                stale += socket in watch.newcomers
                fragment = update if rendering is shared and has == before else ""
                outbox.put_one(fragment or whole[rendering.etag], socket)
        watch.compared(apart)
        meter.count("stale", stale)

    def _put_entries(self, watch: FeedWatch, news: News, outbox: Outbox) -> Sequence[AnyWatch]:
        cursors = watch.cursors
        concerned = (socket for user in news.apart for socket in self.by_user.get(user, ()))
        for socket in watch.audience.among(concerned):
            cursors.setdefault(socket, watch.head)
        if 0 <= watch.head < news.head:
            for language, cohorts in watch.audience.by_language.items():
                if language in news.languages:  # else all have come since it was read
                    for fragment in news.fragments(watch.region, watch.head, language, None):
                        outbox.put(fragment, cohorts, but=cursors)
        for socket, cursor in list(cursors.items()):
            user = socket.page.user_id
            if cursor > news.head or not news.covers(cursor, socket.language, user):
                continue  # who came too late for this is served by the next flush
            for fragment in news.fragments(watch.region, cursor, socket.language, user):
                outbox.put_one(fragment, socket)
            del cursors[socket]
        watch.head = max(watch.head, news.head)
        watch.cursors = dict(cursors)  # what many have left keeps their room
        return ()

    async def _deliver(self, outbox: Outbox) -> None:
        letters = deque(outbox.letters())
        try:
            await self._write(letters)
        except BaseException:
            # The hub takes them for up to date, and they are not: they resume.
            self._give_up([wire for letter in letters for wire in letter.bundle.wires])
            raise

    async def _write(self, letters: deque[Letter]) -> None:
        turn, count, size = Turn(), 0, 0
        while letters:
            bundle = letters[0].bundle
            for frame, part in pieces(letters[0].frames, len(bundle.wires)):
                wires = len(bundle.wires[part])
                more = wires * frame.size
                if frame.is_compressed:
                    meter.count("compressed", wires)
                if count and (count + wires > CHUNK or size + more > CHUNK_BYTES):
                    written(count, size)
                    await asyncio.sleep(0)
                    turn, count, size = Turn(), 0, 0
                if broken := bundle.write(frame, turn, part):
                    self._give_up(broken)
                count += wires
                size += more
            letters.popleft()
        written(count, size)

    def _give_up(self, wires: Iterable[Wire]) -> None:
        """End pages' sockets: they come back, and say what they have."""
        lost = set(map(id, wires))
        for socket in [socket for socket in self.sockets if id(socket.wire) in lost]:
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


def written(count: int, size: int) -> None:
    """Count what was written in a turn of the event loop."""
    meter.count("deliveries", count)
    meter.count("bytes", size)
