"""Both deployments of the talk, and servers that are not our own, as people use them."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Playwright, StorageState, expect
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Origin

from e2e.cluster import behind_nginx, nginx_command
from e2e.people import PersonMaker, sign_in
from e2e.services import LOCALHOST, eventually
from e2e.stack import ROOT, Postgres, Stack, free_ports, prepared, temporary_folder

SERVICE_RESTART = 1012
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


@pytest.mark.parametrize("stack", ["cluster", "on_uvloop"], indirect=True)
def test_sigterm_tells_sockets_to_come_back(
    stack: Stack, signed_in: Callable[[Stack, str], StorageState]
) -> None:
    """The server's orderly end closes each socket with "service restart"."""
    cookies = signed_in(stack, "leela")["cookies"]
    header = "; ".join(f"{cookie['name']}={cookie['value']}" for cookie in cookies)
    url = stack.urls[-1]
    with connect(
        f"{url.replace('http', 'ws', 1)}/live/",
        origin=Origin(url),
        additional_headers={"Cookie": header},
    ) as socket:
        server = stack.service(f"serve-{len(stack.urls) - 1}")
        server.stop(signal.SIGTERM)
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=10)
        assert socket.close_code == SERVICE_RESTART
    assert "stopped: 1 sockets" in server.output()


@pytest.mark.complaints
@pytest.mark.parametrize("stack", ["local_cluster"], indirect=True)
def test_a_rolling_restart_costs_nobody_anything(stack: Stack, person: PersonMaker) -> None:
    """One process after the other ends and comes back. Fry goes on typing: no word
    is lost, he keeps the pen, and Leela's page says so all the time."""
    leela, fry = person("leela"), person("fry")
    document = fry.writes("Rolling", "First.")
    leela.opens_dashboard()
    fry.edits(document)
    leela.sees_badge(document, "editing", "Fry is editing")
    (fence,) = stack.sql("SELECT fence FROM collab_document WHERE id = %s", document)[0]
    for number in range(3):
        stack.service(f"serve-{number}").stop(signal.SIGTERM)
        fry.types(f"Typed while process {number} was away.")
        leela.sees_badge(document, "editing", "Fry is editing")
        stack.service(f"serve-{number}").revive()
        fry.is_live()
        leela.is_live()
        fry.sees_saved("Draft saved")
    expect(fry.text_field).to_have_value("Typed while process 2 was away.")
    (after,) = stack.sql("SELECT fence FROM collab_document WHERE id = %s", document)[0]
    assert after == fence
    fry.saves()
    expect(leela.row(document)).to_contain_text("Typed while process 2 was away.")
    fry.finishes()
    leela.sees_badge(document, "reading", "Fry is reading")
