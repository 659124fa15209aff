"""Requests with long texts let the others pass.

Whatever is done elsewhere (:mod:`.elsewhere`), the rest of a long text is work of the
server's own process: reading the form, packing, storing, the page. Python goes on with
a thread that computes whenever another one waits for a query, so a page that makes ten
would wait for the whole of somebody's save, and then for the next.

So requests with long texts are answered one after the other, and before each of their
own queries they wait until no other request is being answered. It is a courtesy and no
lock: whoever has waited for :data:`TURN_SECONDS` goes on all the same.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from django.db import connection

#: A request with so many characters has its turn: its form alone takes a millisecond.
LONG_CHARACTERS = 20_000
#: How long it waits for the one before it, and then for all others together, in seconds.
TURN_SECONDS = 1.0


@contextlib.contextmanager
def in_turn(length: int) -> Iterator[None]:
    """Around the answering of a request: of each one, because the others are told apart
    so. A request that turns out, within, to have a long text becomes one of these.

    Args:
        length: of the text that it has, in characters or bytes.
    """
    if length < LONG_CHARACTERS:
        with _others:
            yield
    else:
        with _others.without_this(), _one_at_a_time():
            let_pass()
            with connection.execute_wrapper(_before_query):
                yield


def let_pass() -> None:
    """In a request with a long text, which has nothing locked: wait until there is no
    other, while its patience lasts. In any other, do nothing."""
    _others.let_pass()


class _Others:
    """The requests without a long text."""

    def __init__(self) -> None:
        self._count = 0
        self._are_done = threading.Condition()
        #: Of this thread's request: whether it counts, and its patience in seconds.
        self._here = threading.local()

    def __enter__(self) -> None:
        self._here.counts = True
        self._add(1)

    def __exit__(self, *exc: object) -> None:
        self._here.counts = False
        self._add(-1)

    def _add(self, number: int) -> None:
        with self._are_done:
            self._count += number
            if not self._count:
                self._are_done.notify_all()

    @contextlib.contextmanager
    def without_this(self) -> Iterator[None]:
        """For a request that is none of them, whether it has counted so far or not."""
        counts = getattr(self._here, "counts", False)
        self._here.patience = TURN_SECONDS
        self._add(-counts)
        try:
            yield
        finally:
            self._add(counts)
            self._here.patience = 0.0

    def let_pass(self) -> None:
        """See :func:`let_pass`."""
        patience = getattr(self._here, "patience", 0.0)
        if self._count and patience > 0:
            began = time.monotonic()
            with self._are_done:
                self._are_done.wait_for(lambda: not self._count, patience)
            self._here.patience = patience - (time.monotonic() - began)


_others = _Others()
_turn = threading.Lock()


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    has_turn = _turn.acquire(timeout=TURN_SECONDS)
    try:
        yield
    finally:
        if has_turn:
            _turn.release()


def _before_query(
    execute: Callable[[str, Any, bool, dict[str, Any]], Any],
    sql: str,
    parameters: Any,
    many: bool,
    context: dict[str, Any],
) -> Any:
    # SQLite's writers queue up before they begin: who waits there holds up the next.
    if not (context["connection"].in_atomic_block or sql.startswith("BEGIN")):
        let_pass()
    return execute(sql, parameters, many, context)
