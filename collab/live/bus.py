"""The bus: how the names of changed topics reach every server process.

One channel-layer group, one subscription per process, one message for all that
changed since the last. Delivery is not guaranteed by any channel layer (Redis
forgets what was published while a subscriber was away, without a sign), so:

* a publisher keeps what it could not send and tries again; its own process has heard
  of it meanwhile, since what is announced there needs no layer to arrive;
* every message carries its publisher's id and a sequence number: a hole in the
  sequence means that something was lost;
* a process pings itself through the layer: a ping that stays out means a gap.

After any gap the hub treats everything as dirty, and everybody's rights are asked
again. Nothing else is needed, since both are functions of the database.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from channels.layers import InMemoryChannelLayer, get_channel_layer

from .conf import conf

logger = logging.getLogger(__name__)

GROUP = "live"
RETRY_SECONDS = 0.5
#: How long a process without sockets may take, at its end, to say its last.
FAREWELL_SECONDS = 2.0


def is_in_memory() -> bool:
    """Does the configured channel layer end at this process's border?"""
    return isinstance(get_channel_layer(), InMemoryChannelLayer)


async def publish(message: dict[str, Any]) -> None:
    """Hand a message to the channel layer. A layer that hangs has failed: its connection
    is given up (redis-py closes one that was used half), and its lock with it.

    Raises:
        TimeoutError: it was not taken in time.
        Exception: the layer's own errors, which vary by backend.
    """
    layer = get_channel_layer()
    assert layer is not None, "CHANNEL_LAYERS has no default layer"
    async with asyncio.timeout(conf().bus_send_seconds):
        await layer.group_send(GROUP, message)


class Outbox:
    """What one publisher has still to say, and how far it has counted."""

    def __init__(self) -> None:
        self.publisher = uuid.uuid4().hex
        self.sequence = 0
        self.topics: set[str] = set()

    def take(self) -> set[str]:
        """Take out what is to be said now. What is announced from here on, even
        the same topic again, is for the next message."""
        topics, self.topics = self.topics, set()
        return topics

    def message(self, topics: Iterable[str]) -> dict[str, Any]:
        """The next message. Call :meth:`sent` when the layer has taken it."""
        return {
            "type": "live.changed",
            "publisher": self.publisher,
            "sequence": self.sequence + 1,
            "topics": sorted(topics),
        }

    def sent(self) -> None:
        self.sequence += 1


class Inbox:
    """Finds the holes in what the publishers of all processes say."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}

    def misses(self, publisher: str, sequence: int) -> bool:
        """Was something lost before this message? Remembers it either way.

        A publisher never heard of must start at 1, unless this inbox is new
        (hardly anything is shown yet then, so calling it a gap costs little).
        """
        last = self._last.get(publisher, 0)
        self._last[publisher] = max(last, sequence)
        return sequence > last + 1


class Bus:
    """The bus as seen from a process with an event loop and sockets.

    Args:
        on_topics: called in the loop with the topics of each message of another process,
            and with what is announced in this one, without a way around the layer.
        on_gap: called in the loop when messages may have been lost.
    """

    def __init__(
        self, on_topics: Callable[[Iterable[str]], None], on_gap: Callable[[], None]
    ) -> None:
        self._on_topics = on_topics
        self._on_gap = on_gap
        self._outbox = Outbox()
        self._inbox = Inbox()
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._heard = time.monotonic()
        self._deaf = False

    def announce(self, topics: Iterable[str]) -> None:
        """Tell every process that ``topics`` changed. From any thread."""
        self._loop.call_soon_threadsafe(self._add, tuple(topics))

    def _add(self, topics: tuple[str, ...]) -> None:
        self._outbox.topics.update(topics)
        self._wake.set()
        self._on_topics(topics)

    async def speak(self) -> None:
        """Send what was announced, together; keep it while nobody takes it."""
        while True:
            # Nothing said for a while: an empty message is the ping.
            # (Not wait_for: before Python 3.12 it can swallow a cancellation.)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(conf().bus_ping_seconds):
                    await self._wake.wait()
            self._wake.clear()
            if not await self._say():
                await asyncio.sleep(RETRY_SECONDS)
                self._wake.set()

    async def _say(self) -> bool:
        """Send what there is to say; returns whether that was possible."""
        topics = self._outbox.take()
        try:
            await publish(self._outbox.message(topics))
        except BaseException as error:
            self._outbox.topics |= topics
            if not isinstance(error, Exception):
                raise
            logger.warning("live: the channel layer takes no messages: %r", error)
            return False
        self._outbox.sent()
        return True

    async def flush(self) -> None:
        """Say what is left, if the layer takes it. At the process's end."""
        if self._outbox.topics:
            await self._say()

    async def listen(self) -> None:
        """Receive for ever. Ends only by an error; the caller starts it again."""
        layer = get_channel_layer()
        assert layer is not None, "CHANNEL_LAYERS has no default layer"
        channel = await layer.new_channel()
        await layer.group_add(GROUP, channel)
        self._heard = time.monotonic()
        try:
            while True:
                message = await layer.receive(channel)
                self._hear(message)
        finally:
            try:
                await layer.group_discard(GROUP, channel)
            except Exception as error:  # we are leaving because of an error already
                logger.warning("live: could not leave the group: %s", error)

    async def watch(self) -> None:
        """Notice that the own pings stay out."""
        while True:
            await asyncio.sleep(conf().bus_ping_seconds / 2)
            silent = time.monotonic() - self._heard
            if silent > conf().bus_timeout_seconds and not self._deaf:
                self._deaf = True
                logger.warning("live: nothing heard from the channel layer for %.0f s", silent)

    def _hear(self, message: dict[str, Any]) -> None:
        publisher, sequence = message["publisher"], message["sequence"]
        is_own = publisher == self._outbox.publisher
        if is_own:
            self._heard = time.monotonic()
        if self._inbox.misses(publisher, sequence) or self._deaf:
            self._deaf = False
            self._on_gap()
        if message["topics"] and not is_own:
            self._on_topics(message["topics"])


class ThreadlessLoop(asyncio.SelectorEventLoop):
    """A loop that resolves names itself, where others would ask a pool of threads.

    No pool takes work any more once the interpreter ends, and that is when a
    short command says its last. (``async_to_sync`` needs such a pool, too.)
    """

    async def getaddrinfo(self, *args: Any, **kwargs: Any) -> Any:
        return socket.getaddrinfo(*args, **kwargs)


class Relay:
    """The bus as seen from a process without sockets: a WSGI worker, a command.

    A thread sends, so that a slow or absent Redis never delays or fails a save.
    """

    def __init__(self) -> None:
        self._outbox = Outbox()
        self._condition = threading.Condition()
        self._thread: threading.Thread | None = None
        self._pid = os.getpid()
        self._sending = False

    def announce(self, topics: Iterable[str]) -> None:
        """Tell every process that ``topics`` changed. From any thread."""
        with self._condition:
            self._outbox.topics.update(topics)
            self._start()
            self._condition.notify()

    def _start(self) -> None:
        if self._pid != os.getpid():  # a fork has no threads, and counts for itself
            self._pid, self._thread = os.getpid(), None
            topics, self._outbox = self._outbox.topics, Outbox()
            self._outbox.topics = topics
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="live-relay", daemon=True)
            self._thread.start()
            atexit.register(self.flush)

    def _run(self) -> None:
        while True:
            # One loop, and so one connection, for as long as all goes well.
            with asyncio.Runner(loop_factory=ThreadlessLoop) as runner:
                while self._say(runner):
                    pass
            time.sleep(RETRY_SECONDS)

    def _say(self, runner: asyncio.Runner) -> bool:
        """Wait for something to say, and say it; returns whether it could be said."""
        with self._condition:
            # An empty message a while after the last one: it reveals the
            # loss of that last one by its sequence number.
            spoken = self._outbox.sequence > 0
            self._condition.wait_for(
                lambda: self._outbox.topics, conf().bus_ping_seconds if spoken else None
            )
            topics = self._outbox.take()
            self._sending = True
        sent = self._send(runner, topics)
        with self._condition:
            self._sending = False
            if sent:
                self._outbox.sent()
            else:
                self._outbox.topics |= topics
            self._condition.notify_all()
        return sent

    def _send(self, runner: asyncio.Runner, topics: set[str]) -> bool:
        try:
            runner.run(publish(self._outbox.message(topics)))
        except Exception as error:  # the layer's own errors vary by backend
            logger.warning("live: the channel layer takes no messages: %r", error)
            return False
        return True

    def flush(self) -> None:
        """Wait, for a short while, until all is said. At the process's end."""
        with self._condition:
            self._condition.wait_for(
                lambda: not (self._outbox.topics or self._sending), FAREWELL_SECONDS
            )


_local: Bus | None = None
_relay = Relay()


def attach(bus: Bus | None) -> None:
    """Make ``bus`` the one this process announces on (None: back to the relay)."""
    global _local
    _local = bus


def announce(topics: Iterable[str]) -> None:
    """Tell every process that ``topics`` changed, now. Never raises, never waits.

    Use :func:`collab.live.topics.changed`, which waits for the commit.
    """
    if _local is not None:
        _local.announce(topics)
    elif not is_in_memory():  # in memory, nobody else could hear it
        _relay.announce(topics)
