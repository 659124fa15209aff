"""How often something is done: counted in windows of fixed length.

The counts are in one of Django's caches (``LiveConf.rates_cache``), whose ``add`` and
``incr`` are atomic: in Redis for all processes together, or in the memory of a process
that is alone. A window that ends forgets what was counted in it, so within any time of
its length at most twice as much gets through as is allowed.

A shared cache that is away must not keep anybody from working: until it is back, each
process counts for itself.
"""

from __future__ import annotations

import ipaddress
import logging
import time
from collections.abc import Callable, Collection, Mapping
from typing import TypeVar

from django.core.cache import BaseCache, caches
from django.core.cache.backends.locmem import LocMemCache

from .conf import conf

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

#: A cache that did not answer is asked again after this long, so that not every
#: request waits for it.
PAUSE_SECONDS = 5.0
#: Who has a network of IPv6 has all its addresses (RFC 6177 gives sites a /64 at least).
IPV6_NETWORK = 64
#: How long the number of refusals is remembered.
REMEMBERED_SECONDS = 90 * 24 * 3600

#: What this process counts for itself, and while the shared cache is away.
_here = LocMemCache("live.rates", {"OPTIONS": {"MAX_ENTRIES": 100_000}})
_asked_again_at = 0.0


def spend(act: str, who: str, most: int, seconds: int = 60) -> int:
    """Count that somebody does something, if they still may.

    Args:
        act: what is done, in a word.
        who: who does it: a person, an address.
        most: how often that is allowed in a window; 0 means always.
        seconds: the length of the window.

    Returns:
        0, or after how many seconds they may do it again; it is then counted as a
        refusal.
    """
    return _spend(_count, act, who, most, seconds)


def spend_here(act: str, who: str, most: int, seconds: int = 60) -> int:
    """The same, counted by this process alone, which allows its share of ``most``: for
    what a thousand pages do at once, as after a restart, and balancing spreads anyway."""
    return _spend(_count_here, act, who, -(-most // conf().processes), seconds)


def _spend(count: Callable[[str, int], int], act: str, who: str, most: int, seconds: int) -> int:
    if not most:
        return 0
    now = int(time.time())
    window = now // seconds
    if count(f"rate:{act}:{who}:{window}", 2 * seconds) <= most:
        return 0
    note_refusal(act)
    return (window + 1) * seconds - now


def note_refusal(act: str) -> None:
    """Count that something was refused, for :func:`refusals`."""
    _count(f"refused:{act}", REMEMBERED_SECONDS)


def refusals(acts: Collection[str]) -> Mapping[str, int]:
    """How often each of these was refused, by all processes that share the cache."""
    keys = {f"refused:{act}": act for act in acts}
    found = _asking(lambda cache: cache.get_many(keys))
    return {act: int(found.get(key, 0)) for key, act in keys.items()}


def network(address: str) -> str:
    """Whom an address stands for: itself, and of IPv6 the network that it is in."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if isinstance(known, ipaddress.IPv6Address):
        if known.ipv4_mapped:
            return str(known.ipv4_mapped)
        return str(ipaddress.ip_network((known, IPV6_NETWORK), strict=False))
    return str(known)


def _count(key: str, seconds: int) -> int:
    return _asking(lambda cache: _add_one(cache, key, seconds))


def _count_here(key: str, seconds: int) -> int:
    return _add_one(_here, key, seconds)


def _add_one(cache: BaseCache, key: str, seconds: int) -> int:
    try:
        return cache.incr(key)
    except ValueError:  # the first
        return 1 if cache.add(key, 1, seconds) else cache.incr(key)


def _asking(question: Callable[[BaseCache], Answer]) -> Answer:
    global _asked_again_at
    if time.monotonic() >= _asked_again_at:
        try:
            return question(caches[conf().rates_cache])
        except Exception as error:  # whatever a cache raises that is away
            logger.warning("live: limits are counted by each process for itself: %s", error)
            _asked_again_at = time.monotonic() + PAUSE_SECONDS
    return question(_here)
