"""Redis comes and goes; pages and saves go on, and live updates soon after."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect

from e2e.people import PersonMaker
from e2e.services import Postgres, RedisSwitch
from e2e.stack import Stack, cluster_stack

pytestmark = pytest.mark.complaints
#: What is promised: right within 15 s of its return (milliseconds).
RETURN = 15_000


@pytest.fixture
def stack(postgres: Postgres, redis: RedisSwitch) -> Iterator[Stack]:
    """A cluster of its own, whose Redis may go away."""
    with cluster_stack(postgres, redis.on()) as own:
        yield own


def test_redis_gone_and_back(
    redis: RedisSwitch, person: PersonMaker, written: Callable[..., int]
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
