"""Line charts drawn on the server as SVG: no script, no style, and the same numbers stand in a table beside them."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, log10

WIDTH, HEIGHT = 480, 220
LEFT, RIGHT, TOP, BOTTOM = 44, 24, 26, 28


@dataclass(frozen=True, slots=True)
class Line:
    """One series: its points in drawing units, the path through those that exist, and its label in the key."""

    nr: int
    label: str
    path: str
    dots: list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart ready to draw: title (states what is shown), unit, lines, ticks as (position, word)."""

    title: str
    unit: str
    lines: list[Line]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT


def percent_chart(title: str, unit: str, days: list[str], series: list[tuple[str, list[float | None]]]) -> Chart | None:
    """Shares (0.05 is 5 %) by day, y from 0; None when no series has two points, because a line needs two."""
    values = [v for _, points in series for v in points if v is not None]
    if not any(sum(v is not None for v in points) >= 2 for _, points in series):
        return None
    step = _step(max(values) * 100)
    top = step * max(1, ceil(max(values) * 100 / step))
    across = (WIDTH - LEFT - RIGHT) / max(1, len(days) - 1)

    def place(n: int, value: float) -> tuple[float, float]:
        return round(LEFT + n * across, 1), round(_y(100 * value, top), 1)

    lines = []
    for nr, (label, points) in enumerate(series, 1):
        dots = [place(n, v) for n, v in enumerate(points) if v is not None]
        if dots:
            path = "M" + "L".join(f"{x} {y}" for x, y in dots)
            lines.append(Line(nr, label, path, dots))
    every = ceil(len(days) / 6)
    x_ticks = [(round(LEFT + n * across, 1), d) for n, d in enumerate(days) if (len(days) - 1 - n) % every == 0]
    y_ticks = [(round(_y(n * step, top), 1), f"{n * step:g}") for n in range(round(top / step) + 1)]
    return Chart(title, unit, lines, x_ticks, y_ticks)


def _y(percent: float, top: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - percent / top)


def _step(highest: float) -> float:
    """A round step that gives about four ticks."""
    if highest <= 0:
        return 1
    rough = highest / 4
    size = 10.0 ** floor(log10(rough))
    return float(next(n * size for n in (1, 2, 2.5, 5, 10) if n * size >= rough))
