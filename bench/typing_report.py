"""The figures of many people typing at once, for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from .figures import Times, table
from .results import Section

#: The promise: a draft is kept within this time, 99 times of 100.
TARGET_MS = 100.0
Figure = Callable[[Times], float]
ROWS: Sequence[tuple[str, Figure]] = (
    ("p50, ms", lambda times: times.p50_ms),
    ("p99, ms", lambda times: times.p99_ms),
    ("server CPU per answer, ms", lambda times: times.cpu_ms),
)


def section(writers: int, results: Mapping[str, Mapping[str, Times]]) -> Section:
    """The figures of all databases.

    Args:
        writers: how many typed.
        results: by database, what :func:`bench.editing.measure` returns.
    """
    head = ("", "draft", "smallest answer", "bare UPDATE", "draft / smallest", "draft / UPDATE")
    rows: list[tuple[str, ...]] = [head]
    for database, result in results.items():
        rows += (_row(f"{database}: {title}", figure, result) for title, figure in ROWS)
    kept = " and ".join(f"{len(found['drafts'].waits):,}" for found in results.values())
    failures = [
        f"a draft on {database} within {found['drafts'].p99_ms:,.0f} ms (p99), not {TARGET_MS:.0f}"
        for database, found in results.items()
        if found["drafts"].p99_ms > TARGET_MS
    ]
    body = f"""{table(rows)}

- *draft*: each of {writers} signed-in people has an editor open, with its socket, and posts a text
  of 10 KB 0.4 to 2 s after the last time, changed, with its sequence; measured from when it
  was due. One process, `manage.py serve`. {kept} drafts; all were kept, the last of each person
  is what they typed last.
- *smallest answer*: the same people ask for `/healthz` as often.
- *bare UPDATE*: the same text straight into the table of drafts, from one connection, as often.
  PostgreSQL runs without waiting for the disk in both, SQLite as it is configured.
"""
    return Section(f"{writers} people type at once", body, failures)


def _row(title: str, figure: Figure, result: Mapping[str, Times]) -> tuple[str, ...]:
    draft, *others = (figure(result[name]) for name in ("drafts", "smallest", "update"))
    values = [f"{value:,.2f}" if value else "" for value in (draft, *others)]
    return (title, *values, *(f"{draft / other:.3g}" if other else "" for other in others))
