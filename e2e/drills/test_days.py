"""A quiet hour, a busy moment, somebody impatient, and a long day."""

from __future__ import annotations

import random
import re
import time
from dataclasses import dataclass
from pathlib import Path

from e2e.conftest import both_stacks, on_cluster
from e2e.drills.crowd import Crowd, Visitor, memory
from e2e.lengths import length
from e2e.services import eventually
from e2e.stack import Stack

#: How long nothing happens, in seconds.
SILENCE_SECONDS = length(8, full=60)
#: The pages that thirty people open in half an hour, one in a minute each; and before
#: that some in which caches and pools fill, and nothing is measured.
PAGES, WARM_PAGES = length(60, full=900), length(20, full=200)
#: How much more memory a process may use after it than before (bytes).
GROWTH = 10 * 2**20
#: Threads, files or connections that the request of just now may have.
MOMENTARY = 4
#: What is promised for a page to be right after a burst, in seconds.
RIGHT = 5.0
#: Only for getting a crowd in, in seconds.
ENTERING = 60.0


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


@on_cluster
def test_a_burst_of_a_thousand_events(crowd: Crowd) -> None:
    """A thousand changes of fifty documents as fast as they can be committed, while a
    hundred pages show all of them.

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
    watcher.keeps = True
    crowd.connect([watcher])
    paths = ["/", f"/documents/{document}/", f"/documents/{document}/"]
    tabs = [person.another(path) for path in paths]
    crowd.connect(tabs)
    crowd.become_right([watcher], 2, within=ENTERING, what="both are in")
    eventually(lambda: badges(watcher, document), "is reading")
    watcher.counted = [2]
    for _ in range(20):
        for number, path in enumerate(paths):
            old, tabs[number] = tabs[number], tabs[number].another(path)
            crowd.leave([old])
            crowd.connect([tabs[number]])
    crowd.become_right([watcher], 2, within=ENTERING, what="both are there")
    assert set(watcher.counted) == {2}
    assert set(badges(watcher, document)) == {"reading"}


def badges(visitor: Visitor, document: int) -> list[str]:
    """All that was pushed to a page about the state of a document."""
    badge = re.compile(rf'data-document="{document}" data-state="(\w+)"')
    return [state for _, frame in visitor.pushed for state in badge.findall(frame)]


CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"


@dataclass(frozen=True)
class Use:
    """What the processes of a stack have in use, each alone and together."""

    #: Bytes in memory, threads, and open files and sockets of each.
    memory: list[int]
    threads: list[int]
    files: list[int]
    #: Connections to the database.
    connections: int

    @classmethod
    def of(cls, stack: Stack) -> Use:
        pids = [service.process.pid for service in stack.services if service.process]
        return cls(
            [memory(pid) for pid in pids],
            [len(list(Path(f"/proc/{pid}/task").iterdir())) for pid in pids],
            [len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids],
            stack.sql("SELECT count(*) FROM pg_stat_activity WHERE datname=current_database()")[0][
                0
            ],
        )


@dataclass
class Day:
    """People who stay, people who come and go, and documents that change."""

    crowd: Crowd
    documents: list[int]
    staying: list[Visitor]
    passing: list[Visitor]

    def goes_on(self, pages: int) -> None:
        """Until so many have come and gone, with three changes for each; in the end only
        those are there who stay."""
        for _ in range(pages // 10):
            tabs = [one.another(self.somewhere()) for one in random.sample(self.passing, 10)]
            self.crowd.connect(tabs)
            self.crowd.ask("retitle", documents=random.sample(self.documents, 10), times=3)
            self.crowd.leave(tabs)
        self.crowd.become_right(self.staying, len(self.staying), within=ENTERING, what="all left")

    def somewhere(self) -> str:
        return random.choice(["/", "/active/", f"/documents/{random.choice(self.documents)}/"])


@on_cluster
def test_a_long_day(stack: Stack, crowd: Crowd) -> None:
    """As many pages come and go as thirty people open in half an hour, one in a minute
    each, in less time; fifty more stay, and documents change three times as often.

    Pass: beside the same fifty people as before, each process has the same threads and
    open files, all together the same connections to the database (but for a request's),
    and each at most 10 MB more memory.
    """
    documents = crowd.ask("write", count=50)
    visitors = crowd.enter(80)
    day = Day(crowd, documents, visitors[:50], visitors[50:])
    crowd.connect(day.staying)
    day.goes_on(WARM_PAGES)
    before = Use.of(stack)
    resumed = stack.new_numbers()["resumes"]
    day.goes_on(PAGES)
    after = Use.of(stack)
    assert not any(one.codes for one in day.staying)
    for had, has in zip(before.threads, after.threads, strict=True):
        assert has <= had + MOMENTARY
    for had, has in zip(before.files, after.files, strict=True):
        assert has <= had + MOMENTARY
    assert after.connections <= before.connections + MOMENTARY
    for had, has in zip(before.memory, after.memory, strict=True):
        assert has - had <= GROWTH
    eventually(lambda: stack.numbers()["resumes"] - resumed >= PAGES, "as many pages have come")
