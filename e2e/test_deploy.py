"""Both deployments of the talk, and servers that are not our own, as people use them."""

from __future__ import annotations

import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Playwright, StorageState, expect
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from e2e.cluster import behind_nginx, nginx_command
from e2e.drills.editors import Editor, editors, insists
from e2e.observers import BADGES, html
from e2e.people import PersonMaker, sign_in
from e2e.services import LOCALHOST, eventually
from e2e.stack import ROOT, Postgres, Stack, free_ports, prepared, temporary_folder

SERVICE_RESTART = 1012
#: How long nginx waits for a process that says nothing (``proxy_read_timeout``).
NGINX_SECONDS = 20.0
PYTHON_BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def nginx(postgres: Postgres, redis_url: str) -> Iterator[Stack]:
    """Gunicorn for pages and Daphne for sockets, behind nginx."""
    port, web, live = free_ports(3)
    with temporary_folder("nginx") as folder:
        stack = Stack(
            folder,
            [live, web],
            database_url=postgres.database(),
            redis_url=redis_url,
            origin_ports=[port],
            extra={"BEHIND_PROXY": "1"},
        )
        gunicorn = [
            str(PYTHON_BIN / "gunicorn"),
            "project.wsgi",
            "--threads",
            "4",
            "--keep-alive",
            "75",
        ]
        serve = [sys.executable, str(ROOT / "manage.py"), "serve", "--proxy-headers"]
        with prepared(stack):
            stack.run("web", [*gunicorn, "--bind", f"127.0.0.1:{web}"], web)
            stack.run("live", [*serve, "--port", str(live)], live)
            stack.run(
                "nginx",
                nginx_command(folder, port, [f"127.0.0.1:{web}"], [f"127.0.0.1:{live}"]),
                port,
            )
            yield stack


@pytest.fixture(scope="module")
def local_cluster(postgres: Postgres, redis_url: str) -> Iterator[Stack]:
    """Three processes on unix sockets behind nginx."""
    (port,) = free_ports(1)
    with behind_nginx(postgres, redis_url, port, 3) as stack:
        yield stack


def _alone(server: str) -> Iterator[Stack]:
    (port,) = free_ports(1)
    options = {"daphne": ["-b", "127.0.0.1", "-p"], "uvicorn": ["--port"]}[server]
    command = [str(PYTHON_BIN / server), *options, str(port), "project.asgi:application"]
    with temporary_folder(server) as folder:
        stack = Stack(folder, [port])
        with prepared(stack):
            stack.run(server, command, port)
            yield stack


@pytest.fixture(scope="module")
def plain_daphne() -> Iterator[Stack]:
    yield from _alone("daphne")


@pytest.fixture(scope="module")
def plain_uvicorn() -> Iterator[Stack]:
    yield from _alone("uvicorn")


@pytest.mark.parametrize(
    "stack", ["local_cluster", "nginx", "on_uvloop", "plain_daphne", "plain_uvicorn"], indirect=True
)
def test_people_see_each_other(stack: Stack, person: PersonMaker) -> None:
    """Sign in with the form, read, edit, save: the others see it, however it is served."""
    leela, fry = person("leela"), person("fry", anonymous=True)
    document = leela.writes("Served", "First.")
    leela.opens_dashboard()
    fry.page.goto(f"{fry.url}/")
    fry.signs_in()
    leela.sees_active(2)
    fry.row(document).get_by_role("link").first.click()
    leela.sees_badge(document, "reading", "Fry is reading")
    fry.link("Edit").click()
    leela.sees_badge(document, "editing", "Fry is editing")
    fry.types("Second.")
    fry.saves()
    leela.sees_toast(document, "saved", "Fry saved your document")
    expect(leela.row(document)).to_contain_text("Second.")
    fry.finishes()
    leela.sees_badge(document, "reading", "Fry is reading")


@pytest.mark.parametrize("stack", ["local_cluster", "nginx"], indirect=True)
def test_nobody_chooses_where_they_come_from(stack: Stack, playwright: Playwright) -> None:
    """Behind nginx, whatever a client claims: the log and the limits have its address."""
    claimed = {"X-Forwarded-For": "10.9.8.7, 10.9.8.6", "X-Real-IP": "10.9.8.7"}
    request = playwright.request.new_context(extra_http_headers=claimed)
    sign_in(request, stack.urls[0], "hermes")
    newest = "SELECT host(address) FROM collab_securityevent ORDER BY id DESC LIMIT 1"
    assert stack.sql(newest) == [(LOCALHOST,)]
    request.dispose()


@pytest.mark.parametrize("stack", ["nginx"], indirect=True)
def test_the_log_of_nginx_opens_nothing(stack: Stack, playwright: Playwright) -> None:
    """Secret addresses are not in it, however they are written; all others are."""
    request = playwright.request.new_context(extra_http_headers={"Referer": "/shared/from/"})
    secret = ("/shared/s3cret/", "/%73hared/s3cret/", "//shared//s3cret/", "/shared/s3cret?x=1")
    reset = ("/invitation/s3cret/", "/password/reset/MQ/s3cret/", "/shared/s3cret/cover.webp")
    for place in (*secret, *reset, "/login/?next=/last/"):
        request.get(f"{stack.urls[0]}{place}")
    request.dispose()
    log = stack.folder / "access.log"
    eventually(lambda: "/last/" in log.read_text(), "the log")
    lines = log.read_text()
    assert '"GET /shared/... HTTP/1.1" 404' in lines
    assert "s3cret" not in lines
    assert "/shared/from/" not in lines


@pytest.mark.parametrize("stack", ["nginx"], indirect=True)
def test_sockets_stay_when_the_pages_restart(stack: Stack, person: PersonMaker) -> None:
    """Behind nginx, pages and sockets have servers of their own: one may go alone."""
    leela, fry = person("leela"), person("fry")
    leela.opens_dashboard()
    stack.service("web").stop()
    fry_page = fry.context.request.get(f"{fry.url}/")
    assert fry_page.status == 502
    stack.service("web").revive()
    leela.is_connected("live", within=1)
    fry.opens_dashboard()
    leela.sees_active(2)


def cookie_of(state: StorageState) -> str:
    """The header of somebody who is signed in."""
    return "; ".join(f"{cookie['name']}={cookie['value']}" for cookie in state["cookies"])


def opened(url: str, cookie: str, within: float = 10.0) -> ClientConnection:
    """A plain socket, to be used as a context."""
    return connect(
        f"{url.replace('http', 'ws', 1)}/live/",
        origin=Origin(url),
        additional_headers={"Cookie": cookie},
        open_timeout=within,
    )


@pytest.mark.parametrize("stack", ["cluster", "on_uvloop"], indirect=True)
def test_sigterm_tells_sockets_to_come_back(
    stack: Stack, signed_in: Callable[[Stack, str], StorageState]
) -> None:
    """The server's orderly end closes each socket with "service restart"."""
    with opened(stack.urls[-1], cookie_of(signed_in(stack, "leela"))) as client:
        server = stack.service(f"serve-{len(stack.urls) - 1}")
        server.stop(signal.SIGTERM)
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=10)
        assert client.close_code == SERVICE_RESTART
    assert "stopped: 1 sockets" in server.output()


@pytest.mark.parametrize("stack", ["local_cluster"], indirect=True)
def test_a_thousand_may_come_back_at_once(stack: Stack) -> None:
    """A process that is busy lets as many wait at its socket; those beyond its queue
    nginx would have to refuse."""
    server = stack.service("serve-0")
    with server.hanging(), ExitStack() as later:
        for _ in range(1000):
            one = later.enter_context(socket.socket(socket.AF_UNIX))
            one.setblocking(False)
            one.connect(str(stack.folder / "serve-0.sock"))


@pytest.mark.parametrize("stack", ["local_cluster"], indirect=True)
def test_a_process_that_hangs_is_passed_over(
    stack: Stack, signed_in: Callable[[Stack, str], StorageState]
) -> None:
    """Behind nginx, one of three neither ends nor answers. The pages that are sent there
    are connected to another when nginx has waited long enough; from then on one in two
    seconds is sent there at most."""
    cookie = cookie_of(signed_in(stack, "leela"))
    with stack.service("serve-1").hanging():
        waits = all_open(stack, cookie, 9, within=NGINX_SECONDS + 10)
        assert max(waits) > NGINX_SECONDS
        waits = all_open(stack, cookie, 9, within=3)
        assert len(waits) >= 8


def all_open(stack: Stack, cookie: str, count: int, within: float) -> list[float]:
    """Open sockets at once; how long each of those took that were opened in time."""

    def opens(_: int) -> float:
        began = time.monotonic()
        with suppress(TimeoutError), opened(stack.urls[0], cookie, within):
            return time.monotonic() - began
        return within

    with ThreadPoolExecutor(count) as pool:
        return [wait for wait in pool.map(opens, range(count)) if wait < within]


@dataclass
class Typing:
    """People at plain editors who post drafts and saves, without a pause."""

    people: Sequence[Editor]
    over: threading.Event = field(default_factory=threading.Event)

    def goes_on(self, one: Editor) -> int:
        """Returns how often, until it is over."""
        one.opens()
        number = 0
        while not self.over.is_set():
            number += 1
            insists(one.types, f"Draft {number}")
            insists(one.saves, f"Save {number}")
        return number

    def __enter__(self) -> Typing:
        self.pool = ThreadPoolExecutor(len(self.people))
        self.jobs = [self.pool.submit(self.goes_on, one) for one in self.people]
        return self

    def __exit__(self, *exc: object) -> None:
        self.over.set()
        self.pool.shutdown()


def go_on(people: Sequence[Editor]) -> None:
    """Wait until each of them has saved again."""
    before = [one.saved for one in people]
    pairs = list(zip(people, before, strict=True))
    eventually(lambda: all(one.saved > saved for one, saved in pairs), "everybody has saved")


@pytest.mark.complaints
@pytest.mark.parametrize("stack", ["local_cluster"], indirect=True)
def test_a_rolling_restart_costs_nobody_anything(stack: Stack, person: PersonMaker) -> None:
    """One process after the other ends and comes back. Fry goes on typing: no word
    is lost, he keeps the pen, and Leela's page has said so all the time. Others post
    drafts and saves without a pause: each is answered, or taken when it is sent again,
    and what they saved last is there."""
    leela, fry = person("leela"), person("fry")
    document = fry.writes("Rolling", "First.")
    leela.context.add_init_script(BADGES)
    fry.edits(document)
    leela.opens_dashboard()
    leela.sees_badge(document, "editing", "Fry is editing")
    (fence,) = stack.sql("SELECT fence FROM collab_document WHERE id = %s", document)[0]
    with editors(stack, 2) as others, Typing(others) as typing:
        for number in range(3):
            stack.service(f"serve-{number}").stop(signal.SIGTERM)
            fry.types(f"Typed while process {number} was away.")
            stack.service(f"serve-{number}").revive()
            fry.is_live()
            leela.is_live()
            fry.sees_saved("Draft saved")
            go_on(others)
        typing.over.set()
        last = [f"Save {job.result()}" for job in typing.jobs]
        kept = "SELECT text FROM collab_document WHERE id = %s"
        assert [stack.sql(kept, one.document)[0][0] for one in others] == last
    expect(fry.text_field).to_have_value("Typed while process 2 was away.")
    (after,) = stack.sql("SELECT fence FROM collab_document WHERE id = %s", document)[0]
    assert after == fence
    always = re.compile(rf"\b{document}:editing( |$)")
    expect(html(leela)).to_have_attribute("data-test-badges", always)
    fry.saves()
    expect(leela.row(document)).to_contain_text("Typed while process 2 was away.")
    fry.finishes()
    leela.sees_badge(document, "reading", "Fry is reading")
    expect(html(leela)).to_have_attribute(
        "data-test-badges", re.compile(rf"\b{document}:editing>reading( |$)")
    )
