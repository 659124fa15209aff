"""Who shows what in this process, and which version they have.

Pages of the same kind show the same regions, so nearly all sockets get nearly all
news together with the same others: those are a *cohort*. A region's *watch* knows
cohorts, not sockets. A fan-out to a thousand dashboards is then one entry in one
book instead of a thousand, and a page costs no memory for each region it shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field

from .presence import NO_SERIAL, Page
from .regions import Feed, Region
from .rendering import Version
from .seals import opened
from .transport import Bundle, Wire

#: Sockets written to before the event loop gets a turn, and bytes: some 2 ms of work.
CHUNK = 500
CHUNK_BYTES = 1024 * 1024


@dataclass(eq=False, slots=True)
class Socket:
    """One page's open socket.

    Attributes:
        regions: the ids of those the person may see.
        stamp: of the session and the account, when they were last asked for.
        serial: by which presence knows the page, once it has joined.
        cohort: the sockets it gets its news with, while it is in the hub.
    """

    wire: Wire
    page: Page
    language: str
    session_key: str
    regions: tuple[str, ...] = ()
    stamp: int = 0
    serial: int = NO_SERIAL
    cohort: Cohort | None = None


class Cohort:
    """The sockets that show the same regions in the same language."""

    __slots__ = ("_bundles", "language", "regions", "sockets")

    def __init__(self, language: str, regions: tuple[str, ...]) -> None:
        self.language = language
        self.regions = regions
        #: In the order in which they came, as their memory lies, here and in the kernel:
        #: in another, a fan-out to a thousand takes 5 % more.
        self.sockets: dict[Socket, None] = {}
        self._bundles: Sequence[Bundle] | None = None

    def add(self, socket: Socket) -> None:
        """Take a socket in. It shares what is the same for all."""
        socket.cohort, socket.regions, socket.language = self, self.regions, self.language
        self.sockets[socket] = None
        self._bundles = None

    def discard(self, socket: Socket) -> None:
        """Let a socket go."""
        if socket.cohort is self:
            socket.cohort = None
        self.sockets.pop(socket, None)
        self._bundles = None

    @property
    def bundles(self) -> Sequence[Bundle]:
        """The wires of all its sockets."""
        if self._bundles is None:
            self._bundles = bundled([socket.wire for socket in self.sockets])
        return self._bundles


def bundled(wires: Sequence[Wire]) -> list[Bundle]:
    """Wires in bundles of at most :data:`CHUNK`, apart by whether they take compressed
    frames."""
    bundles: list[Bundle] = []
    for deflates in (True, False):
        alike = [wire for wire in wires if wire.deflates is deflates]
        bundles += (Bundle(alike[n : n + CHUNK]) for n in range(0, len(alike), CHUNK))
    return bundles


class Audience:
    """The cohorts that show a region, by language."""

    __slots__ = ("by_language",)

    def __init__(self) -> None:
        self.by_language: dict[str, set[Cohort]] = {}

    def __bool__(self) -> bool:
        return bool(self.by_language)

    def add(self, cohort: Cohort) -> None:
        self.by_language.setdefault(cohort.language, set()).add(cohort)

    def discard(self, cohort: Cohort) -> bool:
        """Returns whether nobody shows the region in that language any more."""
        cohorts = self.by_language.get(cohort.language, set())
        cohorts.discard(cohort)
        if cohorts:
            return False
        self.by_language.pop(cohort.language, None)
        return True

    def among(self, sockets: Iterable[Socket]) -> Iterator[Socket]:
        """Those of ``sockets`` that belong to it."""
        for socket in sockets:
            if socket.cohort in self.by_language.get(socket.language, ()):
                yield socket


@dataclass(eq=False, slots=True)
class Watch:
    """Who shows a state region in this process, and which version they have.

    ``current`` is the shared rendering's version by language; a socket in
    ``marks`` has something else: the ETag it brought along when it connected, or
    that of the rendering made for the person alone.
    """

    region: Region
    key: str
    audience: Audience = field(default_factory=Audience)
    current: dict[str, Version] = field(default_factory=dict)
    marks: dict[Socket, str] = field(default_factory=dict)
    #: Who has resumed, and whose mark is not compared yet.
    newcomers: set[Socket] = field(default_factory=set)
    #: Not rendered again before this time of the event loop's clock.
    due: float = 0.0

    def enter(self, socket: Socket, mark: str, *, is_busy: bool) -> bool:
        """A page has come.

        Args:
            mark: the version it has.
            is_busy: is the region being rendered? Then that rendering does not
                know of this page yet.

        Returns:
            Whether the page may be out of date.
        """
        current = self.current.get(socket.language)
        if current and mark == current.etag:
            return is_busy
        self.marks[socket] = mark
        self.newcomers.add(socket)
        return True

    def leave(self, socket: Socket) -> None:
        """A page has gone."""
        self.marks.pop(socket, None)
        self.newcomers.discard(socket)

    def discard(self, cohort: Cohort) -> None:
        """Nobody of that cohort is here any more."""
        if self.audience.discard(cohort):
            self.current.pop(cohort.language, None)

    def compared(self, sockets: Set[Socket]) -> None:
        """These are up to date. The books are made anew, since what many have left
        keeps their room."""
        self.newcomers = self.newcomers - sockets
        self.marks = dict(self.marks)


@dataclass(eq=False, slots=True)
class FeedWatch:
    """Who shows a feed in this process, and the last entry each has: ``head``, but
    for those in ``cursors``."""

    region: Feed
    key: str
    audience: Audience = field(default_factory=Audience)
    cursors: dict[Socket, int] = field(default_factory=dict)
    head: int = -1

    def enter(self, socket: Socket, mark: str, *, is_busy: bool) -> bool:
        """A page has come; see :meth:`Watch.enter`. Its mark is an entry's id, sealed."""
        cursor = opened(mark) or 0
        if cursor == self.head and not is_busy:
            return False
        self.cursors[socket] = cursor
        return True

    def leave(self, socket: Socket) -> None:
        """A page has gone."""
        self.cursors.pop(socket, None)

    def discard(self, cohort: Cohort) -> None:
        """Nobody of that cohort is here any more."""
        self.audience.discard(cohort)

    @property
    def behind(self) -> int:
        """The last entry that every page has."""
        known = [self.head] if self.head >= 0 else []
        return min([*known, *self.cursors.values()], default=0)


AnyWatch = Watch | FeedWatch
