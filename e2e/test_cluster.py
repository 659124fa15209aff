"""``make cluster``: it starts, answers, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from e2e.services import LOCALHOST, eventually, free_ports
from e2e.stack import ROOT

PROCESSES = 2
#: PostgreSQL, Redis, nginx and the servers, one after the other, on a busy machine.
READY_SECONDS, END_SECONDS = 90.0, 30.0


def parents() -> dict[int, int]:
    """Of each process that lives, its parent's id."""
    found = {}
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            text = status.read_text()
        except OSError:  # it has just ended
            continue
        if not re.search(r"^State:\s+Z", text, re.MULTILINE):
            parent = re.search(r"^PPid:\s+(\d+)", text, re.MULTILINE)
            assert parent
            found[int(status.parent.name)] = int(parent[1])
    return found


def family(pid: int) -> set[int]:
    """A process and all beneath it."""
    children, found = parents(), {pid}
    while more := {child for child, parent in children.items() if parent in found} - found:
        found |= more
    return found


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where everything of it is written; PostgreSQL, as somebody else, must get there."""
    with tempfile.TemporaryDirectory(prefix="collab-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextmanager
def started(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The command, in a group of processes of its own, as a terminal has it."""
    output = folder / "output"
    with output.open("wb") as out:
        running = subprocess.Popen(
            [sys.executable, "-m", "e2e.cluster", str(PROCESSES)],
            env={**os.environ, "TMPDIR": str(folder), "PORT": str(port)},
            cwd=ROOT,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        ready = f"{PROCESSES} processes are ready on http://{LOCALHOST}:{port}"
        eventually(lambda: ready in output.read_text(), "it is ready", READY_SECONDS)
        yield running
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)


def ctrl_c(pid: int) -> None:
    """What a terminal does: everything that was started is told, at once."""
    os.killpg(pid, signal.SIGINT)


def terminated(pid: int) -> None:
    """What a supervisor does: only the command is told."""
    os.kill(pid, signal.SIGTERM)


@pytest.mark.parametrize("end", [ctrl_c, terminated])
def test_a_cluster_ends_as_it_began(folder: Path, end: Callable[[int], None]) -> None:
    """It says when it is ready, and answers then: pages and sockets have a server each
    that is well. Ended, it ends by itself, with all that it has started, and leaves no
    file."""
    (port,) = free_ports(1)
    with started(folder, port) as running:
        for path in ("/healthz", "/healthz/live"):
            with urllib.request.urlopen(f"http://{LOCALHOST}:{port}{path}") as answer:
                assert answer.status == 200
        everybody = family(running.pid)
        assert len(everybody) > PROCESSES + 3
        end(running.pid)
        assert running.wait(END_SECONDS) == 0, (folder / "output").read_text()
    assert everybody & parents().keys() == set()
    assert [path.name for path in folder.iterdir()] == ["output"]
