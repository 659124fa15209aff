"""A quiet hour, a busy moment, somebody impatient, and a long day."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.conftest import both_stacks, on_cluster
from e2e.drills.crowd import Crowd, Visitor, memory
from e2e.lengths import length
from e2e.services import Service, eventually
from e2e.stack import Stack

#: How long nothing happens, in seconds.
SILENCE_SECONDS = length(8, full=60)
#: Half an hour's comings, goings and changes take this long, in seconds; the first
#: part of it, in which caches and pools fill, is not measured.
SOAK_SECONDS, WARM_SECONDS = length(12, full=180), length(6, full=60)
#: How much more memory a process may use after it than before (bytes): less than a
#: thousandth of it for each page that came and went.
GROWTH = 10 * 2**20
#: What is promised for a page to be right after a burst, in seconds.
RIGHT = 5.0
#: Only for getting a crowd in, in seconds.
ENTERING = 60.0


@pytest.fixture
def crowd(stack: Stack) -> Iterator[Crowd]:
    with Crowd(stack) as one:
        yield one


@on_cluster
def test_a_minute_of_silence(crowd: Crowd) -> None:
    """Nobody does anything for a minute: every client and server library has
    time-outs for idle connections.

    Pass: no page is told anything but who is here, no socket was closed, and then
    news arrive as ever.
    """
    (document,) = crowd.ask("write", count=1)
    visitors = crowd.enter(20)
    crowd.connect(visitors)
    crowd.become_right(visitors, 20, within=ENTERING, what="all are in")
    for one in visitors:
        one.keeps = True
    began = time.monotonic()
    eventually(lambda: time.monotonic() - began > SILENCE_SECONDS, "silence", SILENCE_SECONDS + 5)
    assert [frame for one in visitors for _, frame in one.pushed] == []
    assert not any(one.codes for one in visitors)
    crowd.ask("retitle", documents=[document], times=1)
    crowd.become_right(visitors, 20, within=RIGHT, what="news come")
    assert all("Change 0" in frame for one in visitors for _, frame in one.pushed)


@both_stacks
def test_a_burst_of_a_thousand_events(stack: Stack, crowd: Crowd) -> None:
    """A thousand changes of fifty documents as fast as they can be committed, while a
    hundred pages show all of them. (In one process, which nobody else can reach, by
    twenty people's requests at once.)

    Pass: within 5 s of the last, every page shows what a reload would; nobody was
    cut; and nobody was sent a frame for each change.
    """
    documents = crowd.ask("write", count=50)
    visitors = crowd.enter(100)
    crowd.connect(visitors)
    crowd.become_right(visitors, 100, within=ENTERING, what="all are in")
    for one in visitors:
        one.keeps = True
    crowd.ask("retitle", documents=documents, times=20)
    crowd.become_right(visitors, 100, within=RIGHT, what="all are right")
    assert not any(one.codes for one in visitors)
    assert all(0 < len(one.pushed) < 500 for one in visitors)


@both_stacks
def test_three_tabs_and_twenty_reloads(crowd: Crowd) -> None:
    """Somebody has three tabs, a list, a document and another, and reloads each of
    them twenty times.

    Pass: in all that time nobody sees another number of people than two, or that the
    document is read by nobody; in the end there are three pages of that person.
    """
    (document,) = crowd.ask("write", count=1)
    watcher, person = crowd.enter(2)
    crowd.connect([watcher])
    paths = ["/", f"/documents/{document}/", f"/documents/{document}/"]
    tabs = [person.another(path) for path in paths]
    crowd.connect(tabs)
    crowd.become_right([watcher, tabs[0]], 2, within=ENTERING, what="both are in")
    eventually(lambda: READING in watcher.shown(f"lock_badge-{document}"), "is reading")
    watcher.counted, watcher.keeps, watcher.pushed = [2], True, []
    for _ in range(20):
        for number, path in enumerate(paths):
            old, tabs[number] = tabs[number], tabs[number].another(path)
            crowd.leave([old])
            crowd.connect([tabs[number]])
    crowd.become_right([watcher, tabs[0]], 2, within=ENTERING, what="both are there")
    assert set(watcher.counted) == {2}
    badges = [b for _, frame in watcher.pushed for b in BADGE.findall(frame)]
    assert (str(document), "free") not in badges


READING = 'data-state="reading"'
BADGE = re.compile(r'data-document="(\d+)" data-state="(\w+)"')
