"""Which event loop the server runs on: asyncio's own, or uvloop."""

from __future__ import annotations

import sys
from typing import Final

from django.core.exceptions import ImproperlyConfigured

#: What ``EVENT_LOOP`` may say.
ASYNCIO: Final = "asyncio"
UVLOOP: Final = "uvloop"


def choose(name: str) -> None:
    """Give Daphne the loop it is to run on. Daphne makes one of its own as soon as the
    apps are loaded, unless Twisted has a reactor by then; so the settings call this.

    Args:
        name: ``asyncio`` or ``uvloop``.

    Raises:
        ImproperlyConfigured: there is no such loop, it is not installed, or Twisted
            runs on another one already.
    """
    if name == ASYNCIO:
        return
    if name != UVLOOP:
        raise ImproperlyConfigured(f"EVENT_LOOP is {ASYNCIO} or {UVLOOP}, not {name!r}.")
    try:
        import uvloop
    except ImportError as error:
        raise ImproperlyConfigured(
            "EVENT_LOOP=uvloop needs the package uvloop, which is not installed: install the "
            "version that requirements-dev.txt pins, or serve without EVENT_LOOP."
        ) from error
    if "twisted.internet.reactor" in sys.modules:
        raise ImproperlyConfigured(
            "EVENT_LOOP=uvloop is for manage.py serve: the server that has loaded these "
            "settings chose its event loop before."
        )
    from twisted.internet import asyncioreactor

    asyncioreactor.install(uvloop.new_event_loop())  # type: ignore[no-untyped-call]
