"""Long texts are worked on in a process beside, with the same results."""

from __future__ import annotations

import multiprocessing
import os
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from collab import elsewhere as module
from collab.differences import difference, words_changed
from collab.elsewhere import LONG_CHARACTERS, PROCESSES, TooSlow, allow, elsewhere, within
from collab.merging import merge
from collab.text import _render

ROOT = Path(__file__).resolve().parents[2]
LONG = "Bender bends. " * LONG_CHARACTERS


@elsewhere
def where(text: str) -> int:
    """The process it runs in."""
    return os.getpid()


@elsewhere
def refuse(text: str) -> None:
    raise ValueError(text[:6])


@elsewhere
def die(text: str) -> str:
    """Ends a process beside, but not the one that asks."""
    if multiprocessing.parent_process():
        os._exit(1)
    return "done here"


@within(0.2)
def never_end(text: str) -> None:
    """In C, where no handler of Python's would be asked; and at once, if nobody counts."""
    if multiprocessing.parent_process():
        re.fullmatch(r"(a|a)*b", "a" * 60)


@within(60)
def where_in_time(text: str) -> int:
    return os.getpid()


@pytest.fixture
def as_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process may have others beside it, until the test is over."""
    monkeypatch.setattr(module, "_free", [])  # they end when their pipes are forgotten
    monkeypatch.setattr(module, "_is_allowed", False)
    allow()


def test_only_a_server_has_others_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands and tests work on their texts themselves."""
    monkeypatch.setattr(module, "_is_allowed", False)
    assert where(LONG) == os.getpid()


def test_a_daemon_goes_on_alone() -> None:
    """Python lets a daemon of multiprocessing have no processes."""
    spawning = multiprocessing.get_context("spawn")
    ours, theirs = spawning.Pipe()
    daemon = spawning.Process(target=_tell_where, args=(theirs,), daemon=True)
    daemon.start()
    theirs.close()
    assert ours.recv() == daemon.pid
    daemon.join()


def _tell_where(pipe: Connection) -> None:
    allow()
    pipe.send(where(LONG))


@pytest.mark.usefixtures("as_server")
def test_only_long_texts_go_elsewhere() -> None:
    """The way costs more than a short text does."""
    assert where("short") == os.getpid()
    assert where(LONG) != os.getpid()
    assert where(text=LONG) != os.getpid()


@pytest.mark.usefixtures("as_server")
@pytest.mark.parametrize(
    ("function", "texts"),
    [
        (words_changed, (LONG, LONG.replace("bends", "rests"))),
        (difference, (LONG, LONG.replace("bends", "rests"))),
        (merge, (LONG, f"Fry.\n{LONG}", f"{LONG}\nLeela.")),
        (_render, (f"# Title\n\n{LONG}",)),
    ],
)
def test_the_result_is_the_same(function: Callable[..., object], texts: tuple[str, ...]) -> None:
    """Whatever the texts are worked on for, and of the same types."""
    here = function.__wrapped__(*texts)  # type: ignore[attr-defined]
    there = function(*texts)
    assert there == here
    assert type(there) is type(here)


@pytest.mark.usefixtures("as_server")
def test_errors_come_back() -> None:
    """What the function raises, the caller gets; the process goes on."""
    with pytest.raises(ValueError, match="Bender"):
        refuse(LONG)
    assert where(LONG) != os.getpid()


@pytest.mark.usefixtures("as_server")
def test_many_at_once_take_turns() -> None:
    """More callers than processes."""
    with ThreadPoolExecutor(4 * PROCESSES) as callers:
        pids = set(callers.map(where, [LONG] * 20))
    assert os.getpid() not in pids
    assert len(pids) <= PROCESSES


@pytest.mark.usefixtures("as_server")
def test_a_process_that_dies_costs_nothing_but_time() -> None:
    """Its work is done here, and the next long text has a new process."""
    assert die(LONG) == "done here"
    assert where(LONG) != os.getpid()


@pytest.mark.usefixtures("as_server")
def test_what_takes_too_long_is_ended() -> None:
    """In whatever it is; the next text has a new process, and as long as any."""
    before = where(LONG)
    with pytest.raises(TooSlow):
        never_end(LONG)
    after = where_in_time(LONG)
    assert after not in {before, os.getpid()}
    assert where(LONG) == after


def test_no_process_is_left_behind() -> None:
    """However the server ends, those beside it end, too."""
    asks = (
        "from collab.tests.test_elsewhere import LONG, allow, where\n"
        "if __name__ == '__main__':\n"
        "    allow()\n"
        "    print(where(LONG), flush=True)\n"
        "    input()\n"
    )
    server = subprocess.Popen(
        [sys.executable, "-c", asks],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "project.settings"},
    )
    assert server.stdout is not None
    assert int(server.stdout.readline()) != server.pid
    server.kill()
    # The process beside has the same output; it ends when both have let it go.
    rest, _ = server.communicate(timeout=20)
    assert rest == b""
