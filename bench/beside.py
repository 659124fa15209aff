"""A pen that passes on in a process beside: a web worker's, as in production.

In the client's own process the thread that tells of the change would wait for the
thread that reads the sockets.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import NamedTuple

import django


class Moments(NamedTuple):
    """When a change began, and when it was committed and announced; both of
    ``time.perf_counter``, which all processes of a machine share."""

    began: float
    announced: float


class PenBeside:
    """The pen in the process beside."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def pass_on(self) -> None:
        """Let it go to the next; returns at once."""
        self._pipe.send(True)

    def moments(self) -> Moments:
        """Of the oldest change not asked for yet; waits for it."""
        moments: Moments = self._pipe.recv()
        return moments


@contextmanager
def pen_beside(document: int) -> Iterator[PenBeside]:
    """Run the process; it gives the pen back at the end. Those who can edit have the
    pen in turn, see :class:`bench.workspace.Pen`."""
    spawning = multiprocessing.get_context("spawn")
    mine, its = spawning.Pipe()
    process = spawning.Process(target=_serve, args=(its, document))
    process.start()
    its.close()  # so that its end is noticed here
    try:
        mine.recv()  # it is ready
        yield PenBeside(mine)
        mine.send(False)
    finally:
        mine.close()
        process.join()


def _serve(pipe: Connection, document: int) -> None:
    django.setup()
    # Its models can be imported only now.
    from .workspace import Pen, Workspace, editors

    pen = Pen(Workspace([], editors(), document))
    pipe.send(True)
    while pipe.recv():
        began = time.perf_counter()
        pen.pass_on()
        pipe.send(Moments(began, pen.announced))
    pen.put_down()
