"""Fixtures of the end-to-end tests: stacks, a browser, and people in it."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Playwright, StorageState, expect
from pytest_playwright.pytest_playwright import CreateContextCallback

from e2e.cable import Cable
from e2e.chromium import launch_options
from e2e.drills.crowd import Crowd
from e2e.people import Person, PersonMaker, listen, sign_in, write
from e2e.services import RedisSwitch
from e2e.stack import (
    Postgres,
    Stack,
    cluster_stack,
    postgres_server,
    redis_server,
    sqlite_stack,
)

EXPECT_MS = 5_000
#: People use the processes of a stack in turn: leela the first, fry the second...
CAST = ("leela", "fry", "bender", "zoidberg", "hermes")
#: How a failed test finds the stack it ran on.
STACK = pytest.StashKey[Stack]()
FAILED = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "complaints: what breaks here makes the browser's console complain"
    )
    # pytest-base-url's own, which pytest-playwright brings along.
    config.addinivalue_line(
        "filterwarnings",
        "ignore:Session-scoped fixtures defined as instance:pytest.PytestRemovedIn10Warning",
    )
    # Ended from outside, the tests still end their servers.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # A failed test leaves its pictures and traces (the latter see ``person``).
    config.option.screenshot = "only-on-failure"
    expect.set_options(timeout=EXPECT_MS)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """A failed test shows what its servers wrote."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        item.stash[FAILED] = True
        if stack := item.stash.get(STACK, None):
            report.sections.append(("servers", stack.logs()))


# -- The browser -----------------------------------------------------------------


@pytest.fixture(scope="session")
def browser_type_launch_args(playwright: Playwright) -> dict[str, Any]:
    """Playwright's own Chromium where it is installed, else the system's."""
    return launch_options(playwright)


# -- The stacks ------------------------------------------------------------------


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    with redis_server() as url:
        yield url


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def sqlite() -> Iterator[Stack]:
    """One process with SQLite and the in-memory layer."""
    with sqlite_stack() as stack:
        yield stack


@pytest.fixture
def redis() -> Iterator[RedisSwitch]:
    """A Redis of one's own, which may go away."""
    switch = RedisSwitch()
    yield switch
    switch.off()


@pytest.fixture(scope="session")
def cluster(postgres: Postgres, redis_url: str) -> Iterator[Stack]:
    """Two processes over PostgreSQL and Redis."""
    with cluster_stack(postgres, redis_url) as stack:
        yield stack


@pytest.fixture(scope="session")
def hurried(postgres: Postgres, redis_url: str) -> Iterator[Stack]:
    """The same with a pen that lives for a third of its time."""
    with cluster_stack(postgres, redis_url, {"DJANGO_SETTINGS_MODULE": "e2e.hurried"}) as stack:
        yield stack


@pytest.fixture(scope="session")
def on_uvloop() -> Iterator[Stack]:
    """One process with SQLite, on the other event loop, with a log for machines."""
    with sqlite_stack({"EVENT_LOOP": "uvloop", "LOG_FORMAT": "json"}) as stack:
        yield stack
        lines = [json.loads(line) for line in stack.services[0].log.read_text().splitlines()]
        assert "serving on the event loop of uvloop" in {line["message"] for line in lines}


both_stacks = pytest.mark.parametrize("stack", ["sqlite", "cluster"], indirect=True)
on_cluster = pytest.mark.parametrize("stack", ["cluster"], indirect=True)
on_either_loop = pytest.mark.parametrize("stack", ["sqlite", "on_uvloop"], indirect=True)
in_a_hurry = pytest.mark.parametrize("stack", ["hurried"], indirect=True)


@pytest.fixture
def stack(request: pytest.FixtureRequest) -> Stack:
    """The stack of this test, with nobody inside; ``sqlite`` unless parametrized."""
    chosen: Stack = request.getfixturevalue(getattr(request, "param", "sqlite"))
    request.node.stash[STACK] = chosen
    chosen.revive()
    chosen.nobody_is_here()
    return chosen


@pytest.fixture
def crowd(stack: Stack) -> Iterator[Crowd]:
    """Many visitors over plain sockets, and somebody who acts backstage."""
    with Crowd(stack) as one:
        yield one


# -- The people ------------------------------------------------------------------


@pytest.fixture(scope="session")
def signed_in(playwright: Playwright) -> Callable[[Stack, str], StorageState]:
    """The cookies of somebody who is signed in, made once."""
    kept: dict[tuple[Path, str], StorageState] = {}

    def state(stack: Stack, username: str) -> StorageState:
        key = (stack.folder, username)
        if key not in kept:
            request = playwright.request.new_context()
            sign_in(request, stack.urls[0], username)
            kept[key] = request.storage_state()
            request.dispose()
        return kept[key]

    return state


@pytest.fixture
def person(
    request: pytest.FixtureRequest,
    stack: Stack,
    new_context: CreateContextCallback,
    signed_in: Callable[[Stack, str], StorageState],
) -> Iterator[PersonMaker]:
    """Makes people, each with an own browser context: ``person("leela", locale="it-IT")``.

    ``own_session=True`` signs in anew, for tests that end the session;
    ``anonymous=True`` leaves that to the test; ``url`` is another way to the stack.
    """
    made: list[Person] = []

    def make(
        username: str,
        own_session: bool = False,
        anonymous: bool = False,
        url: str = "",
        **options: Any,
    ) -> Person:
        state = None if own_session or anonymous else signed_in(stack, username)
        context = new_context(storage_state=state, **options)
        # Snapshots of the DOM tell enough; a film of every page would cost more
        # than the tests themselves.
        context.tracing.start(snapshots=True)
        url = url or stack.urls[CAST.index(username) % len(stack.urls)]
        if own_session:
            sign_in(context.request, url, username)
        one = Person(username, url, context, context.new_page())
        listen(one)
        made.append(one)
        return one

    yield make
    keep_traces(request.node, made)
    if not request.node.get_closest_marker("complaints"):
        assert [complaint for one in made for complaint in one.complaints] == []


def keep_traces(test: pytest.Item, people: list[Person]) -> None:
    """What each person of a failed test did, for ``playwright show-trace``."""
    name = re.sub(r"[^a-zA-Z0-9]+", "-", test.nodeid).strip("-")
    for person in people:
        path = Path("test-results") / name / f"{person.username}.zip"
        with suppress(PlaywrightError):  # a context that the test itself has closed
            person.context.tracing.stop(path=path if test.stash.get(FAILED, False) else None)


@pytest.fixture
def leela(person: PersonMaker) -> Person:
    return person("leela")


@pytest.fixture
def fry(person: PersonMaker) -> Person:
    return person("fry")


@pytest.fixture
def bender(person: PersonMaker) -> Person:
    return person("bender")


@pytest.fixture
def zoidberg(person: PersonMaker) -> Person:
    return person("zoidberg")


@pytest.fixture
def cable(stack: Stack) -> Iterator[Cable]:
    """A cable to the stack, for people with ``url=stack.cable_url``; plugged in."""
    one = Cable(stack.cable_port, stack.ports[0])
    one.plug()
    yield one
    one.pull()


@pytest.fixture
def written(
    playwright: Playwright, stack: Stack, signed_in: Callable[[Stack, str], StorageState]
) -> Iterator[Callable[..., int]]:
    """Makes documents: ``written("A title", "A text", by="fry")`` gives the id."""
    with ExitStack() as later:

        def make(title: str = "Delivery", text: str = "Good news.", by: str = "bender") -> int:
            request = playwright.request.new_context(storage_state=signed_in(stack, by))
            later.callback(request.dispose)
            return write(request, stack.urls[0], title, text)

        yield make


@pytest.fixture
def document(written: Callable[..., int]) -> int:
    """A fresh document that Bender wrote."""
    return written()
