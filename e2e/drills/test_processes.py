"""Server processes that die, end or are not alone."""

from __future__ import annotations

import os
import re
import signal
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from e2e.conftest import on_cluster
from e2e.drills.crowd import Crowd, are_right
from e2e.lengths import length
from e2e.people import PersonMaker
from e2e.services import LOCALHOST, NotReady, Postgres, Service, eventually, free_ports
from e2e.stack import ROOT, Stack, healthy, prepared, temporary_folder

SERVICE_RESTART = 1012
#: What is promised for a process that dies, and for one that is restarted (seconds).
KILLED, RESTARTED = 10.0, 3.0
#: What a process says of a task that has ended.
AGAIN = "starting it again"
#: Only for getting a crowd of this size in, in seconds.
ENTERING = 60.0


@on_cluster
def test_kill_9_with_500_sockets(stack: Stack, crowd: Crowd) -> None:
    """500 people, half of them on each process; one process gets ``kill -9``.

    Pass: within 10 s every page of the other process counts exactly the 250 who are
    left, and shows what a reload would; when the process is back and its people with
    it, all 500 do.
    """
    visitors = crowd.enter(length(200, full=500))
    crowd.connect(visitors)
    crowd.become_right(visitors, len(visitors), within=ENTERING, what="all are in")
    stayed, lost = visitors[::2], visitors[1::2]
    for one in lost:
        one.ports = one.ports[:1]  # nothing sends them to the other process
    stack.kill(1)
    crowd.become_right(stayed, len(stayed), within=KILLED, what="half are gone")
    stack.revive()
    crowd.become_right(visitors, len(visitors), within=ENTERING, what="all are back")
    assert not any(one.codes for one in stayed)


@on_cluster
def test_sigterm_with_200_sockets(stack: Stack, crowd: Crowd) -> None:
    """200 people on a process that gets SIGTERM, and as many on another.

    Pass: each of the 200 is told "service restart" (1012); within 3 s all are
    connected to the other process, and all 400 pages are right; nobody's page ever
    counted fewer people.
    """
    visitors = crowd.enter(400)
    crowd.connect(visitors)
    crowd.become_right(visitors, len(visitors), within=ENTERING, what="all are in")
    stayed, moving = visitors[::2], visitors[1::2]
    counts = [len(one.counted) for one in visitors]
    server = stack.service("serve-1").process
    assert server
    server.send_signal(signal.SIGTERM)
    eventually(
        lambda: all(one.codes for one in moving) and are_right(visitors, len(visitors)),
        "all are back",
        RESTARTED,
    )
    assert {code for one in moving for code in one.codes} == {SERVICE_RESTART}
    assert not any(one.codes for one in stayed)
    since = {n for one, known in zip(visitors, counts, strict=True) for n in one.counted[known:]}
    assert since <= {len(visitors)}, "the counter flickered"
    assert server.wait(ENTERING) == 0


def test_two_processes_without_redis(stack: Stack, crowd: Crowd) -> None:
    """With the in-memory layer, a second process would miss what the first announces.

    Pass: told that there are two, a server does not start and says what to do; not
    told, it lets no socket in beside a process that lives, and says why. The first
    goes on undisturbed.
    """
    visitors = crowd.enter(10)
    crowd.connect(visitors)
    (port,) = free_ports(1)
    command = [sys.executable, str(ROOT / "manage.py"), "serve", "--port", str(port)]
    told = Service("told", command, stack.folder / "told.log", {**stack.env, "PROCESSES": "2"})
    with pytest.raises(NotReady, match="Set REDIS_URL, or run one process"):
        told.start(bool)
    origin = f"http://{LOCALHOST}:{port}"
    env = {**stack.env, "ORIGINS": origin}
    untold = Service("untold", command, stack.folder / "untold.log", env, cwd=ROOT)
    untold.start(lambda: healthy(origin))
    try:
        stranger = visitors[0].another()
        stranger.ports = [port]
        with pytest.raises(InvalidStatus):
            crowd.run(stranger.opens())
        eventually(lambda: "Set REDIS_URL, or stop the other" in untold.output(), "it says why")
    finally:
        untold.stop()
    crowd.become_right(visitors, len(visitors), within=KILLED, what="the first goes on")


@contextmanager
def fragile(stack: Stack, name: str) -> Iterator[Service]:
    """The stack's second process, served so that its hub can be broken by a signal."""
    stack.service("serve-1").stop()
    port = stack.ports[1]
    command = [sys.executable, "-m", "e2e.drills.fragile", "serve", "--port", str(port)]
    service = Service(name, command, stack.folder / f"{name}.log", stack.env, cwd=ROOT)
    service.start(lambda: healthy(f"http://{LOCALHOST}:{port}"))
    try:
        yield service
    finally:
        service.stop()
        stack.revive()


@on_cluster
@pytest.mark.parametrize("death", [signal.SIGUSR1, signal.SIGUSR2], ids=["error", "cancelled"])
def test_the_hub_is_killed(stack: Stack, crowd: Crowd, death: signal.Signals) -> None:
    """The task that does all the sending ends, by an error or because something
    cancels it, while documents change.

    Pass: it starts again, within 5 s all pages of that process are right, what was
    changed meanwhile included, and none was closed.
    """
    documents = crowd.ask("write", count=5)
    with fragile(stack, f"fragile-{death.name}") as service:
        visitors = crowd.enter(60)
        crowd.connect(visitors)
        assert service.process
        for deaths in (1, 2, 3):
            crowd.tell("retitle", documents=documents, times=20, pause=0.01)
            os.kill(service.process.pid, death)
            crowd.answer()
            eventually(lambda: service.output(10_000).count(AGAIN) == deaths, "it has died")  # noqa: B023
            crowd.become_right(visitors[1::2], 60, within=5.0, what="right again")
        assert not any(one.codes for one in visitors)


#: Where Debian puts it (package libfaketime).
FAKETIME = "faketime/libfaketimeMT.so.1"
AHEAD = {"FAKETIME": "+600s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
#: Do all processes live for longer than one is believed to without a sign of life?
LONG = "SELECT min(seen_at - started_at) > interval '8 seconds' FROM live_node"


def library() -> str:
    """The library that gives a process another time of day."""
    found = [str(path) for path in Path("/usr/lib").glob(f"*/{FAKETIME}")]
    assert found, "libfaketime is missing: install it (apt-get install libfaketime)"
    return found[0]


@pytest.fixture
def ahead(postgres: Postgres, redis_url: str) -> Iterator[Stack]:
    """Two processes, the second on a host whose clock is ten minutes ahead."""
    with temporary_folder("ahead") as folder:
        stack = Stack(folder, free_ports(2), database_url=postgres.database(), redis_url=redis_url)
        right = stack.env
        with prepared(stack):
            stack.serve(0)
            stack.env = {**right, **AHEAD, "LD_PRELOAD": library()}
            stack.serve(1)
            stack.env = right
            yield stack


def time_of_day(port: int) -> datetime:
    """What a server takes for the time, from how long its cookie is good."""
    with urllib.request.urlopen(f"http://{LOCALHOST}:{port}/login/") as answer:
        expires = re.search(r"expires=(.*?);", answer.headers["Set-Cookie"])
    assert expires
    return parsedate_to_datetime(expires[1])


@pytest.mark.complaints
@pytest.mark.parametrize("stack", ["ahead"], indirect=True)
def test_a_clock_ten_minutes_ahead(
    stack: Stack, crowd: Crowd, person: PersonMaker, document: int
) -> None:
    """Leela is on a host whose clock is right, Fry on one that is ten minutes ahead,
    each among others.

    Pass: everybody is counted on both hosts, for longer than a silent process would
    be; a page loaded from one connects to the other; Leela sees Fry's pen and cannot
    take it, and he saves; after ``kill -9`` of the far host its people are gone
    within 10 s, and nobody else.
    """
    near, far = map(time_of_day, stack.ports)
    assert far - near > timedelta(minutes=9)
    visitors = crowd.enter(20)
    moved = visitors[1].another()
    moved.ports.reverse()
    crowd.connect([*visitors, moved])
    leela, fry = person("leela"), person("fry")
    leela.opens_dashboard()
    fry.edits(document)
    leela.sees_badge(document, "editing", "Fry is editing")
    eventually(lambda: stack.sql(LONG)[0][0], "both have lived for longer than the timeout")
    crowd.become_right([*visitors, moved], 22, within=KILLED, what="all are counted")
    leela.edits(document)
    leela.sees_pen("theirs", "Fry")
    fry.types("Saved from the future.")
    fry.saves()
    for one in visitors:
        one.ports = one.ports[:1]
    stack.kill(1)
    # Of those on the far host, one has a second page here; Leela is here as well.
    crowd.become_right(visitors[::2], 12, within=KILLED, what="the far host is gone")
    stack.revive()
    crowd.become_right(visitors, 22, within=ENTERING, what="all are back")
