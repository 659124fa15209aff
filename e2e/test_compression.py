"""What many pages get is compressed once for all, and Chromium reads it."""

from __future__ import annotations

from playwright.sync_api import WebSocket, expect

from collab.live.deflate import ACCEPTED
from collab.live.outbox import DEFLATED_FOR
from e2e.conftest import on_cluster
from e2e.drills.crowd import Crowd
from e2e.people import Person
from e2e.services import eventually
from e2e.stack import Stack

#: In each of two processes there are enough.
PAGES = 3 * DEFLATED_FOR
#: Only for getting a crowd in, in seconds.
ENTERING = 30.0


@on_cluster
def test_a_crowd_and_a_browser_read_what_was_compressed_once(
    stack: Stack, crowd: Crowd, leela: Person
) -> None:
    """Twenty documents get another title. All show it, in a browser and out of it, and
    few bytes have been sent for that."""
    documents = crowd.ask("write", count=20)
    visitors = crowd.enter(PAGES)
    for one in visitors:
        one.keeps = True
    crowd.connect(visitors)
    texts: list[str] = []
    leela.page.on("websocket", lambda one: listen(one, texts))
    leela.opens_dashboard()
    crowd.become_right(visitors, PAGES + 1, within=ENTERING, what="all are in")
    leela.sees_active(PAGES + 1)
    before = stack.new_numbers()
    pushed = [len(one.pushed) for one in visitors]
    crowd.ask("retitle_at_once", documents=documents, title="Another title")
    for document in documents:
        row = leela.page.locator(f"#document_summary-{document}")
        expect(row).to_contain_text("Another title")
    crowd.become_right(visitors, PAGES + 1, within=ENTERING, what="all have the titles")
    assert any("Another title" in text for text in texts), "the browser was not told by its socket"
    assert all(one.socket and one.socket.response for one in visitors)
    answers = {
        one.socket.response.headers["Sec-WebSocket-Extensions"]
        for one in visitors
        if one.socket and one.socket.response
    }
    assert answers == {ACCEPTED}
    came = [text for one, n in zip(visitors, pushed, strict=True) for _, text in one.pushed[n:]]
    long = sum(len(text) > 2_000 for text in came)
    assert long >= PAGES
    eventually(
        lambda: stack.numbers()["compressed"] - before["compressed"] >= PAGES,
        "what was compressed is told",
    )
    written = stack.numbers()["bytes"] - before["bytes"]
    assert written < sum(map(len, came)) / 2


def listen(socket: WebSocket, texts: list[str]) -> None:
    """Keep what comes."""
    socket.on("framereceived", lambda payload: texts.append(str(payload)))
