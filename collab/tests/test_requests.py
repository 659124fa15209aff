"""The threads in which requests are answered."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse

from project import requests
from project.requests import PageHandler


class Pages(PageHandler):
    """Answers with the name of the thread; "/wait" does so when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = threading.Semaphore(0)
        self.may_go = threading.Event()

    def get_response(self, request: HttpRequest) -> HttpResponse:
        if request.path == "/wait":
            self.waiting.release()
            assert self.may_go.wait(10)
        return HttpResponse(str(threading.get_ident()))


class Asked:
    """A request that is under way."""

    def __init__(self, pages: Pages, path: str = "/") -> None:
        scope = {"type": "http", "method": "GET", "path": path, "headers": []}
        self.received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.received.put_nowait({"type": "http.request"})
        self.sent: list[dict[str, Any]] = []
        self.task = asyncio.create_task(pages(scope, self.received.get, self.send))

    async def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)

    async def answer(self) -> str:
        await asyncio.wait_for(self.task, 10)
        return str(self.sent[-1]["body"].decode())


async def rested(pages: Pages, threads: int = 1) -> None:
    """Until so many threads have nothing to do."""
    async with asyncio.timeout(10):
        while len(pages._threads) < threads:
            await asyncio.sleep(0)


async def test_a_request_goes_on_with_the_thread_of_the_one_before() -> None:
    """And so with its connection to the database."""
    pages = Pages()
    names = set()
    for _ in range(3):
        names.add(await Asked(pages).answer())
        await rested(pages)
    assert len(names) == 1


async def test_requests_at_the_same_time_have_threads_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """None waits for another, and few of the threads stay."""
    monkeypatch.setattr(requests, "KEPT_THREADS", 2)
    pages = Pages()
    waiting = [Asked(pages, "/wait") for _ in range(4)]
    for _ in waiting:
        assert await asyncio.to_thread(pages.waiting.acquire, timeout=10)
    quick = await Asked(pages).answer()
    pages.may_go.set()
    names = {await one.answer() for one in waiting}
    await rested(pages, 2)
    assert len(names | {quick}) == 5
    assert len(pages._threads) == 2


async def test_beyond_so_many_requests_the_next_waits_and_then_is_told_to_come_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that is left has its thread until its view is done, and counts so long."""
    monkeypatch.setattr(requests, "MOST_THREADS", 2)
    monkeypatch.setattr(requests, "MOST_WAITING", 1)
    pages = Pages()
    working = [Asked(pages, "/wait") for _ in range(2)]
    for _ in working:
        assert await asyncio.to_thread(pages.waiting.acquire, timeout=10)
    waits = Asked(pages)
    await asyncio.sleep(0)
    refused = Asked(pages)
    await asyncio.wait_for(refused.task, 10)
    start = refused.sent[0]
    assert start["status"] == 503
    assert dict(start["headers"])[b"retry-after"] == b"5"
    assert waits.sent == []
    assert len(pages._threads) == 0
    pages.may_go.set()
    for one in (*working, waits, Asked(pages)):
        assert await one.answer()
    async with asyncio.timeout(10):
        while pages._room._value < 2:
            await asyncio.sleep(0)


# Of a request that is cut off, Django leaves the body to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_view_that_goes_on_without_its_request_keeps_its_thread() -> None:
    """The server cuts requests off that take too long to notice that nobody waits."""
    pages = Pages()
    waiting = Asked(pages, "/wait")
    assert await asyncio.to_thread(pages.waiting.acquire, timeout=10)
    waiting.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting.task
    await Asked(pages).answer()
    await Asked(pages).answer()
    pages.may_go.set()
    await rested(pages, 2)
