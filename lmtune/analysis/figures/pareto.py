"""What a better value costs: loss against parameters, FLOPs and time."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lmtune.analysis.confirmed import Configuration
from lmtune.analysis.experiment import Experiment
from lmtune.analysis.figures.figure import (
    Absent,
    Figure,
    Json,
    View,
    axis,
    colour,
    log_axis,
    rounded,
    symbol,
)
from lmtune.analysis.statistics import estimate

NAME, TITLE = "pareto", "Value against cost"

_COSTS: Mapping[str, tuple[str, Callable[[Configuration], float]]] = {
    "parameters": ("parameters", lambda found: found.facts.num_parameters),
    "FLOPs": ("training FLOPs of the whole run", lambda found: _flops(found)),
    "time": ("seconds of the whole run", lambda found: _seconds(found)),
}


def pareto(experiment: Experiment) -> Figure | Absent:
    """The variants' means against what they cost, with the front that none is behind."""
    shown = [
        (number, each.variant.name, each.answer)
        for number, each in enumerate(experiment.summary.variants)
        if each.answer and each.confirm.n and each.is_comparable
    ]
    if len(shown) < 2:
        return Absent(NAME, TITLE, "fewer than two variants compare")
    views = {}
    for word, (title, cost) in _COSTS.items():
        points = [(cost(answer), answer.confirm.mean) for _, _, answer in shown]
        marks = [
            _mark(number, name, answer, cost(answer), experiment.metric)
            for number, name, answer in shown
        ]
        costs = [x for x, _ in points]
        x = log_axis(title, costs) if min(costs) > 0 else axis(title)
        front = _front(points, sign=1 if experiment.sweep.metric.goal == "minimize" else -1)
        views[word] = View([front, *marks], {"xaxis": x, "yaxis": axis(experiment.metric)})
    caption = (
        f"Mean {experiment.metric} of each variant with its 95% interval. No variant is better and "
        "cheaper than one on the dotted line; differences along it may be within noise."
    )
    return Figure(NAME, TITLE, caption, views)


def _flops(found: Configuration) -> float:
    tokens = [trial.last.train_tokens for trial in found.trials if trial.last]
    return estimate(tokens).mean * found.facts.flops_per_token


def _seconds(found: Configuration) -> float:
    return estimate([trial.last.elapsed_s for trial in found.trials if trial.last]).mean


def _mark(number: int, name: str, answer: Configuration, cost: float, metric: str) -> Json:
    interval = answer.confirm.interval
    half_width = (interval.high - interval.low) / 2 if interval else 0.0
    return {
        "type": "scatter",
        "mode": "markers",
        "x": rounded([cost]),
        "y": rounded([answer.confirm.mean]),
        "error_y": {
            "type": "data",
            "array": rounded([half_width]),
            "color": colour(number),
            "thickness": 1.5,
            "width": 4,
        },
        "marker": {"size": 10, "color": colour(number), "symbol": symbol(number)},
        "name": name,
        "hovertemplate": f"{metric} %{{y:.5g}} at %{{x:.4~s}}<extra>{name}</extra>",
    }


def _front(points: list[tuple[float, float]], sign: int) -> Json:
    """The points that no other is better and cheaper than, by cost."""
    front: list[tuple[float, float]] = []
    for cost, value in sorted(points, key=lambda each: (each[0], sign * each[1])):
        if not front or sign * value < sign * front[-1][1]:
            front.append((cost, value))
    return {
        "type": "scatter",
        "mode": "lines",
        "x": rounded(cost for cost, _ in front),
        "y": rounded(value for _, value in front),
        "line": {"color": "@muted", "width": 1.5, "dash": "dot", "shape": "hv"},
        "name": "Pareto front",
        "hoverinfo": "skip",
    }
