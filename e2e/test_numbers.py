"""What ``/metrics`` tells is what has happened: people act, and the numbers follow."""

from __future__ import annotations

from e2e.conftest import on_cluster
from e2e.drills.crowd import Crowd
from e2e.services import eventually
from e2e.stack import Stack

PAGES = 10
#: Only for getting a crowd in, in seconds.
ENTERING = 30.0
#: The header of a frame is no longer than this, in bytes (RFC 6455, section 5.2).
HEADER = 10


@on_cluster
def test_the_numbers_are_what_has_happened(stack: Stack, crowd: Crowd) -> None:
    """Pages come, one comes back with old marks, documents change one by one and all at
    once. Each frame and byte that the pages got is counted, each page that resumed, and
    what it had missed."""
    documents = crowd.ask("write", count=5)
    visitors = crowd.enter(PAGES)
    for one in visitors:
        one.keeps = True
    before = stack.new_numbers()
    assert before["sockets"] == 0

    def more(name: str) -> float:
        return stack.numbers()[name] - before[name]

    crowd.connect(visitors)
    crowd.become_right(visitors, PAGES, within=ENTERING, what="all are in")
    eventually(lambda: stack.numbers()["sockets"] == PAGES, "each socket is told")
    eventually(lambda: more("resumes") == PAGES, "each page that came is told")

    stale = more("stale")
    missed = [f"document_summary-{document}" for document in documents]
    assert set(missed) <= set(visitors[0].marks)
    visitors[0].marks |= dict.fromkeys(missed, "0")
    crowd.asks_again(visitors[0])
    crowd.become_right(visitors, PAGES, within=ENTERING, what="it is right again")
    eventually(lambda: more("resumes") == PAGES + 1, "it is told that a page came back")
    assert more("stale") == stale + len(missed)

    events, renders = more("events"), more("renders")
    crowd.ask("retitle", documents=documents[:1], times=1)
    crowd.become_right(visitors, PAGES, within=ENTERING, what="one change is there")
    eventually(lambda: more("renders") > renders, "its rendering is told")
    assert more("events") > events

    crowd.ask("retitle", documents=documents, times=40)
    crowd.become_right(visitors, PAGES, within=ENTERING, what="many changes are there")
    eventually(lambda: more("coalesced") > 0, "that most of them waited for one rendering")

    frames = [frame.encode() for one in visitors for _, frame in one.pushed]
    eventually(lambda: more("deliveries") >= len(frames), "each frame is told")
    assert more("deliveries") == len(frames)
    told, written = more("bytes"), sum(map(len, frames))
    assert written < told <= written + HEADER * len(frames)
    assert more("flush_seconds_count") > 2
    assert more("flush_seconds_sum") > 0
    assert more("cut_slow") == more("cut_flood") == 0
