"""The audit of early stopping: how well each rung foretold the end."""

from __future__ import annotations

from lmtune.analysis.asha_audit import MIN_TRIALS, rungs, savings
from lmtune.analysis.experiment import Experiment
from lmtune.analysis.figures.figure import (
    Absent,
    Figure,
    View,
    axis,
    colour,
    dash,
    rounded,
    symbol,
)

NAME, TITLE = "early_stopping", "Audit of early stopping"


def asha(experiment: Experiment) -> Figure | Absent:
    """Rank correlation of each rung with the final value, a line a variant."""
    if not experiment.searched:
        return Absent(NAME, TITLE, "nothing was searched")
    if experiment.sweep.early_terminate is None:
        return Absent(NAME, TITLE, "no trial was to be stopped early")
    spent = sum(each.spent for each in savings(experiment))
    without = sum(each.without for each in savings(experiment))
    stopped = sum(each.num_stopped for each in savings(experiment))
    saved = (
        f"Stopping {stopped} trials saved {1 - spent / without if without else 0:.0%} of the "
        "search's training FLOPs."
    )
    found = [each for each in rungs(experiment) if each.correlation is not None]
    if not found:
        reason = (
            f"{saved} Whether it stopped the right ones cannot be told: fewer than {MIN_TRIALS} "
            "trials of a variant finished"
        )
        return Absent(NAME, TITLE, reason)
    data = []
    for number, each in enumerate(experiment.summary.variants):
        own = [rung for rung in found if rung.variant == each.variant.name]
        if own:
            data.append(
                {
                    "type": "scatter",
                    "mode": "lines+markers",
                    "x": [rung.epoch for rung in own],
                    "y": rounded(rung.correlation or 0.0 for rung in own),
                    "text": [f"{rung.num_trials} trials" for rung in own],
                    "line": {"color": colour(number), "dash": dash(number), "width": 1.5},
                    "marker": {"size": 9, "symbol": symbol(number)},
                    "name": each.variant.name,
                    "hovertemplate": "%{y:.2f} at epoch %{x}, %{text}"
                    f"<extra>{each.variant.name}</extra>",
                }
            )
    epochs = sorted({rung.epoch for rung in found})
    layout = {
        "showlegend": True,
        "xaxis": axis("rung, in epochs", tickmode="array", tickvals=epochs),
        "yaxis": axis("rank correlation with the end", range=[-1.05, 1.05]),
    }
    caption = (
        f"{saved} Spearman's rank correlation of each rung with the final {experiment.metric}, of "
        "the trials that finished: 1 means that the rung knew the final order. Stopping chose "
        "these trials, which makes the correlation lower than it is among all."
    )
    return Figure(NAME, TITLE, caption, {"": View(data, layout)}, height=340)
