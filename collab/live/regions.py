"""Regions: the parts of a page that stay current.

A *state region* is a template, a context function, a permission and the topics
it depends on::

    @region("partials/lock_badge.html", topics=["document:{key}"], allow=readable)
    def lock_badge(key: str) -> dict[str, object] | None:
        return {"document": Document.objects.get(pk=key)}

``{% live "lock_badge" document %}`` then does what ``{% include %}`` would do,
and whenever ``changed("document:7")`` is called, every page that shows document
7 gets the new rendering, once per tick, however many events came.

A *feed* appends entries instead of replacing a state: see :class:`Feed`.
"""

from __future__ import annotations

import hashlib
import inspect
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from django.conf import settings
from django.template.loader import render_to_string
from django.utils.translation import get_language, override

from .parts import Outline, outline_of

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

Context = Mapping[str, Any]
#: Which of these keys may this person see? The lookup is the permission.
Permission = Callable[["AbstractBaseUser", Sequence[str]], Collection[str]]

NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
KEY = re.compile(r"[A-Za-z0-9_]{0,64}\Z")


#: So many renderings of a region are kept that say what they show: of a hundred rows,
#: with whoever edits them now and then. Each takes some 2 KB.
KNOWN_RENDERINGS = 5_000


class UnknownRegion(LookupError):
    """A region's name or id that no code has registered."""


def everyone(user: AbstractBaseUser, keys: Sequence[str]) -> Collection[str]:
    """The permission of regions that every signed-in person may see."""
    return keys


def nobody_personal(context: Context) -> Collection[int]:
    """The default of ``you``: the region looks the same to everyone."""
    return ()


@dataclass(frozen=True)
class Rendering:
    """What one variant of a state region looks like now."""

    html: str
    etag: str
    #: Of its parts, if its template marks any.
    outline: Outline | None = None


#: The rendering of an object that is no longer there.
GONE = Rendering(html="", etag="gone")


@dataclass(frozen=True)
class Region:
    """A state region: replaced as a whole, latest wins."""

    name: str
    template: str
    load: Callable[[Sequence[str]], Mapping[str, Context]]
    topics_for: Callable[[str], Sequence[str]]
    allow: Permission
    you: Callable[[Context], Collection[int]]
    given: Callable[[Any], Context] | None = None
    pace_seconds: float = 0.0
    shows: Callable[[Context], Hashable] | None = None
    _known: dict[Hashable, Rendering] = field(default_factory=dict, compare=False, repr=False)

    def render(self, key: str, context: Context, language: str, you: int | None) -> Rendering:
        """Render the state for one variant.

        Args:
            key: what the region is about, such as ``"7"``.
            context: what :attr:`load` returned for that key.
            language: a language code of ``settings.LANGUAGES``.
            you: the id of the one person this rendering is for, or None for
                the rendering that everybody else shares.
        """
        if self.shows is None or settings.DEBUG:  # a template may change meanwhile
            return self._rendered(key, context, language, you)
        variant = (key, language, you, self.shows(context))
        known = self._known.get(variant)
        if known is None:
            known = self._rendered(key, context, language, you)
            if len(self._known) >= KNOWN_RENDERINGS:
                self._known.clear()
            self._known[variant] = known
        return known

    def _rendered(self, key: str, context: Context, language: str, you: int | None) -> Rendering:
        with _in(language):
            html = render_to_string(self.template, {**context, "you": you, "key": key}).strip()
        etag = hashlib.blake2b(html.encode(), digest_size=6).hexdigest()
        mark = mark_input(region_id(self.name, key), etag)
        return Rendering(html + mark, etag, outline_of(html))

    def for_viewer(
        self, key: str, context: Context | None, language: str, user_id: int
    ) -> Rendering:
        """Render what one person sees, choosing the right variant."""
        if context is None:
            return GONE
        return self.render(
            key, context, language, user_id if user_id in self.you(context) else None
        )


@dataclass(frozen=True)
class Entry:
    """One entry of a feed.

    Args:
        id: grows with every entry; a page remembers the last it has seen.
        context: what the feed's template gets.
        slot: an entry replaces the earlier one of the same slot; entries of
            different slots stand side by side.
        seen_by: is the entry for this person (by id)?
        you: people who see it in their own words.
    """

    id: int
    context: Context
    slot: str
    seen_by: Callable[[int], bool] = lambda user_id: True
    you: frozenset[int] = field(default_factory=frozenset)


class Feed(ABC):
    """A region that grows: entries with increasing ids, none coalesced away.

    A page that was away gets the newest it missed, and a count of the rest.
    Subclasses name themselves, their templates and topics, and say where their
    entries come from; an instance is registered with :func:`register`.

    Ids must become visible in their order: an entry that commits later must
    have a higher id, or a page that has seen a later one would skip it.
    """

    name: ClassVar[str]
    #: Renders one entry. Its root element has ``id="{{ entry_id }}"``.
    template: ClassVar[str]
    #: Renders "and 12 more", with ``missed`` in its context.
    missed_template: ClassVar[str]
    topics: ClassVar[Sequence[str]]

    def allow(self, user: AbstractBaseUser, keys: Sequence[str]) -> Collection[str]:
        """The feed's permission; entries have their own (:attr:`Entry.seen_by`)."""
        return everyone(user, keys)

    @abstractmethod
    def head(self) -> int:
        """The id of the newest entry, or 0 when there is none."""

    @abstractmethod
    def entries(self, after: int, limit: int) -> Sequence[Entry]:
        """The newest ``limit`` entries with ids above ``after``, oldest first."""

    def topics_for(self, key: str) -> Sequence[str]:
        return self.topics

    def render(self, entry: Entry, language: str, you: int | None) -> str:
        """One entry as HTML, for one variant."""
        context = {**entry.context, "you": you, "entry_id": self.entry_id(entry)}
        with _in(language):
            return render_to_string(self.template, context).strip()

    def render_missed(self, missed: int, language: str) -> str:
        """The line that stands for ``missed`` entries not shown one by one."""
        with _in(language):
            return render_to_string(self.missed_template, {"missed": missed}).strip()

    def entry_id(self, entry: Entry) -> str:
        """The id of an entry's element: shared by entries of the same slot."""
        return f"{self.name}-{entry.slot}"


AnyRegion = Region | Feed
_registry: dict[str, AnyRegion] = {}


def region(
    template: str,
    *,
    topics: Sequence[str] | Callable[[str], Sequence[str]],
    allow: Permission = everyone,
    you: Callable[[Context], Collection[int]] = nobody_personal,
    many: bool = False,
    given: Callable[[Any], Context] | None = None,
    pace_seconds: float = 0.0,
    shows: Callable[[Context], Hashable] | None = None,
) -> Callable[[Callable[..., Any]], Region]:
    """Make a context function into a live region of the function's name.

    Args:
        template: the partial, which pages and pushes share. It gets the
            function's context, ``key`` and ``you``; never a request.
        topics: what dirties the region, with ``{key}`` for its key; or a
            function from the key to topics.
        allow: asked with the person and the keys when a page renders, at every
            (re)subscription, and when rights change.
        you: from a context to the ids of the people who see themselves in it.
            Each of them gets a rendering with ``you`` set to their id; everyone
            else shares one. Leave it out and the region is the same for all.
        many: the function takes a list of keys and returns a mapping, so that
            a page of fifty rows costs one query, not fifty.
        given: the context of an object that the page has loaded already (with
            all it relates to), so that ``{% live_prefetch %}`` need not load it
            again. It must be what the function would return.
        pace_seconds: from one rendering to the next at least; for what changes
            faster than people read. The last state is always sent.
        shows: from a context to all that the template shows of it, as values that
            tell one state from another (names and times, not objects). What looks
            the same is then rendered once and kept; for small regions that stand on
            many pages.

    The function takes one key (or none, for a region there is only one of) and
    returns the context, or None when the object is gone: the region is then empty,
    until there is one again.
    """

    def decorate(function: Callable[..., Any]) -> Region:
        made = Region(
            name=function.__name__,
            template=template,
            load=function if many else _one_by_one(function),
            topics_for=_topics(topics),
            allow=allow,
            you=you,
            given=given,
            pace_seconds=pace_seconds,
            shows=shows,
        )
        register(made)
        return made

    return decorate


def register(new: AnyRegion) -> None:
    """Make a region known under its name.

    Raises:
        ValueError: the name is taken, or is not a lower-case identifier.
    """
    if not NAME.match(new.name):
        raise ValueError(f"A region's name is a lower-case identifier, not {new.name!r}.")
    if new.name in _registry:
        raise ValueError(f"There are two regions named {new.name!r}.")
    _registry[new.name] = new


def get(name: str) -> AnyRegion:
    """The region of that name.

    Raises:
        UnknownRegion: nobody registered one.
    """
    try:
        return _registry[name]
    except KeyError:
        raise UnknownRegion(f"There is no live region named {name!r}.") from None


def all_regions() -> Iterable[AnyRegion]:
    """Every registered region, in the order of registration."""
    return tuple(_registry.values())


def region_id(name: str, key: str = "") -> str:
    """The one id of a region: of its element, its subscription and its push."""
    return f"{name}-{key}" if key else name


def parse_id(identifier: str) -> tuple[str, str]:
    """Split a region's id into name and key.

    Raises:
        UnknownRegion: the text is no id of a registered region.
    """
    name, _, key = identifier.partition("-")
    # There is one of each feed, so a feed has no key.
    is_known = name in _registry and not (key and isinstance(_registry[name], Feed))
    if not is_known or not KEY.match(key):
        raise UnknownRegion(f"{identifier[:100]!r} is not the id of a live region.")
    return name, key


def topics_of(identifier: str) -> Sequence[str]:
    """What dirties the region with this id."""
    name, key = parse_id(identifier)
    return get(name).topics_for(key)


def key_of(target: object) -> str:
    """The key of a thing a template names: an object's primary key, or itself.

    Raises:
        ValueError: the result could not stand in an id.
    """
    key = "" if target is None else str(getattr(target, "pk", target))
    if not KEY.match(key):
        raise ValueError(f"A live region cannot be keyed by {key!r}.")
    return key


def mark_input(identifier: str, mark: str) -> str:
    """The hidden input with which a page tells, when it (re)connects, which
    version of a region it has. It belongs to the page's one resume form."""
    return (
        f'<input type="hidden" form="live" name="region" '
        f'id="{identifier}-mark" value="{identifier}:{mark}">'
    )


def _in(language: str) -> AbstractContextManager[None]:
    """Speak this language. To change it and back costs as much as a small template."""
    return nullcontext() if get_language() == language else override(language)


def _topics(
    topics: Sequence[str] | Callable[[str], Sequence[str]],
) -> Callable[[str], Sequence[str]]:
    if callable(topics):
        return topics
    patterns = tuple(topics)
    return lambda key: [pattern.format(key=key) for pattern in patterns]


def _one_by_one(function: Callable[..., Any]) -> Callable[[Sequence[str]], Mapping[str, Context]]:
    takes_key = bool(inspect.signature(function).parameters)

    def load(keys: Sequence[str]) -> Mapping[str, Context]:
        found = ((key, function(key) if takes_key else function()) for key in keys)
        return {key: context for key, context in found if context is not None}

    return load
