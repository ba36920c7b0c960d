"""The differences to the base with their intervals, and every seed's own difference."""

from __future__ import annotations

from lmtune.analysis.experiment import Experiment
from lmtune.analysis.figures.figure import (
    Absent,
    Figure,
    Json,
    View,
    axis,
    rounded,
    shortened,
)
from lmtune.analysis.formats import (
    difference_decimals,
    format_difference,
    format_difference_interval,
)
from lmtune.analysis.statistics import CONFIDENCE, Comparison, Verdict
from lmtune.analysis.summary import VariantSummary

NAME, TITLE = "differences", "Differences to the base"

_MARKS: dict[Verdict, tuple[str, str]] = {
    "better": ("@better", "diamond"),
    "worse": ("@worse", "square"),
    "within noise": ("@noise", "circle"),
    "too few seeds": ("@noise", "circle-open"),
}

ROW_PX = 38

_ZERO: Json = {
    "type": "scatter",
    "mode": "markers",
    "x": [0],
    "y": [0],
    "marker": {"opacity": 0},
    "hoverinfo": "skip",
}
"""What nobody sees, but keeps 0 in the picture."""


def forest(experiment: Experiment) -> Figure | Absent:
    """The forest plot; absent where nothing is compared."""
    base = experiment.summary.variants[0]
    rows = [(each, each.comparison) for each in experiment.summary.variants[1:]]
    shown = [(each, found) for each, found in rows if found and found.difference.n]
    if not shown:
        return Absent(NAME, TITLE, "no variant has been compared with the base")
    better = "lower" if experiment.sweep.metric.goal == "minimize" else "higher"
    left_out = [each.variant.name for each, found in rows if not found or not found.difference.n]
    without = f" Without a difference: {', '.join(left_out)}." if left_out else ""
    caption = (
        f"{experiment.metric} of each variant minus that of {base.variant.name}; {better} is "
        f"better. Large marks are means with their {CONFIDENCE:.0%} intervals, small ones single "
        "seeds. An interval that crosses 0 leaves open whether there is a difference; colours are "
        "those of the verdicts, which allow for all comparisons together and so ask for more than "
        f"an interval clear of 0.{without}"
    )
    return Figure(
        NAME,
        TITLE,
        caption,
        {"": View(_traces(base, shown), _layout(experiment, shown))},
        height=90 + ROW_PX * len(shown),
    )


def _traces(base: VariantSummary, shown: list[tuple[VariantSummary, Comparison]]) -> list[Json]:
    seeds: Json = {
        "type": "scatter",
        "mode": "markers",
        "x": [],
        "y": [],
        "text": [],
        "marker": {"size": 6, "color": "@line", "symbol": "circle-open"},
        "hovertemplate": "%{text}: %{x:+.5g}<extra></extra>",
        "name": "one seed",
    }
    for row, (each, _) in enumerate(shown):
        for seed, difference in sorted(_differences(base, each).items()):
            seeds["x"].append(float(f"{difference:.6g}"))
            seeds["y"].append(row + 0.24)
            seeds["text"].append(f"{each.variant.name}, seed {seed}")
    decimals = difference_decimals(found for _, found in shown)
    means = [_mean_trace(row, *each, decimals) for row, each in enumerate(shown)]
    return [_ZERO, seeds, *means]


def _differences(base: VariantSummary, other: VariantSummary) -> dict[int, float]:
    first = base.answer.values if base.answer else {}
    second = other.answer.values if other.answer else {}
    return {seed: second[seed] - first[seed] for seed in first.keys() & second.keys()}


def _mean_trace(row: int, variant: VariantSummary, found: Comparison, decimals: int) -> Json:
    colour, symbol = _MARKS.get(found.verdict, ("@noise", "circle"))
    difference, interval = found.difference, found.difference.interval
    half_width = (interval.high - interval.low) / 2 if interval else 0.0
    text = (
        f"{variant.variant.name}: {format_difference(difference.mean, decimals)} "
        f"{format_difference_interval(interval, decimals)}, {found.verdict}"
    )
    return {
        "type": "scatter",
        "mode": "markers",
        "x": rounded([difference.mean]),
        "y": [row],
        "error_x": {
            "type": "data",
            "array": rounded([half_width]),
            "color": colour,
            "thickness": 2,
            "width": 5,
        },
        "marker": {"size": 11, "color": colour, "symbol": symbol},
        "text": [text],
        "hovertemplate": "%{text}<extra></extra>",
        "name": variant.variant.name,
    }


def _layout(experiment: Experiment, shown: list[tuple[VariantSummary, Comparison]]) -> Json:
    base = experiment.summary.variants[0].variant.name
    return {
        "showlegend": False,
        "xaxis": axis(
            f"difference in {experiment.metric} to {shortened(base)}",
            zeroline=True,
            zerolinecolor="@text",
            zerolinewidth=1,
        ),
        "yaxis": {
            "tickmode": "array",
            "tickvals": list(range(len(shown))),
            "ticktext": [shortened(each.variant.name) for each, _ in shown],
            "range": [len(shown) - 0.5, -0.5],
            "showgrid": False,
            "zeroline": False,
            "ticks": "",
        },
    }
