"""Many events at once: what the tick makes of them, and how soon all is right."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import random
import statistics
import subprocess
import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path

import django
from channels.layers import get_channel_layer
from django.conf import settings
from django.utils import timezone

from collab.live.conf import conf
from collab.models import Document

from . import conventional, ways, workspace
from .client import Clients, Failed, Reader, handshake
from .driver import Plan, drive
from .figures import quantile
from .following import FRAGMENT, Change, Followers, delays
from .machine import cores, cpu_seconds, on_core, uncollected
from .processes import free_port, python, running
from .results import Section
from .steadiness import pauses
from .storm_report import section

HOLDERS = 40
DOCUMENTS = 100
SHOWN_IN_STORM = 20
TICK_RATE, STORM_RATE = 3000, 300
#: How often the tick is measured, in turns with the bare loop and each time with another
#: server: the median of each figure counts, so that a slow moment of the machine does not.
TICK_RUNS = 3
#: All has come when nothing has for so long.
QUIET_SECONDS = 2.0
#: Delays are looked at on every so-manieth socket, rightness on all.
SAMPLE = 20
#: How long the machine's own pauses are looked for.
PAUSES_SECONDS = 8.0
#: When events happen that are told at the end of a tick, in ticks before it.
WITHIN_A_TICK = (0.1, 0.3, 0.5, 0.7, 0.9)
#: The conventional way gets the changes of this time, and as long to serve them
#: as the measured series takes.
CONVENTIONAL_SECONDS = 0.1


def measure(options: argparse.Namespace) -> Section:
    """Measure the tick (at one and at two times its rate) and the storm.

    Raises:
        Failed: something under test did not work.
    """
    people = min(options.people, options.sockets)
    filled = workspace.build(people, HOLDERS, DOCUMENTS)
    holders = [person.pk for person in filled.editors]
    documents = sorted(Document.objects.values_list("pk", flat=True))
    chance = random.Random(0)
    everything = [documents] * options.sockets
    some = [chance.sample(documents, SHOWN_IN_STORM) for _ in range(options.sockets)]
    plans = {
        rate: Plan(documents, holders, rate, options.storm)
        for rate in (TICK_RATE, 2 * TICK_RATE, STORM_RATE)
    }
    figures = {
        "tick": _in_turns(filled, plans[TICK_RATE], everything),
        "double": {"ours": _ours(filled, plans[2 * TICK_RATE], everything)},
        "storm": {"ours": _ours(filled, plans[STORM_RATE], some)},
        "machine": {"pauses": asdict(pauses(PAUSES_SECONDS))},
    }
    figures["tick"]["conventional"] = _conventional(filled, plans[TICK_RATE], everything)
    figures["storm"]["conventional"] = _conventional(filled, plans[STORM_RATE], some)
    return section(options.sockets, conf().tick_seconds, TICK_RUNS, figures)


def _in_turns(
    filled: workspace.Workspace, plan: Plan, shown: Sequence[Sequence[int]]
) -> dict[str, dict[str, float]]:
    """Ours and the bare loop, in turns."""
    ours, limit = [], []
    for _ in range(TICK_RUNS):
        ours.append(_ours(filled, plan, shown))
        limit.append(_bare(ours[-1], len(shown)))
    return {"ours": _median(ours), "limit": _median(limit)}


def _median(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def _ours(
    filled: workspace.Workspace, plan: Plan, shown: Sequence[Sequence[int]]
) -> dict[str, float]:
    server_core, client_core = cores()
    port, folder = settings.PORT, Path(settings.DATA_DIR)
    # The last of the holders, so that the first is the next.
    tomorrow = timezone.now() + timedelta(days=1)
    Document.objects.update(holder=plan.holders[-1], expires_at=tomorrow)
    are_alike = len({tuple(documents) for documents in shown}) == 1
    clients = Followers(Reader(), are_alike=are_alike)
    with ways.product(server_core, port, folder) as server, on_core(client_core):
        loaded = workspace.Loaded.load(port, "/", filled.visitors[0])
        pages = []
        for number, documents in enumerate(shown):
            visitor = filled.visitors[number % len(filled.visitors)]
            regions = tuple(workspace.badge_id(document) for document in documents)
            token = replace(loaded.another(visitor), regions=regions)
            pages.append((visitor, workspace.resume(token, {})))
        ways.enter(clients, port, pages)
        # They came without marks, so each is sent all it shows, once.
        clients.await_fragments(sum(map(len, shown)))
        clients.forget()
        before = cpu_seconds(server.pid)
        changes, seconds = _driven(plan, clients)
        used = cpu_seconds(server.pid) - before
        clients.close()
    frames = sum(len(frames) for frames in clients.frames.values())
    last = max(change.at for change in changes)
    waited = _checked(clients, shown, _by_document(changes))
    return {
        "rate": plan.rate,
        "changes": len(changes),
        "told_rate": len(changes) / (last - changes[0].at),
        "fragments": clients.fragments,
        "frames": frames,
        "frame_bytes": clients.bytes / frames,
        "cpu_us": used / clients.fragments * 1e6,
        "cpu_us_per_change": used / (len(changes) * len(shown[0])) * 1e6,
        "cpu_percent": used / seconds * 100,
        "p50_ms": quantile(waited, 0.5) * 1e3,
        "p99_ms": quantile(waited, 0.99) * 1e3,
        "right_ms": (max(f[-1][0] for f in clients.frames.values()) - last) * 1e3,
    }


def _driven(plan: Plan, clients: Clients) -> tuple[list[Change], float]:
    """Let the changes happen; read until nothing more comes. Then all must be right."""
    spawning = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawning, django.setup) as process:
        process.submit(time.perf_counter).result()  # it has started
        clients.reader.idle(0.1)
        with uncollected():
            began = time.perf_counter()
            driving = process.submit(drive, plan)
            while not driving.done():
                clients.reader.pump(0.05)
            seconds = time.perf_counter() - began
            clients.quieten(QUIET_SECONDS)
        return driving.result(), seconds


def _by_document(changes: Sequence[Change]) -> Mapping[int, Sequence[Change]]:
    by_document: dict[int, list[Change]] = defaultdict(list)
    for change in changes:
        by_document[change.document].append(change)
    return by_document


def _checked(
    clients: Followers,
    shown: Sequence[Collection[int]],
    changes: Mapping[int, Sequence[Change]],
) -> list[float]:
    """Check every page; returns the delays on some of them."""
    waited = []
    for number, documents in enumerate(shown):
        found = delays(clients.frames.get(number, []), documents, changes, HOLDERS)
        if number % SAMPLE == 0:
            waited += found
    return waited


def _conventional(
    filled: workspace.Workspace, plan: Plan, shown: Sequence[Sequence[int]]
) -> dict[str, float]:
    """How much of it the conventional way can serve while it happens."""
    server_core, client_core = cores()
    folder = Path(settings.DATA_DIR)
    clients = Clients(Reader(), b"lock_badge-")
    with contextlib.ExitStack() as stack:
        server, port = stack.enter_context(ways.conventional_server(server_core, folder))
        stack.enter_context(on_core(client_core))
        paths = (f"/?documents={','.join(map(str, documents))}" for documents in shown)
        clients.connect(port, [handshake(port, path) for path in paths])
        clients.reader.idle(ways.SETTLING_SECONDS)
        before = cpu_seconds(server.pid)
        asyncio.run(_announce(filled, plan))
        clients.reader.idle(plan.seconds)
        used = cpu_seconds(server.pid) - before
        count = clients.count
        clients.close()
        server.kill()  # it has work for minutes
    if not count:
        raise Failed("The conventional way has served nothing.")
    wanted = plan.rate * plan.seconds * len(shown) * len(shown[0]) / len(plan.documents)
    return {"cpu_us": used / count * 1e6, "share": count / wanted}


def _bare(ours: Mapping[str, float], sockets: int) -> dict[str, float]:
    """As many frames of the same length, one each tick, written by a bare loop: what the
    system takes for copying them, and the machine for its pauses, nobody can do without."""
    server_core, client_core = cores()
    rounds = round(ours["frames"] / sockets)
    port = free_port()
    text = FRAGMENT.ljust(round(ours["frame_bytes"]), b".")
    command = python("-m", "bench.limit", str(port))
    log = Path(settings.DATA_DIR) / "limit.log"
    with running(command, port, core=server_core, log=log) as server, on_core(client_core):
        clients = Followers(Reader(), are_alike=True)
        clients.connect(port, [handshake(port)] * sockets)
        clients.reader.idle(ways.SETTLING_SECONDS)
        before = cpu_seconds(server.pid)
        with uncollected():
            told = _paced(server, text, clients, rounds)
        used = cpu_seconds(server.pid) - before
        clients.close()
    if {len(frames) for frames in clients.frames.values()} != {rounds}:
        raise Failed("A socket of the bare loop missed a frame.")
    waited = [
        at - moment + conf().tick_seconds * share
        for number in range(0, sockets, SAMPLE)
        for (at, _), moment in zip(clients.frames[number], told, strict=True)
        for share in WITHIN_A_TICK
    ]
    return {
        "cpu_us": used / rounds / sockets / ours["fragments"] * ours["frames"] * 1e6,
        "p99_ms": quantile(waited, 0.99) * 1e3,
    }


def _paced(
    server: subprocess.Popen[bytes], text: bytes, clients: Followers, rounds: int
) -> list[float]:
    """Let the bare loop write once each tick, as often as told; returns when."""
    assert server.stdin is not None
    told: list[float] = []
    due = time.perf_counter()
    for _ in range(rounds):
        due += conf().tick_seconds
        while (early := due - time.perf_counter()) > 0:
            clients.reader.pump(early)
        told.append(time.perf_counter())
        server.stdin.write(len(text).to_bytes(4, "big") + text)
        server.stdin.flush()
    clients.receive(rounds * len(clients))
    return told


async def _announce(filled: workspace.Workspace, plan: Plan) -> None:
    layer = get_channel_layer()
    assert layer is not None
    chance = random.Random(0)
    for _ in range(round(plan.rate * CONVENTIONAL_SECONDS)):
        document, person = chance.choice(plan.documents), chance.choice(filled.editors)
        message = ways.badge_message(document, person)
        await layer.group_send(conventional.group(document), message)
