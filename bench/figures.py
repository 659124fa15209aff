"""Figures, and how people read them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Times:
    """What was waited for answers, in seconds, and the server's CPU meanwhile."""

    waits: Sequence[float]
    cpu: float = 0.0

    @property
    def p50_ms(self) -> float:
        return quantile(self.waits, 0.5) * 1e3

    @property
    def p99_ms(self) -> float:
        return quantile(self.waits, 0.99) * 1e3

    @property
    def cpu_ms(self) -> float:
        """CPU per answer."""
        return self.cpu / len(self.waits) * 1e3


def table(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table that is legible as it stands. The first row is its head, the
    first column has words."""
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    head, *body = rows
    return "\n".join(_line(row, widths) for row in (head, rule, *body))


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
    return " | ".join(["| " + row[0].ljust(widths[0]), *cells[1:]]) + " |"


def quantile(values: Sequence[float], share: float) -> float:
    """The least of ``values`` that ``share`` of them do not exceed."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)]
