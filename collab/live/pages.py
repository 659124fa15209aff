"""What a page knows of itself: its id, its regions, and the token it carries.

While a page renders, every ``{% live %}`` enters its region here; at the end of
the body ``{% live_page %}`` seals the list into a signed token. When the page
connects it shows the token, so nobody can invent a page or subscribe to what no
page has shown. The permission is asked again all the same.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from django.core import signing
from django.http import HttpRequest
from django.utils.translation import get_language

from . import regions
from .conf import conf
from .presence import Page
from .seals import sealed
from .sessions import session_of

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

SALT = "collab.live.page"

#: Which of these pages may this person have open? What a subject, a mode and a claim
#: mean, only the product knows.
PagePermission = Callable[["AbstractBaseUser", Sequence[Page]], Collection[Page]]


class BadToken(Exception):
    """A page token that is forged, expired, or another person's."""


@dataclass(frozen=True)
class Token:
    """What a page says of itself when it connects."""

    page: Page
    language: str
    regions: tuple[str, ...]

    def sign(self) -> str:
        page = self.page
        value = [
            page.id,
            page.user_id,
            page.subject,
            page.mode,
            page.claim,
            self.language,
            list(self.regions),
        ]
        return signing.dumps(value, salt=SALT, compress=True)

    @classmethod
    def read(cls, text: str) -> Token:
        """Check and read a token.

        Raises:
            BadToken: the signature is wrong or too old.
        """
        try:
            *page, language, region_ids = signing.loads(
                text, salt=SALT, max_age=conf().page_token_seconds
            )
        except (signing.BadSignature, ValueError) as error:
            raise BadToken(str(error)) from error
        # A thousand pages of a dashboard name the same regions: one text each for all.
        return cls(Page(*page), language, tuple(map(sys.intern, region_ids)))


class LivePage:
    """The regions of one page, gathered while it renders."""

    def __init__(self, user: AbstractBaseUser) -> None:
        self.user = user
        self.id = uuid.uuid4().hex
        self._regions: dict[str, None] = {}
        self._states: dict[tuple[str, str], regions.Context | None] = {}
        self._allowed: dict[tuple[regions.Permission, tuple[str, ...]], set[str]] = {}

    def prefetch(self, name: str, targets: Iterable[object]) -> None:
        """Ask the permission for, and load, many regions of a name at once.

        Args:
            name: the regions' name.
            targets: objects or keys, as ``{% live %}`` would get them.
        """
        region = regions.get(name)
        if not isinstance(region, regions.Region):
            return
        wanted = {regions.key_of(target): target for target in targets}
        wanted = {key: t for key, t in wanted.items() if (name, key) not in self._states}
        if not wanted:
            return
        allowed = self._allow(region.allow, tuple(wanted))
        states: dict[str, regions.Context] = {}
        if region.given is not None:
            objects = {k: t for k, t in wanted.items() if k in allowed and hasattr(t, "pk")}
            states.update({key: region.given(target) for key, target in objects.items()})
        if missing := [key for key in wanted if key in allowed and key not in states]:
            states.update(region.load(missing))
        self._states.update({(name, key): states.get(key) for key in wanted})

    def _allow(self, permission: regions.Permission, keys: tuple[str, ...]) -> set[str]:
        """Regions of one page that share a permission ask it once."""
        if (permission, keys) not in self._allowed:
            self._allowed[permission, keys] = set(permission(self.user, keys))
        return self._allowed[permission, keys]

    def render(self, name: str, target: object) -> str:
        """One region as it stands in the page; nothing, if it may not be seen."""
        region = regions.get(name)
        key = regions.key_of(target)
        identifier = regions.region_id(name, key)
        language = get_language() or ""
        if isinstance(region, regions.Feed):
            regions.parse_id(identifier)  # refuses a key
            if key not in region.allow(self.user, [key]):
                return ""
            inner = regions.mark_input(identifier, sealed(region.head()))
        else:
            self.prefetch(name, [target])
            state = self._states[name, key]
            if state is None:
                return ""
            inner = region.for_viewer(key, state, language, self.user.pk).html
        self._regions[identifier] = None
        return wrapped(identifier, inner)

    def token(self, subject: str, mode: str, claim: str) -> Token:
        """The page's token, when all its regions are known."""
        page = Page(self.id, self.user.pk, subject, mode, claim)
        return Token(page, get_language() or "", tuple(self._regions))


def wrapped(identifier: str, inner: str) -> str:
    """A region's element. It has no box of its own (``display: contents``)."""
    return f'<live-region id="{identifier}">{inner}</live-region>'


def live_page(request: HttpRequest) -> LivePage | None:
    """The page that is being rendered for ``request``; None for strangers."""
    user: Any = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return None
    page: LivePage | None = getattr(request, "live_page", None)
    if page is None:
        page = LivePage(user)
        request.live_page = page  # type: ignore[attr-defined]
    return page


def check_known(region_ids: Iterable[str]) -> None:
    """Check that all these are ids of registered regions.

    Raises:
        UnknownRegion: one is not.
    """
    for identifier in region_ids:
        regions.parse_id(identifier)


def permitted(user: AbstractBaseUser, region_ids: Iterable[str]) -> set[str]:
    """Which of these regions may the person see now? One question per permission."""
    asked: dict[regions.Permission, dict[str, list[str]]] = {}
    for identifier in region_ids:
        name, key = regions.parse_id(identifier)
        asked.setdefault(regions.get(name).allow, {}).setdefault(key, []).append(identifier)
    return {
        identifier
        for allow, by_key in asked.items()
        for key in allow(user, list(by_key))
        for identifier in by_key.get(key, ())
    }


_may_be_open: PagePermission | None = None


def allow_pages(permission: PagePermission) -> PagePermission:
    """Register (as a decorator, or called) the product's permission of pages. It is asked
    for pages with a subject, whenever that of their regions is.

    Raises:
        ValueError: there is one already.
    """
    global _may_be_open
    if _may_be_open is not None:
        raise ValueError("There are two permissions of pages.")
    _may_be_open = permission
    return permission


def openable(user: AbstractBaseUser, shown: Iterable[Page]) -> set[Page]:
    """Which of these pages may the person have open now? One without a subject is about
    nothing but its regions, which have permissions of their own."""
    own = {page for page in shown if page.user_id == user.pk}
    about = [page for page in own if page.subject]
    if _may_be_open is None or not about:
        return own
    return own.difference(about).union(_may_be_open(user, about))


class Admission(NamedTuple):
    """Who is behind a session now, and what they may see.

    Attributes:
        stamp: of the session and the account (:class:`.sessions.SignedIn`).
    """

    user: AbstractBaseUser | None
    regions: Collection[str] = ()
    pages: Collection[Page] = ()
    stamp: int = 0


def admitted(session_key: str, region_ids: Sequence[str], shown: Sequence[Page]) -> Admission:
    """Who is behind a session now, and which of these regions and pages are for them."""
    found = session_of(session_key)
    if found is None:
        return Admission(None)
    user = found.person
    return Admission(user, permitted(user, region_ids), openable(user, shown), found.stamp)
