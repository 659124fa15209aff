"""Rendering regions and feeds for all who show them: plain functions, run in the
engine's threads.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from . import parts, regions
from .conf import conf
from .fragments import appended, moved_mark, removed
from .regions import Entry, Feed, Region, Rendering
from .seals import sealed

logger = logging.getLogger(__name__)

#: The most feed entries looked at to bring pages up to date.
FEED_LOOKBACK = 500
#: After so many keys that could not be loaded, the others wait for the next try: each may
#: have taken as long as a statement may.
FAILURES = 3


class Version(NamedTuple):
    """Which rendering pages have, and the outline of its parts."""

    etag: str
    outline: parts.Outline | None


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
        By key and language, the variants. A key whose rendering or loading raised is
        left out and logged, so that it does not stop the others.

    Raises:
        Exception: none could be loaded.
    """
    contexts = loaded(region, list(wanted))
    rendered: dict[str, dict[str, Variants]] = {}
    for key, languages in wanted.items():
        if key not in contexts:
            continue
        context = contexts[key]
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


def loaded(region: Region, keys: Sequence[str]) -> Mapping[str, regions.Context | None]:
    """The contexts of these keys (None: it is gone), without those that cannot be loaded.
    All together; if that fails, or takes too long, one by one, for it may be because of
    one of them.

    Raises:
        Exception: none could be loaded.
    """
    try:
        found = region.load(keys)
        return {key: found.get(key) for key in keys}
    except Exception:  # a region is the product's code: anything may come
        if len(keys) == 1:
            raise
        logger.exception("live: region %r failed, loading %d one by one", region.name, len(keys))
    return _loaded_singly(region, keys)


def _loaded_singly(region: Region, keys: Sequence[str]) -> Mapping[str, regions.Context | None]:
    contexts: dict[str, regions.Context | None] = {}
    failures: list[Exception] = []
    for key in keys:
        try:
            contexts[key] = region.load([key]).get(key)
        except Exception as error:
            logger.exception("live: region %r failed for %r", region.name, key)
            failures.append(error)
            if len(failures) == FAILURES:
                break
    if failures and not contexts:
        raise failures[-1]
    return contexts


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
    #: The head as pages carry it, the same for all.
    mark: str
    entries: Sequence[Entry]
    #: By entry, language and person (None: everybody else).
    html: Mapping[tuple[int, str, int | None], str]
    #: The people who do not see all that is new to everybody, or in their own words.
    apart: frozenset[int]

    def covers(self, cursor: int, language: str, user: int) -> bool:
        """Is everything in here that a page has missed since ``cursor``?"""
        return cursor >= self.after and language in self.languages and user in self.users

    def fragments(self, feed: Feed, cursor: int, language: str, user: int | None) -> Iterator[str]:
        """What a page gets that has seen all up to ``cursor``.

        Args:
            user: whose page it is; None for everybody who is not ``apart``.
        """
        missed = [e for e in self.entries if e.id > cursor and (user is None or e.seen_by(user))]
        shown = latest_of_slots(missed)[-conf().feed_replay :]
        slots = {entry.slot for entry in shown}
        if older := sum(entry.slot not in slots for entry in missed):
            yield removed(f"{feed.name}-missed")
            yield appended(feed.name, feed.render_missed(older, language))
        for entry in shown:
            html = self.html.get((entry.id, language, user))
            if html is None:
                html = self.html[entry.id, language, None]
            yield removed(feed.entry_id(entry))
            yield appended(feed.name, html)
        if missed:
            yield moved_mark(feed.name, self.mark)


def read_feed(
    feed: Feed, after: int, head: int, languages: frozenset[str], users: frozenset[int]
) -> News:
    """A feed's entries after ``after``, rendered once per variant somebody needs.

    Args:
        head: the entry that most pages have; some are behind.
    """
    entries, newest = read_entries(feed, after)
    html = {
        (entry.id, language, you): feed.render(entry, language, you)
        for entry in entries
        for language in languages
        for you in (None, *(users & entry.you))
    }
    new = [entry for entry in entries if entry.id > head]
    apart = {user for e in new for user in users if user in e.you or not e.seen_by(user)}
    head = max(after, newest)
    return News(after, languages, users, head, sealed(head), entries, html, frozenset(apart))


def read_entries(feed: Feed, after: int) -> tuple[Sequence[Entry], int]:
    """A feed's entries after ``after``, and the id of the newest that they tell of."""
    entries = feed.entries(after, FEED_LOOKBACK)
    if entries:
        return entries, entries[-1].id
    head = feed.head()
    if head > after:  # it came between the two questions, or is gone already
        entries = feed.entries(after, FEED_LOOKBACK)
    return entries, entries[-1].id if entries else head


def latest_of_slots(entries: Sequence[Entry]) -> list[Entry]:
    """Of entries that would replace each other, only the last."""
    return sorted({entry.slot: entry for entry in entries}.values(), key=lambda e: e.id)
