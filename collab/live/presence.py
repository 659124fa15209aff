"""Presence: which pages are open, and so which people are here.

A process writes its joins and leaves in small batches, proves its life with one
heartbeat for all its pages, and sweeps what is overdue, its own or another's.
The rows (:mod:`collab.live.models`) are the truth; ``disconnect`` is a hint.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import logging
import os
import socket
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.dispatch import Signal

from . import bus, db, signals
from .conf import conf
from .models import Connection, Node, ago
from .prepared import Prepared
from .topics import changed

logger = logging.getLogger(__name__)

#: The longest pause between two tries of a page to reconnect (``htmx-config`` in
#: the page: 5 s, and up to 30 % more).
RECONNECT_SECONDS = 6.5
#: The serial of a row whose socket was another process's: nobody's own.
NO_SERIAL = 0
#: The number of a process that has said its goodbye.
ENDED = 0
#: What tells one system's numbers of processes from another's (Linux: proc(5),
#: pid_namespaces(7)); and how much of a node's ``boot`` it takes.
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
PID_NAMESPACE = Path("/proc/self/ns/pid")
MACHINE_CHARACTERS = 8
#: A process that may be another's neighbour is taken for over after so many.
MISSED_HEARTBEATS = 1.5

#: The topic of the whole company: who is here at all, and what they do.
EVERYBODY = "presence"
#: The topic of the server processes and their numbers.
NODES = "nodes"


def topic(subject: str) -> str:
    """The topic of who is at ``subject``."""
    return f"presence:{subject}"


@dataclass(frozen=True)
class Page:
    """One open page, as its signed token describes it."""

    id: str
    user_id: int
    subject: str = ""
    mode: str = ""
    claim: str = ""


@dataclass
class Batch:
    """Joins and leaves not yet written."""

    joins: dict[str, tuple[Page, int]] = field(default_factory=dict)
    leaves: list[int] = field(default_factory=list)
    losses: list[int] = field(default_factory=list)
    dismissed: list[int] = field(default_factory=list)

    def then(self, later: Batch) -> Batch:
        """This batch and a later one, as one."""
        return Batch(
            {**self.joins, **later.joins},
            [*self.leaves, *later.leaves],
            [*self.losses, *later.losses],
            [*self.dismissed, *later.dismissed],
        )

    def __bool__(self) -> bool:
        return bool(self.joins or self.leaves or self.losses or self.dismissed)


class Presence:
    """The pages of this process, and its share in the housekeeping of all."""

    def __init__(self, numbers: Callable[[], Mapping[str, object]] = dict) -> None:
        self._numbers = numbers
        self._node: Node | None = None
        self._serials = itertools.count(1)
        self._pages: dict[int, Page] = {}
        self._batch = Batch()
        self._wake = asyncio.Event()
        self._due = asyncio.Event()

    async def register(self) -> None:
        """Enter this process among the living.

        Raises:
            ImproperlyConfigured: another process lives on the same database,
                but the channel layer cannot reach it.
        """
        self._node = await db.run_presence(_register)

    # What happens to pages; called in the event loop, written soon after.

    def join(self, page: Page) -> int:
        """A page has connected. Returns the serial by which it leaves again."""
        serial = next(self._serials)
        self._pages[serial] = page
        self._batch.joins[page.id] = (page, serial)
        self._wake.set()
        return serial

    def elsewhere(self, user_id: int, here: Collection[str]) -> int:
        """How many pages of a person other processes hold. Reads the database.

        Args:
            user_id: whose.
            here: pages that count here already, by id: one that has just come over is
                written down there for a moment still.
        """
        theirs = Connection.objects.live().filter(user=user_id, left_at=None)
        return theirs.exclude(node=self._node).exclude(page__in=here).count()

    def leave(self, serial: int) -> None:
        """It has said goodbye: the page counts as here for the grace period."""
        self._end(serial, self._batch.leaves)

    def lose(self, serial: int) -> None:
        """Its socket is gone, and the page perhaps not: it counts as here for the
        grace period, and then leaves without its claim."""
        self._end(serial, self._batch.losses)

    def dismiss(self, serial: int) -> None:
        """Its socket now shows another page, or was cut because the person may not have
        it open: this one is gone at once, with what it claims."""
        self._end(serial, self._batch.dismissed)

    def _end(self, serial: int, how: list[int]) -> None:
        if self._pages.pop(serial, None) is not None:
            how.append(serial)
            self._wake.set()

    # The process's tasks.

    async def write(self) -> None:
        """Write joins and leaves, in batches, for ever."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(conf().presence_batch_seconds)
            self._wake.clear()
            await self.flush()

    async def flush(self) -> None:
        """Write what waits now."""
        if not self._batch or self._node is None:
            return
        batch, self._batch = self._batch, Batch()
        if batch.leaves or batch.losses:  # so that they are gone when the grace is over, not later
            asyncio.get_running_loop().call_later(conf().leave_grace_seconds, self._due.set)
        try:
            await db.run_presence(_write, self._node, batch)
        except IntegrityError:
            # A row that is referred to is gone. If it is this process's (it was
            # silent for too long, and was swept), the heartbeat enters it again
            # with all its pages; if it is a person's, only that join is lost.
            await self.beat()
            await db.run_presence(_write_one_by_one, self._node, batch)
        except Exception:
            # Nothing is forgotten while the database is away.
            self._batch = batch.then(self._batch)
            self._wake.set()
            raise

    async def beat(self) -> None:
        """Prove that this process lives; come back if it was taken for dead."""
        if self._node is None:
            return
        if not await db.run_presence(_beat, self._node, self._numbers()):
            await self.register()
            self._batch = Batch(joins={p.id: (p, s) for s, p in self._pages.items()})
            await self.flush()
        await db.run_presence(_send_heartbeat, list(self._pages.values()))

    async def sweep(self) -> None:
        """Remove who is gone: pages after their grace, processes with all theirs.

        Waits for the next round first, or for the end of somebody's grace.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(conf().sweep_seconds):
                await self._due.wait()
                await asyncio.sleep(conf().presence_batch_seconds * 2)  # past the row's own
        self._due.clear()
        await db.run_presence(sweep, self._node)

    async def unregister(self) -> None:
        """The process ends in good order: its pages leave, with their grace."""
        for serial in list(self._pages):
            self.lose(serial)
        await self.flush()
        if self._node is not None:
            await db.run_presence(_say_ended, self._node)


def _say_ended(node: Node) -> None:
    Node.objects.filter(pk=node.pk).update(pid=ENDED)


def _register() -> Node:
    host, pid = socket.gethostname(), os.getpid()
    predecessors = [node.pk for node in Node.objects.filter(host=host[:255]) if _has_ended(node)]
    Node.objects.filter(pk__in=predecessors).update(seen_at=ago(conf().node_timeout_seconds * 2))
    if bus.is_in_memory() and (living := Node.objects.live().first()):
        raise ImproperlyConfigured(
            f"Another server process ({living}) uses this database, and the in-memory channel "
            "layer cannot reach it: pages would miss updates. Set REDIS_URL, or stop the other."
        )
    boot = _machine() + uuid.uuid4().hex[MACHINE_CHARACTERS:]
    node = Node.objects.create(boot=boot, host=host[:255], pid=pid)
    _adopt(node, predecessors)
    return node


def _adopt(node: Node, predecessors: Sequence[int]) -> None:
    """After a restart, the pages of the process before are on their way back:
    they count as here for the grace and the longest pause of their reconnect."""
    Connection.objects.filter(node__in=predecessors).update(
        node=node,
        serial=NO_SERIAL,
        claim="",
        left_at=Now() + timedelta(seconds=RECONNECT_SECONDS),
    )
    Node.objects.filter(pk__in=predecessors, connections=None).delete()


def _has_ended(node: Node) -> bool:
    """Is this process of the same host over? Containers may have the same name and the
    same number and live: of those nothing but their silence can tell."""
    if node.pid == ENDED:
        return True
    if node.boot.startswith(_machine()):
        return node.pid == os.getpid() or not _is_running(node.pid)
    return Node.objects.filter(
        pk=node.pk, seen_at__lt=ago(conf().heartbeat_seconds * MISSED_HEARTBEATS)
    ).exists()


@cache
def _machine() -> str:
    """Where the numbers of processes are the same as here: since the machine was started,
    and in the same container. (Where nothing tells, on the host of that name.)"""
    told = [socket.gethostname()]
    with contextlib.suppress(OSError):
        told += [BOOT_ID.read_text(), str(PID_NAMESPACE.readlink())]
    return hashlib.blake2b("|".join(told).encode(), digest_size=MACHINE_CHARACTERS // 2).hexdigest()


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it runs, as somebody else
    return True


def _beat(node: Node, numbers: Mapping[str, object]) -> bool:
    """Prove the process's life, and tell what it has done."""
    changed(NODES)
    return bool(Node.objects.filter(pk=node.pk).update(seen_at=Now(), stats=numbers))


def _send_heartbeat(pages: Sequence[Page]) -> None:
    _tell(signals.heartbeat, pages=pages)


def _write(node: Node, batch: Batch) -> None:
    ended = {*batch.leaves, *batch.losses, *batch.dismissed}
    joins = [joined for joined in batch.joins.values() if joined[1] not in ended]
    with transaction.atomic():
        mine = Connection.objects.filter(node=node)
        over = list(mine.filter(serial__in=batch.dismissed)) if batch.dismissed else []
        if over:
            mine.filter(serial__in=batch.dismissed).delete()
        known = set(
            Connection.objects.filter(page__in=[page.id for page, _ in joins]).values_list(
                "page", flat=True
            )
        )
        Connection.objects.bulk_create(
            [_row(node, page, serial) for page, serial in joins],
            update_conflicts=True,
            unique_fields=["page"],
            update_fields=["node", "user", "subject", "mode", "claim", "serial", "left_at"],
        )
        if batch.leaves:
            mine.filter(serial__in=batch.leaves).update(left_at=Now())
        if batch.losses:
            mine.filter(serial__in=batch.losses).update(left_at=Now(), claim="")
        here = [page for page, _ in joins]
        gone = [_page(row) for row in over]
        changed(*_topics([*here, *gone]))
    _tell(signals.joined, pages=[page for page in here if page.id not in known])
    _tell(signals.returned, pages=[page for page in here if page.id in known])
    _tell(signals.left, pages=gone)


def _write_one_by_one(node: Node, batch: Batch) -> None:
    for page_id, joined in batch.joins.items():
        try:
            _write(node, Batch(joins={page_id: joined}))
        except IntegrityError:
            logger.info("live: a page of a person who is no more was left out")
    _write(node, replace(batch, joins={}))


def sweep(own: Node | None = None) -> None:
    """Remove pages whose grace is over and processes that are overdue.

    Every process does this; two at once do no harm, since each deletion asks
    again what the search has found.

    Args:
        own: the process that asks. It lives, however late its heartbeat is: the
            database may have kept that waiting, and answers this first.
    """
    if _DUE.all():
        over = list(Connection.objects.gone())
        if over:
            Connection.objects.gone().filter(pk__in=[row.pk for row in over]).delete()
        gone = [_page(row) for row in over]
        dead = [
            pk
            for pk in Node.objects.overdue().values_list("pk", flat=True)
            if own is None or pk != own.pk
        ]
        _say_gone([*gone, *_bury(dead)])
    _tell(signals.swept)


def _due(keys: Sequence[int]) -> QuerySet[Any, Any]:
    """Whether there is anything to sweep: most rounds have nothing, and there are two a
    second."""
    gone = Connection.objects.gone().order_by().values_list("pk")
    return gone.union(Node.objects.overdue().order_by().values_list("pk"), all=True)


_DUE = Prepared(_due)


def _say_gone(pages: Sequence[Page]) -> None:
    if pages:
        changed(*_topics(pages))
        _tell(signals.left, pages=pages)


def _bury(nodes: Sequence[int]) -> list[Page]:
    """Remove processes; returns the pages that went with them, lost as they are."""
    if not nodes:
        return []
    rows = Connection.objects.filter(node__in=nodes)
    pages = [replace(_page(row), claim="") for row in rows]
    # One DELETE each: a page that has meanwhile come back elsewhere stays.
    rows.delete()
    Node.objects.filter(pk__in=nodes, connections=None).delete()
    logger.info("live: %d processes are gone, with %d pages", len(nodes), len(pages))
    return pages


def _row(node: Node, page: Page, serial: int) -> Connection:
    return Connection(
        node=node,
        page=page.id,
        user_id=page.user_id,
        subject=page.subject,
        mode=page.mode,
        claim=page.claim,
        serial=serial,
    )


def _page(row: Connection) -> Page:
    return Page(row.page, row.user_id, row.subject, row.mode, row.claim)


def _topics(pages: Iterable[Page]) -> list[str]:
    subjects = {page.subject for page in pages if page.subject}
    return [EVERYBODY, *(topic(subject) for subject in subjects)]


def _tell(signal: Signal, **named: object) -> None:
    """Send a signal whose listeners cannot break the engine."""
    if named.get("pages") == []:
        return
    for receiver, result in signal.send_robust(sender=Presence, **named):
        if isinstance(result, Exception):
            name = getattr(receiver, "__qualname__", receiver)
            logger.error("live: %s failed: %s", name, result, exc_info=result)
