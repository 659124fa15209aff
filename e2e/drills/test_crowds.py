"""Many who write at once."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import expect

from e2e.drills.editors import Editor, editors
from e2e.lengths import length
from e2e.people import PersonMaker
from e2e.stack import Stack

#: Each of the fifty posts this many drafts on average before the server is ended,
#: and at least this many when it is back.
DRAFTS = length(3, full=30)
#: How long the sixteen write, in seconds.
WRITING_SECONDS = length(5, full=60)
#: Nobody is waited for longer, in seconds.
LIMIT = 240.0
#: A page may take this long to come back (milliseconds).
BACK = 15_000


def all_at_once(people: Iterable[Editor], act: Callable[[Editor], None]) -> None:
    """Everybody does it, each in a thread; the first error is raised."""
    people = list(people)
    with ThreadPoolExecutor(len(people)) as pool:
        for job in [pool.submit(act, one) for one in people]:
            job.result()


@dataclass
class Typing:
    """People who type on, whatever the server does; who gets no answer waits until
    it is back, and goes on then."""

    wanted: int
    confirmed: int = 0
    refused: list[str] = field(default_factory=list)
    enough: threading.Event = field(default_factory=threading.Event)
    is_back: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def types(self, one: Editor) -> None:
        """Until the server is back, and then a few times more."""
        left = DRAFTS
        while left:
            began_after = self.is_back.is_set()
            try:
                answer = one.types(f"{one.person} typed {one.sequence + 1}")
            except (OSError, http.client.HTTPException):
                assert self.is_back.wait(LIMIT)
                one.connects()
                continue
            left -= began_after
            self.note(answer.status)

    def note(self, status: int) -> None:
        with self.lock:
            self.confirmed += status == 200
            if status != 200:
                self.refused.append(str(status))
            if self.confirmed >= self.wanted:
                self.enough.set()


def is_there(stack: Stack, people: Sequence[Editor]) -> None:
    """What was confirmed last is in the database, or something typed after it."""
    rows = stack.sql("SELECT person_id, sequence, text FROM collab_draft WHERE NOT is_settled")
    kept = {person: (sequence, text) for person, sequence, text in rows}
    for one in people:
        last = max(one.acknowledged)
        sequence, text = kept[one.person]
        assert sequence >= last, f"{one.person} was told that {last} is kept"
        assert text == f"{one.person} typed {sequence}"


@pytest.mark.complaints
def test_sigterm_while_fifty_people_edit(stack: Stack, person: PersonMaker) -> None:
    """Fifty by request and socket, and two of the cast in Chromium.

    Pass: what the server has confirmed is in the database while it is down, and
    when it is back; the server ends by itself; nobody was refused anything, nobody
    has lost the pen.
    """
    leela, fry = person("leela"), person("fry")
    for one in (leela, fry):
        one.edits(one.writes(title=f"{one.name}'s"))
        one.types(f"{one.name} began.")
        one.sees_saved("Draft saved")
    with editors(stack, 50) as people:
        all_at_once(people, Editor.opens)
        typing = Typing(wanted=len(people) * DRAFTS)
        writers = threading.Thread(target=all_at_once, args=(people, typing.types))
        writers.start()
        assert typing.enough.wait(LIMIT)
        server = stack.service("serve-0")
        server.stop()
        assert server.process
        assert server.process.returncode == 0, "it had to be ended by force"
        is_there(stack, people)
        stack.revive()
        typing.is_back.set()
        writers.join(LIMIT)
        assert not writers.is_alive()
        is_there(stack, people)
        assert typing.refused == []
    for one in (leela, fry):
        one.is_connected("live", within=BACK)
        one.sees_pen("mine")
        expect(one.text_field).to_have_value(f"{one.name} began.")
        one.types(f"{one.name} went on.")
        one.saves()


def test_sixteen_writers_on_sqlite(stack: Stack) -> None:
    """Each in a document of their own, drafts and saves as fast as they are answered.

    Pass: nothing but 200 reaches anybody (no "database is locked"), and every save
    that was confirmed is a version in the history.
    """
    stop = threading.Event()
    timer = threading.Timer(WRITING_SECONDS, stop.set)
    answers: set[tuple[str, int]] = set()

    def writes(one: Editor) -> None:
        one.opens()
        while not stop.is_set():
            words = f"{one.person} wrote {one.sequence}"
            answers.add(("draft", one.types(words).status))
            answers.add(("save", one.saves(words).status))

    with editors(stack, 16) as people:
        timer.start()
        all_at_once(people, writes)
        assert answers == {("draft", 200), ("save", 200)}
        for one in people:
            versions = stack.sql(
                "SELECT count(*), max(version) FROM collab_revision WHERE document_id=%s",
                one.document,
            )
            assert versions == [(one.saved + 1, one.saved + 1)]
            assert one.saved > 1
