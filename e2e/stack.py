"""The product as it is deployed: real processes on real ports.

``sqlite_stack`` is one process with SQLite and the in-memory layer;
``cluster_stack`` is two processes that share PostgreSQL and Redis. Nothing here
knows of pytest.
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import urllib.request
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import psycopg

from e2e.services import (
    LOCALHOST,
    NotReady,
    Postgres,
    Service,
    eventually,
    free_ports,
    postgres_server,
    redis_server,
)

__all__ = [
    "NotReady",
    "Postgres",
    "Service",
    "Stack",
    "cluster_stack",
    "eventually",
    "free_ports",
    "postgres_server",
    "redis_server",
    "sqlite_stack",
    "temporary_folder",
]

ROOT = Path(__file__).resolve().parent.parent
A_LEASE = timedelta(seconds=30)  # collab/timings.py
#: What a stack takes over from the surrounding environment; all else is its own.
INHERITED = ("PATH", "HOME", "LANG", "VIRTUAL_ENV", "TMPDIR")


class Stack:
    """A prepared database and the processes that serve it.

    Args:
        folder: where everything that is written goes.
        ports: one for each server process.
        database_url: empty for SQLite.
        redis_url: empty for the in-memory layer.
        origin_ports: ports people's browsers use, where they are not ``ports``.
        extra: further environment variables.
    """

    def __init__(
        self,
        folder: Path,
        ports: Sequence[int],
        *,
        database_url: str = "",
        redis_url: str = "",
        origin_ports: Sequence[int] = (),
        extra: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.ports = list(ports)
        self.database_url = database_url
        self.services: list[Service] = []
        self.urls = [f"http://{LOCALHOST}:{port}" for port in (origin_ports or ports)]
        #: A further way to the first process, for a cable that can be pulled.
        self.cable_port = free_ports(1)[0]
        self.cable_url = f"http://{LOCALHOST}:{self.cable_port}"
        self.env = {name: os.environ[name] for name in INHERITED if name in os.environ} | {
            "DATA_DIR": str(folder),
            "SECRET_KEY": uuid.uuid4().hex * 2,
            "DEMO": "1",
            "PORT": str(ports[0]),
            "ORIGINS": ",".join([*self.urls, self.cable_url]),
            "PROCESSES": str(len(ports)),
            "REDIS_PREFIX": f"collab-{uuid.uuid4().hex[:8]}",
            # Editors in drills write as fast as they get answers; nobody does by hand.
            "LIMITS": "saves_per_minute=0,autosaves_per_minute=0",
            "METRICS_TOKEN": uuid.uuid4().hex,
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": str(ROOT),
        }
        if database_url:
            self.env["DATABASE_URL"] = database_url
        if redis_url:
            self.env["REDIS_URL"] = redis_url
        self.env |= extra or {}

    # Preparing and talking to it.

    def prepare(self) -> None:
        """Tables, demo people and documents, static files (collected once a run)."""
        self.manage("migrate", "--verbosity", "0")
        self.manage("demo")
        (self.folder / "static").symlink_to(_static_files(), target_is_directory=True)

    def manage(self, *arguments: str) -> str:
        """Run ``manage.py`` with this stack's settings; gives what it prints."""
        done = subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), *arguments],
            env=self.env,
            cwd=ROOT,
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise NotReady(f"manage.py {arguments[0]} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run one statement (``%s`` for values) behind the product's back."""
        if self.database_url:
            with psycopg.connect(self.database_url, autocommit=True) as connection:
                cursor = connection.execute(statement.encode(), values)
                return cursor.fetchall() if cursor.description else []
        path = self.folder / "collab.sqlite3"
        with sqlite3.connect(path, timeout=20, isolation_level=None) as lite:
            found = lite.execute(statement.replace("%s", "?"), values).fetchall()
        lite.close()
        return found

    def numbers(self) -> Mapping[str, float]:
        """What ``/metrics`` tells, by name, all processes together, 0 for what it does
        not; each writes its own with its heartbeat, so they are up to two seconds old."""
        token = {"Authorization": f"Bearer {self.env['METRICS_TOKEN']}"}
        request = urllib.request.Request(f"{self.urls[0]}/metrics", headers=token)
        with urllib.request.urlopen(request, timeout=10) as answer:
            told: str = answer.read().decode()
        numbers: defaultdict[str, float] = defaultdict(float)
        for name, value in re.findall(r"^(collab_\w+)(?:\{.*\})? (\S+)$", told, re.MULTILINE):
            numbers[name.removeprefix("collab_").removesuffix("_total")] += float(value)
        return numbers

    def new_numbers(self) -> Mapping[str, float]:
        """The same, once every process that has any has written them anew, and those of
        the ended are gone: whatever happened before the call is in them."""

        def beats() -> list[Any]:
            return [seen for (seen,) in self.sql("SELECT seen_at FROM live_node")]

        if told := beats():
            newest = max(told)
            eventually(lambda: min(beats()) > newest, "every process has written its numbers")
        return self.numbers()

    def nobody_is_here(self) -> None:
        """Between tests: no pages, no pens; sockets of closed browsers may be late."""
        pids = [service.process.pid for service in self.services if service.process]
        open_pages = (
            "SELECT count(*) FROM live_connection c JOIN live_node n ON n.id = c.node_id "
            f"WHERE c.left_at IS NULL AND n.pid IN ({', '.join(map(str, pids)) or 0})"
        )
        eventually(lambda: self.sql(open_pages)[0][0] == 0, "all pages have left")
        self.sql("DELETE FROM live_connection")
        self.sql("UPDATE collab_document SET holder_id=NULL, held_at=NULL, expires_at=NULL")
        self.sql("DELETE FROM collab_activity")

    def pen_runs_out(self, document: int) -> None:
        """Let the time of its holder be over, without waiting for it."""
        past = "2000-01-01 00:00:00+00:00"
        self.sql("UPDATE collab_document SET expires_at = %s WHERE id = %s", past, document)

    def pen_is_freed(self, document: int) -> None:
        """Free the pen, as it is when its holder has not been heard of for too long."""
        free = "holder_id=NULL, held_at=NULL, expires_at=NULL"
        self.sql(f"UPDATE collab_document SET {free} WHERE id=%s", document)

    def time_of(self, document: int, what: str) -> datetime:
        """One of its times: ``held_at``, ``expires_at``, ``asked_at``, ``yields_at``."""
        ((at,),) = self.sql(f"SELECT {what} FROM collab_document WHERE id = %s", document)
        found = datetime.fromisoformat(str(at))
        return found if found.tzinfo else found.replace(tzinfo=UTC)  # SQLite says none

    def is_kept(self, document: int) -> None:
        """Wait until the page that took the pen is entered among those present: with
        that it has its pen for a whole time from then, even if somebody freed it."""
        times = "SELECT held_at, expires_at FROM collab_document WHERE id=%s"
        pages = "SELECT count(*) FROM live_connection WHERE subject=%s AND claim != ''"

        def renewed() -> bool:
            if not self.sql(pages, f"document:{document}")[0][0]:
                return False  # a draft renews, too
            taken, ends = (datetime.fromisoformat(str(at)) for at in self.sql(times, document)[0])
            return ends - taken > A_LEASE

        eventually(renewed, "the pen is renewed")

    # Its processes.

    def start(self) -> None:
        """``manage.py serve`` on every port."""
        for number, _ in enumerate(self.ports):
            self.serve(number)

    def serve(self, number: int) -> Service:
        """Start process ``number`` with ``manage.py serve``."""
        port = self.ports[number]
        command = [sys.executable, str(ROOT / "manage.py"), "serve", "--port", str(port)]
        return self.run(f"serve-{number}", command, port)

    def run(self, name: str, command: Sequence[str], port: int | None = None) -> Service:
        """Start any server of this stack; with ``port``, wait for its /healthz."""
        return self.run_until(
            name, command, lambda: port is None or healthy(f"http://{LOCALHOST}:{port}")
        )

    def run_until(self, name: str, command: Sequence[str], ready: Callable[[], object]) -> Service:
        """Start any server of this stack, and wait until it is ``ready``."""
        service = Service(name, command, self.folder / f"{name}.log", self.env, cwd=ROOT)
        service.start(ready)
        self.services.append(service)
        return service

    def kill(self, number: int) -> None:
        """``kill -9`` process ``number``."""
        self.service(f"serve-{number}").kill()

    def revive(self) -> None:
        """Start again what a test has ended."""
        for service in self.services:
            service.revive()

    def service(self, name: str) -> Service:
        """One of its processes, by name."""
        return next(service for service in self.services if service.name == name)

    def stop(self) -> None:
        """End all processes, the last started first."""
        for service in reversed(self.services):
            service.stop(signal.SIGTERM)

    def logs(self) -> str:
        """The ends of all logs, for a failed test's report."""
        return "\n".join(service.output() for service in self.services)


@lru_cache(maxsize=1)
def _static_files() -> Path:
    """The collected static files, the same for all stacks of a run."""
    folder = Path(tempfile.mkdtemp(prefix="collab-static-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    Stack(folder, [0]).manage("collectstatic", "--noinput", "--verbosity", "0")
    return folder / "static"


def healthy(url: str) -> bool:
    """Does this server say that it is fit?"""
    with urllib.request.urlopen(f"{url}/healthz", timeout=5) as response:
        return bool(response.status == 200)


@contextmanager
def temporary_folder(name: str) -> Iterator[Path]:
    """A folder for one stack, gone with it."""
    folder = Path(tempfile.mkdtemp(prefix=f"collab-{re.sub(r'[^a-z]', '', name)}-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def prepared(stack: Stack) -> Iterator[Stack]:
    """Prepare a stack, and stop at the end whatever has been started of it."""
    stack.prepare()
    try:
        yield stack
    finally:
        stack.stop()


@contextmanager
def sqlite_stack(extra: Mapping[str, str] | None = None) -> Iterator[Stack]:
    """One process, SQLite, in-memory layer.

    Args:
        extra: further environment variables.
    """
    with temporary_folder("sqlite") as folder:
        stack = Stack(folder, free_ports(1), extra=extra)
        with prepared(stack):
            stack.start()
            yield stack


@contextmanager
def cluster_stack(
    postgres: Postgres, redis_url: str, extra: Mapping[str, str] | None = None
) -> Iterator[Stack]:
    """Two processes on two ports, sharing PostgreSQL and Redis.

    Args:
        extra: further environment variables.
    """
    with temporary_folder("cluster") as folder:
        stack = Stack(
            folder,
            free_ports(2),
            database_url=postgres.database(),
            redis_url=redis_url,
            extra=extra,
        )
        with prepared(stack):
            stack.start()
            yield stack
