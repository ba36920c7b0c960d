"""A figure as plotly's own JSON, with names in place of colours, so that any theme can dress it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

DASHES = ("solid", "dash", "dot")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "cross")
NUM_SERIES = 9


@dataclass(frozen=True)
class View:
    """One way to look at a figure.

    Attributes:
        data: traces.
        layout: besides what all figures have.
    """

    data: list[Json]
    layout: Json


@dataclass(frozen=True)
class Figure:
    """A figure of the report.

    Attributes:
        name: of its file and place in the page.
        title: what it shows.
        caption: what to read from it, in words; who cannot see the figure has this.
        views: by the words that choose them, such as what the x axis counts; the first is shown.
        height: in pixels.
    """

    name: str
    title: str
    caption: str
    views: Mapping[str, View]
    height: int = 400


@dataclass(frozen=True)
class Absent:
    """A figure that would mislead or has nothing to show, and why."""

    name: str
    title: str
    reason: str


def rounded(values: Iterable[float]) -> list[float]:
    """Numbers to six digits, which is more than a figure shows."""
    return [float(f"{value:.6g}") for value in values]


def colour(index: int) -> str:
    """The name of a series' colour; of as many as can be told apart."""
    return f"@series{index % NUM_SERIES}"


def dash(index: int) -> str:
    """The stroke of a series, another where colours are used again."""
    return DASHES[index // NUM_SERIES % len(DASHES)]


def symbol(index: int) -> str:
    """The marker of a series."""
    return SYMBOLS[index % len(SYMBOLS)]


def axis(title: str, **more: Any) -> Json:  # noqa: ANN401 - plotly's own
    """An axis."""
    return {"title": {"text": title}, **more}


def log_axis(title: str, values: Sequence[float]) -> Json:
    """A logarithmic axis that shows all values, with few round numbers on it."""
    low, high = min(values), max(values)
    margin = 0.03 * max(math.log10(high / low), 0.3)
    extent = [math.log10(low) - margin, math.log10(high) + margin]
    ticks, texts = log_ticks(10 ** extent[0], 10 ** extent[1])
    if len(ticks) < 2:
        return axis(title, type="log", range=extent, nticks=6)
    return axis(title, type="log", range=extent, tickvals=ticks, ticktext=texts)


def shortened(name: str, most: int = 28) -> str:
    """A name that leaves room for what it names; the whole one is shown on hovering."""
    return name if len(name) <= most else f"{name[: most - 3]}..."


def log_ticks(low: float, high: float) -> tuple[list[float], list[str]]:
    """Powers of ten, and what lies between where they are few, from low to high."""
    steps: Sequence[int] = (1, 2, 5) if high / low < 1e4 else (1,)
    values = [
        step * 10.0**power
        for power in range(-15, 25)
        for step in steps
        if low * 0.999 <= step * 10.0**power <= high * 1.001
    ]
    return values, [_short(value) for value in values]


def _short(value: float) -> str:
    """A round number in few characters."""
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}" if value < 1e15 else f"{value:.0e}"
    return f"{value:g}"
