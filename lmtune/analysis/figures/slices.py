"""Each searched parameter by itself: every tuned trial, and the best of each part of the range."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence

from lmtune.analysis.experiment import Experiment
from lmtune.analysis.figures.figure import (
    Absent,
    Figure,
    Json,
    View,
    axis,
    colour,
    dash,
    log_axis,
    rounded,
    symbol,
)
from lmtune.analysis.ranges import EDGE, range_position
from lmtune.spec.search import Distribution, FloatRange, IntRange, QuantizedRange
from lmtune.spec.trial import Scalar

NAME, TITLE = "slices", "Searched parameters one by one"

NUM_PARTS = 5
"""Parts of a range whose best trials are joined."""

Point = tuple[Scalar, float]


def slices(experiment: Experiment) -> Figure | Absent:
    """A view a parameter; absent where nothing was searched."""
    paths = dict.fromkeys(path for each in experiment.searched for path in each.variant.parameters)
    views = {path: view for path in paths if (view := _view(experiment, path)) is not None}
    if not views:
        reason = "no tune trial has completed" if paths else "nothing was searched"
        return Absent(NAME, TITLE, reason)
    caption = (
        f"{experiment.metric} of the tune trials at full budget. A line joins the best of each "
        f"fifth of the range, which is what tuning the others leaves of a parameter; a ring is the "
        f"configuration that was confirmed. A best value in a shaded part, the outer {EDGE:.0%} of "
        "the range, asks for a wider one. Ticks at the top are trials that were stopped or "
        "diverged, where they were."
    )
    return Figure(NAME, TITLE, caption, views, height=430)


def _view(experiment: Experiment, path: str) -> View | None:
    data: list[Json] = []
    distributions: list[Distribution] = []
    for number, each in enumerate(experiment.summary.variants):
        distribution = each.variant.parameters.get(path)
        if distribution is None:
            continue
        name = each.variant.name
        points: list[Point] = [
            (record.spec.parameters[path], value)
            for record, value in experiment.completed_values(name)
            if path in record.spec.parameters
        ]
        if points:
            distributions.append(distribution)
            data += _traces(experiment, number, name, distribution, points)
            if each.answer and path in each.answer.parameters:
                chosen = each.answer.parameters[path]
                data += _ring(number, name, [(x, y) for x, y in points if x == chosen])
    if not data:
        return None
    layout: Json = {
        "xaxis": _x_axis(path, distributions),
        "yaxis": axis(experiment.metric),
        "yaxis2": {"overlaying": "y", "range": [0, 1.03], "visible": False, "fixedrange": True},
        "shapes": list(_edges(distributions)),
    }
    data.append(_lost(experiment, path))
    return View(data, layout)


def _traces(
    experiment: Experiment,
    number: int,
    name: str,
    distribution: Distribution,
    points: Sequence[Point],
) -> Iterator[Json]:
    yield {
        "type": "scatter",
        "mode": "markers",
        "x": [_shown(x) for x, _ in points],
        "y": rounded(y for _, y in points),
        "marker": {"size": 7, "color": colour(number), "symbol": symbol(number), "opacity": 0.75},
        "name": name,
        "legendgroup": name,
        "hovertemplate": f"{experiment.metric} %{{y:.5g}} at %{{x}}<extra>{name}</extra>",
    }
    best, counts = best_of_parts(
        distribution, points, sign=1 if experiment.sweep.metric.goal == "minimize" else -1
    )
    yield {
        "type": "scatter",
        "mode": "lines",
        "x": [_shown(x) for x, _ in best],
        "y": rounded(y for _, y in best),
        "text": [f"best of {n}" for n in counts],
        "line": {"color": colour(number), "width": 1.5, "dash": dash(number)},
        "name": name,
        "legendgroup": name,
        "showlegend": False,
        "hovertemplate": f"%{{text}}<extra>{name}</extra>",
    }


def best_of_parts(
    distribution: Distribution, points: Sequence[Point], sign: int
) -> tuple[list[Point], list[int]]:
    """The best point of each part of a range, in order, and how many it is the best of.

    Args:
        distribution: a range is cut into `NUM_PARTS` on its own scale; else each value is a part.
        points: values with their metric.
        sign: 1 where lower is better, -1 where higher is.
    """
    parts: defaultdict[int, list[Point]] = defaultdict(list)
    values = list(dict.fromkeys(x for x, _ in points))
    for point in points:
        position = range_position(distribution, point[0])
        if position is None:
            parts[values.index(point[0])].append(point)
        else:
            parts[min(NUM_PARTS - 1, math.floor(position * NUM_PARTS))].append(point)
    ordered = [parts[number] for number in sorted(parts)]
    return [min(part, key=lambda each: sign * each[1]) for part in ordered], list(map(len, ordered))


def _ring(number: int, name: str, points: Sequence[Point]) -> list[Json]:
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "x": [_shown(x)],
            "y": rounded([y]),
            "marker": {
                "size": 15,
                "color": "rgba(0,0,0,0)",
                "line": {"color": colour(number), "width": 2},
            },
            "name": f"{name}, confirmed",
            "legendgroup": name,
            "showlegend": False,
            "hovertemplate": f"confirmed<extra>{name}</extra>",
        }
        for x, y in points[:1]
    ]


def _lost(experiment: Experiment, path: str) -> Json:
    """Where the trials were that gave no number at full budget."""
    x, text = [], []
    for each in experiment.searched:
        for status in ("stopped", "diverged", "failed"):
            for record in experiment.tuned(each.variant.name, status):
                if path in record.spec.parameters:
                    x.append(_shown(record.spec.parameters[path]))
                    text.append(f"{each.variant.name}: {status}")
    return {
        "type": "scatter",
        "mode": "markers",
        "x": x,
        "y": [1.0] * len(x),
        "yaxis": "y2",
        "text": text,
        "marker": {"size": 8, "color": "@line", "symbol": "line-ns-open"},
        "name": "stopped or diverged",
        "hovertemplate": "%{text} at %{x}<extra></extra>",
    }


def _x_axis(path: str, distributions: Sequence[Distribution]) -> Json:
    ranges = _ranges(distributions)
    if not ranges:
        return axis(path, type="category")
    ends = [float(end) for each in ranges for end in (each.min, each.max)]
    is_log = all(each.is_logarithmic for each in ranges)
    return log_axis(path, ends) if is_log else axis(path)


def _ranges(
    distributions: Sequence[Distribution],
) -> list[FloatRange | IntRange | QuantizedRange]:
    return [
        each for each in distributions if isinstance(each, FloatRange | IntRange | QuantizedRange)
    ]


def _edges(distributions: Sequence[Distribution]) -> Iterator[Json]:
    """The outer parts of a range that all variants share."""
    ranges = _ranges(distributions)
    if not ranges or len({each.model_dump_json() for each in ranges}) > 1:
        return
    low, high = float(ranges[0].min), float(ranges[0].max)
    for share, end in ((EDGE, low), (1 - EDGE, high)):
        inner = (
            low * (high / low) ** share if ranges[0].is_logarithmic else low + share * (high - low)
        )
        yield {
            "type": "rect",
            "layer": "below",
            "x0": min(end, inner),
            "x1": max(end, inner),
            "yref": "paper",
            "y0": 0,
            "y1": 1,
            "fillcolor": "@edge",
            "line": {"width": 0},
        }


def _shown(value: Scalar) -> float | str:
    """A value as an axis takes it."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return str(value).lower() if isinstance(value, bool) else str(value)
    return float(f"{value:.6g}")
