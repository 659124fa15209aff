"""A line chart as SVG: logarithmic axes, one line per series, no library."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 64, 616, 48, 304
#: Legible on white and on dark grey, and told apart without colours by their dots.
COLOURS = ("#2f6fde", "#c2571a", "#3b8a3e")
INK = "#7a7a7a"
SVG = "http://www.w3.org/2000/svg"

Line = Sequence[tuple[float, float]]


def chart(title: str, across: str, up: str, lines: Mapping[str, Line]) -> str:
    """Draw it.

    Args:
        title: what it shows.
        across: what the horizontal axis counts.
        up: what the vertical axis measures, with its unit.
        lines: by name, points with positive coordinates.

    Returns:
        An SVG document.
    """
    points = [point for line in lines.values() for point in line]
    x = _axis([at for at, _ in points], LEFT, RIGHT)
    y = _axis([value for _, value in points], BOTTOM, TOP)
    drawn_with = f'font-family="sans-serif" font-size="12" fill="{INK}"'
    parts = [
        f'<svg xmlns="{SVG}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" {drawn_with}>',
        f"<title>{escape(title)}</title>",
        f'<text x="{LEFT}" y="20" font-size="15" font-weight="bold">{escape(title)}</text>',
        f'<text x="{LEFT}" y="38">{escape(up)}</text>',
        f'<text x="{RIGHT}" y="{BOTTOM + 34}" text-anchor="end">{escape(across)}</text>',
    ]
    for value, at in x.ticks:
        parts.append(_rule(at, TOP, at, BOTTOM))
        parts.append(f'<text x="{at:.0f}" y="{BOTTOM + 17}" text-anchor="middle">{value:,g}</text>')
    for value, at in y.ticks:
        parts.append(_rule(LEFT, at, RIGHT, at))
        parts.append(f'<text x="{LEFT - 8}" y="{at + 4:.0f}" text-anchor="end">{value:,g}</text>')
    for number, (name, line) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        placed = [(x.place(at), y.place(value)) for at, value in line]
        parts += _line(placed, colour)
        left, low = LEFT + number * 190, BOTTOM + 50
        parts.append(f'<circle cx="{left + 4}" cy="{low - 4}" r="4" fill="{colour}"/>')
        parts.append(f'<text x="{left + 14}" y="{low}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


class Axis:
    """A logarithmic axis over whole decades.

    Args:
        low, high: exponents of ten at its ends.
        start, end: the same on the drawing.
    """

    def __init__(self, low: int, high: int, start: float, end: float) -> None:
        self._low, self._high = low, high
        self._start, self._end = start, end

    def place(self, value: float) -> float:
        """Where a value is on the drawing."""
        share = (math.log10(value) - self._low) / (self._high - self._low)
        return self._start + share * (self._end - self._start)

    @property
    def ticks(self) -> list[tuple[float, float]]:
        """The decades and their places."""
        values = [10.0**exponent for exponent in range(self._low, self._high + 1)]
        return [(value, self.place(value)) for value in values]


def _axis(values: Sequence[float], start: float, end: float) -> Axis:
    low = math.floor(math.log10(min(values)))
    return Axis(low, max(low + 1, math.ceil(math.log10(max(values)))), start, end)


def _rule(x1: float, y1: float, x2: float, y2: float) -> str:
    where = f'x1="{x1:.0f}" y1="{y1:.0f}" x2="{x2:.0f}" y2="{y2:.0f}"'
    return f'<line {where} stroke="{INK}" stroke-opacity="0.25"/>'


def _line(placed: Line, colour: str) -> list[str]:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
    drawn = [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>']
    drawn += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>' for x, y in placed]
    return drawn
