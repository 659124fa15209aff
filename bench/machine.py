"""The machine: its cores, its limits, and what a process has used of them."""

from __future__ import annotations

import gc
import os
import platform
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path

LIBRARIES = ("Django", "channels", "channels_redis", "daphne", "autobahn", "Twisted", "redis")
#: The kind of clock that counts what the scheduler gives (include/linux/posix-timers.h).
CPUCLOCK_SCHED = 2
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
#: Files that a process has open besides its sockets, generously.
OTHER_FILES = 256


def cores() -> tuple[int, int]:
    """The core for the server and the core for the client (one and the same
    where there is only one)."""
    available = sorted(os.sched_getaffinity(0))
    return available[0], available[-1]


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Run on one core; processes started meanwhile stay there."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def uncollected() -> Iterator[None]:
    """Let Python not look for garbage in this process, which for all that Django has loaded
    takes a tenth of a second: the client would read late, and a server seem slow."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


def allow_open_files(sockets: int) -> None:
    """Raise the limit of open files, for this process (which holds the sockets of
    all three ways) and those it starts.

    Raises:
        SystemExit: the system does not allow as many.
    """
    needed = 3 * sockets + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise SystemExit(f"{sockets} sockets need 'ulimit -Hn {needed}'; it is {hard}.")
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def cpu_seconds(pid: int) -> float:
    """CPU time that all threads of a process have used so far, in seconds, to the
    nanosecond: by the process's own clock (clock_getcpuclockid(3), whose name for it on
    Linux this is), where proc(5) has hundredths.

    Raises:
        OSError: there is no such process any more.
    """
    return time.clock_gettime((~pid << 3) | CPUCLOCK_SCHED)


def family_seconds(pid: int) -> float:
    """The same of a process and its children, those included that have ended (cutime and
    cstime)."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    seconds = 0.0
    for child in map(int, children):
        with suppress(OSError):  # it is among those by now
            seconds += cpu_seconds(child)
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ended = sum(int(field) for field in fields[13:15]) / TICKS_PER_SECOND
    return seconds + cpu_seconds(pid) + ended


def memory_bytes(pid: int) -> int:
    """What a process has in memory (VmRSS, proc(5)), in bytes."""
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


def description() -> list[str]:
    """The machine and what runs on it, one fact per line."""
    server, client = cores()
    model = "unknown CPU"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return [
        f"{os.cpu_count()} cores, {model}; servers on core {server}, client and Redis on {client}",
        f"Linux {platform.release()}, Python {platform.python_version()}, {libraries}",
    ]
