"""The engine's durations and limits, in one place, with their units.

A project overrides any of them with the ``LIVE`` setting, for example
``LIVE = {"leave_grace_seconds": 5.0}``. An unknown name is an error at start.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed


@dataclass(frozen=True)
class LiveConf:
    """Values the engine runs by. Durations are in seconds, sizes in bytes."""

    #: Least time between two flushes. An isolated event leaves at once.
    tick_seconds: float = 0.02
    #: How long a flush waits for a slow region before it sends the others.
    region_wait_seconds: float = 0.05
    #: Joins and leaves are written together, at most this long after the first.
    presence_batch_seconds: float = 0.02
    #: How often a process proves that it lives.
    heartbeat_seconds: float = 2.0
    #: A process silent for this long is dead, and its connections with it.
    node_timeout_seconds: float = 6.0
    #: How often overdue processes and left pages are looked for.
    sweep_seconds: float = 0.5
    #: A page that left counts as here for this long, so a reload never flickers.
    leave_grace_seconds: float = 5.0
    #: How often a bus sends itself a ping through the channel layer.
    bus_ping_seconds: float = 2.0
    #: A message that the channel layer has not taken in this time is sent anew.
    bus_send_seconds: float = 2.0
    #: A ping that has not come back after this long means there was a gap.
    bus_timeout_seconds: float = 5.0
    #: How often it is looked whether the session behind an open socket has ended, or
    #: something else about it or the account has changed.
    session_check_seconds: float = 60.0
    #: How often what its person may see is asked again, though nobody has said that it
    #: changed.
    rights_check_seconds: float = 600.0
    #: How long a page may reconnect before it must be loaded again.
    page_token_seconds: int = 7 * 24 * 3600
    #: Missed feed entries shown one by one; beyond that, a count.
    feed_replay: int = 20
    #: Threads for the engine's database work and rendering, per process.
    threads: int = 4
    #: How long a statement of these threads may take, and of those that presence has
    #: for itself: a heartbeat that fails is tried again before the process is dead.
    statement_seconds: float = 2.0
    #: A socket with more unsent bytes than this is cut: it is not reading.
    socket_buffer_bytes: int = 2 * 1024 * 1024
    #: A socket that has not taken a byte of what waits for it in this time is cut, too.
    socket_stall_seconds: float = 10.0
    #: Frames waiting for one socket on servers without a fast path.
    socket_queue_frames: int = 256
    #: Longest accepted inbound frame (the resume message).
    inbound_bytes: int = 64 * 1024
    #: Inbound frames waiting to be read; a socket that sends more is cut.
    inbound_frames: int = 16
    #: Sockets that a person may have open, in all processes together; 0: any number.
    sockets_per_person: int = 100
    #: Sockets that a person may open in a minute; 0: any number. A hundred pages that
    #: come back after a restart open a hundred at once.
    socket_opens_per_minute: int = 600
    #: The same for an address, of sockets without anybody signed in: they are told so
    #: and closed, and beyond this not even told.
    stranger_opens_per_minute: int = 300
    #: Which of Django's caches limits and refusals are counted in. Processes must share
    #: it. (The last two are counted by each for itself, and its share of them allowed.)
    rates_cache: str = "default"
    #: Server processes that share the database; the in-memory layer serves one.
    processes: int = 1


@lru_cache(maxsize=1)
def conf() -> LiveConf:
    """The values in force: defaults with ``settings.LIVE`` laid over them."""
    overrides: dict[str, Any] = getattr(settings, "LIVE", {})
    return LiveConf(**overrides)


def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting == "LIVE":
        conf.cache_clear()


setting_changed.connect(_forget)
