"""Redis comes and goes; pages and saves go on, and live updates soon after."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import expect

from e2e.people import PersonMaker
from e2e.services import Postgres, free_ports, redis_server
from e2e.stack import Stack, cluster_stack

pytestmark = pytest.mark.complaints
#: What is promised: right within 15 s of its return (milliseconds).
RETURN = 15_000


class Redis:
    """A Redis that can be switched off and on."""

    def __init__(self) -> None:
        (self.port,) = free_ports(1)
        self._running = ExitStack()

    def on(self) -> str:
        return self._running.enter_context(redis_server(self.port))

    def off(self) -> None:
        self._running.close()


@pytest.fixture
def redis() -> Iterator[Redis]:
    switch = Redis()
    yield switch
    switch.off()


@pytest.fixture
def stack(postgres: Postgres, redis: Redis) -> Iterator[Stack]:
    """A cluster of its own, whose Redis may go away."""
    with cluster_stack(postgres, redis.on()) as own:
        yield own


def test_redis_gone_and_back(
    redis: Redis, person: PersonMaker, written: Callable[..., int]
) -> None:
    """No failed save and no closed socket; what was missed is shown after its return."""
    leela, fry = person("leela"), person("fry")  # on two processes
    document = written("While Redis was away")
    leela.opens_dashboard()
    sockets: list[str] = []
    leela.page.on("websocket", lambda socket: sockets.append(socket.url))
    redis.off()
    fry.edits(document)
    fry.types("Saved without Redis.")
    fry.saves()
    fry.finishes()
    redis.on()
    expect(leela.row(document)).to_contain_text("Saved without Redis.", timeout=RETURN)
    leela.sees_badge(document, "reading", "Fry is reading", within=RETURN)
    leela.is_live()
    assert sockets == [], "the page had to connect again"
