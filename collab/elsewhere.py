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

Work that is marked :func:`within` has so many seconds of a processor. The process
that takes longer is ended by its system, in whatever it is doing, and the next long
text has a new one.
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

from .turns import let_pass

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

#: From this many characters on the way is worth it: it costs half a millisecond.
#: Ordinary Markdown of this length takes 5 ms, the worst that is known 100.
LONG_CHARACTERS = 2_000
#: So many at once at most; who comes later waits. Each takes some 40 MB of memory.
MOST_PROCESSES = 2
#: Half of the cores stay free of them: a niced process still fills the caches, and
#: delays whoever wakes up beside it.
PROCESSES = max(1, min(MOST_PROCESSES, (os.cpu_count() or 1) // 2))
#: Pages and pushes go first where they share a processor (see nice(2)).
NICENESS = 10

#: A function, its arguments, those by name, and how many seconds it has (0: all).
Task = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], float]


class TooSlow(Exception):
    """A text needs more work than its function may do."""


def elsewhere(function: Callable[P, T]) -> Callable[P, T]:
    """Mark a function of a module, whose arguments are texts. However long they are,
    it comes to an end in reasonable time by itself."""
    return within(0)(function)


def within(seconds: float) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Mark a function like :func:`elsewhere`, one that does not.

    Args:
        seconds: of a processor, that it has for one task; then the caller gets
            :exc:`TooSlow`. (Here, where short texts are worked on, nobody counts.)
    """

    def mark(function: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> T:
            given = (*args, *kwargs.values())
            length = sum(len(one) for one in given if isinstance(one, str))
            if not _is_allowed or length < LONG_CHARACTERS:
                return function(*args, **kwargs)
            try:
                done, answer = _ask((run, args, kwargs, seconds))
            except (OSError, EOFError):
                logger.exception("a process for long texts is lost; this one works for it")
                return function(*args, **kwargs)
            let_pass()  # while this one waited, they have begun
            if not done:
                raise answer
            result: T = answer
            return result

        return run

    return mark


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
        self._process = spawning.Process(target=_work, args=(theirs,), daemon=True, name="texts")
        self._process.start()
        theirs.close()  # so that the end of the process ends the pipe

    def do(self, task: Task) -> tuple[bool, Any]:
        """See :func:`_ask`."""
        self.pipe.send(task)
        try:
            answer: tuple[bool, Any] = self.pipe.recv()
        except (OSError, EOFError):
            self._process.join()
            if self._process.exitcode == -signal.SIGPROF:
                logger.warning("a text took longer than %s s: given up", task[-1])
                raise TooSlow from None
            raise
        return answer


def _ask(task: Task) -> tuple[bool, Any]:
    """Have a task done beside.

    Returns:
        Whether it was done, and its result or the exception it raised.

    Raises:
        TooSlow: it took longer than it may.
        OSError, EOFError: there is no process, or it died.
    """
    with _turn:
        try:
            process = _free.pop()
        except IndexError:
            process = _Process()
        answer = process.do(task)
        _free.append(process)  # one that died is forgotten instead
        return answer


def _work(pipe: Connection) -> None:
    """Do task after task, in the process beside."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server
    os.nice(NICENESS)
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:  # until the server has gone
            function, args, kwargs, seconds = pipe.recv()
            # Nobody handles this signal, so it ends the process (see setitimer(2)); a
            # handler in Python would wait for whatever C code takes the time.
            signal.setitimer(signal.ITIMER_PROF, seconds)
            try:
                answer = True, function(*args, **kwargs)
            except Exception as error:  # whatever it is, it belongs to who asked
                answer = False, error
            signal.setitimer(signal.ITIMER_PROF, 0)
            pipe.send(answer)
