"""Long work on texts, in processes of its own.

Comparing or rendering 200 KB keeps a processor busy for up to a second, and
Python runs one thread at a time: all other requests of the process, and every
push, would wait in between. So a function that is marked :func:`elsewhere` runs in
a process beside, whenever its texts are long. It is the same function with the
same result; only its arguments and its result must be things that can be pickled.

Only a server has such processes (:func:`allow`, called by ``project/asgi.py`` and
``wsgi.py``); everything else, a command for instance, does the work itself.
They are started when they are first needed, and end with the server, however that
ends: their pipe closes. What one is working on then, it finishes. If one cannot be
started, or dies, the work is done here.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, ParamSpec, TypeVar

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

#: From this many characters on (some 10 ms of rendering) the way is worth it: it
#: costs half a millisecond.
LONG_CHARACTERS = 5_000
#: So many at once at most; who comes later waits. Each takes some 40 MB of memory.
MOST_PROCESSES = 2
#: Half of the cores stay free of them: a niced process still fills the caches, and
#: delays whoever wakes up beside it.
PROCESSES = max(1, min(MOST_PROCESSES, (os.cpu_count() or 1) // 2))
#: Pages and pushes go first where they share a processor (see nice(2)).
NICENESS = 10

#: A function, its arguments, and those by name.
Task = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


def elsewhere(function: Callable[P, T]) -> Callable[P, T]:
    """Mark a function of a module, whose arguments are texts."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        given = (*args, *kwargs.values())
        length = sum(len(one) for one in given if isinstance(one, str))
        if not _is_allowed or length < LONG_CHARACTERS:
            return function(*args, **kwargs)
        try:
            done, answer = _ask((run, args, kwargs))
        except (OSError, EOFError):
            logger.exception("a process for long texts is lost; this one works for it")
            return function(*args, **kwargs)
        if not done:
            raise answer
        result: T = answer
        return result

    return run


def allow() -> None:
    """From now on, long texts are worked on in processes beside this one. A process
    that may not have any of its own (a daemon of multiprocessing) goes on alone."""
    global _is_allowed
    _is_allowed = not multiprocessing.current_process().daemon


_is_allowed = False
_free: list[_Process] = []
_turn = threading.BoundedSemaphore(PROCESSES)


class _Process:
    """A process that works, and this side of the pipe to it."""

    def __init__(self) -> None:
        # Not forked: a fork would have only one of this process's threads, and
        # whatever locks the others hold.
        spawning = multiprocessing.get_context("spawn")
        self.pipe, theirs = spawning.Pipe()
        process = spawning.Process(target=_work, args=(theirs,), daemon=True, name="texts")
        process.start()
        theirs.close()  # so that the end of the process ends the pipe


def _ask(task: Task) -> tuple[bool, Any]:
    """Have a task done beside.

    Returns:
        Whether it was done, and its result or the exception it raised.

    Raises:
        OSError, EOFError: there is no process, or it died.
    """
    with _turn:
        try:
            process = _free.pop()
        except IndexError:
            process = _Process()
        process.pipe.send(task)
        answer: tuple[bool, Any] = process.pipe.recv()
        _free.append(process)  # one that died is forgotten instead
        return answer


def _work(pipe: Connection) -> None:
    """Do task after task, in the process beside."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server
    os.nice(NICENESS)
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:  # until the server has gone
            function, args, kwargs = pipe.recv()
            try:
                answer = True, function(*args, **kwargs)
            except Exception as error:  # whatever it is, it belongs to who asked
                answer = False, error
            pipe.send(answer)
