"""Many who want one pen, at the moment it becomes free."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from e2e.conftest import both_stacks
from e2e.lengths import length
from e2e.stack import ROOT, Stack

PROCESSES = 4
ROUNDS = length(20, full=100)
#: The lease ends in a moment, when all are trying already.
NEARLY_OVER = {
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f', 'now', '+0.05 seconds')",
    "cluster": "now() + interval '0.05 seconds'",
}


@contextmanager
def takers(stack: Stack) -> Iterator[Callable[[int, int], list[int | None]]]:
    """Forty takers in four processes; calling it gives what each of them got."""
    with ExitStack() as later:
        processes = [
            later.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", "e2e.drills.takers"],
                    env={**stack.env, "DJANGO_SETTINGS_MODULE": "project.settings"},
                    cwd=ROOT,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for _ in range(PROCESSES)
        ]

        def race(document: int, fence: int) -> list[int | None]:
            for process in processes:
                assert process.stdin
                process.stdin.write(f"{document} {fence}\n")
                process.stdin.flush()
            answers = [process.stdout.readline() for process in processes if process.stdout]
            return [taken for answer in answers for taken in json.loads(answer)]

        yield race
        for process in processes:
            assert process.stdin
            process.stdin.close()


@both_stacks
def test_forty_takers_at_the_moment_of_expiry(stack: Stack, written: Callable[..., int]) -> None:
    """Four processes with ten connections each, beside servers that sweep.

    Pass: in every round exactly one of them has the pen, and the fence has gone up
    by exactly one.
    """
    document = written()
    kind = "cluster" if stack.database_url else "sqlite"
    ends = f"UPDATE collab_document SET expires_at = {NEARLY_OVER[kind]} WHERE id = %s"
    now = "SELECT fence, holder_id IS NOT NULL FROM collab_document WHERE id = %s"
    with takers(stack) as race:
        for fence in range(ROUNDS):
            taken = [one for one in race(document, fence) if one is not None]
            assert taken == [fence + 1]
            assert [(int(f), bool(held)) for f, held in stack.sql(now, document)] == [
                (fence + 1, True)
            ]
            stack.sql(ends, document)
