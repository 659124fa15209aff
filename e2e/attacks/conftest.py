"""The stages of the attacks."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from e2e.attacks.raw import Record
from e2e.cluster import nginx_command
from e2e.services import LOCALHOST
from e2e.stack import ROOT, Stack, free_ports, prepared, temporary_folder

WITNESSED = {"DJANGO_SETTINGS_MODULE": "e2e.attacks.witness"}
GUNICORN = ("--threads", "4", "--keep-alive", "75", "--bind")


@dataclass
class Front:
    """A way to the application, and who is witness of what arrives there."""

    port: int
    stack: Stack
    record: Record

    @property
    def host(self) -> str:
        return f"{LOCALHOST}:{self.port}"

    @property
    def origin(self) -> str:
        return f"http://{self.host}"


@pytest.fixture(scope="session")
def fronts(redis_url: str) -> Iterator[dict[str, Front]]:
    """By name: Daphne itself, Daphne behind nginx, gunicorn behind nginx."""
    direct, proxied, web, to_daphne, to_gunicorn = free_ports(5)
    ways = {"daphne": direct, "nginx": to_daphne, "gunicorn": to_gunicorn}
    with temporary_folder("attacks") as folder:
        stack = Stack(
            folder,
            [direct],
            redis_url=redis_url,
            origin_ports=[*ways.values()],
            extra={**WITNESSED, "PROCESSES": "2"},
        )
        serve = [sys.executable, str(ROOT / "manage.py"), "serve", "--proxy-headers"]
        gunicorn = [str(Path(sys.executable).with_name("gunicorn")), "project.wsgi", *GUNICORN]
        with prepared(stack):
            stack.start()
            stack.env["BEHIND_PROXY"] = "1"
            stack.run("behind", [*serve, "--port", str(proxied)], proxied)
            stack.run("web", [*gunicorn, f"{LOCALHOST}:{web}"], web)
            for name, pages in (("nginx", proxied), ("gunicorn", web)):
                place = folder / name
                place.mkdir()
                servers = [f"{LOCALHOST}:{pages}"], [f"{LOCALHOST}:{proxied}"]
                stack.run(name, nginx_command(place, ways[name], *servers), ways[name])
            record = Record(folder)
            yield {name: Front(port, stack, record) for name, port in ways.items()}


@pytest.fixture(params=["daphne", "nginx", "gunicorn"])
def front(request: pytest.FixtureRequest, fronts: dict[str, Front]) -> Front:
    """Each of them in turn; nothing has been written down yet."""
    chosen = fronts[request.param]
    chosen.record.news()
    return chosen
