"""What a larger search would have bought: the expected best against trials and seconds."""

from __future__ import annotations

from statistics import fmean

from lmtune.analysis.expected_best import Goal, crossings, expected_best, expected_best_unbiased
from lmtune.analysis.experiment import Experiment
from lmtune.analysis.figures.figure import (
    Absent,
    Figure,
    Json,
    View,
    axis,
    colour,
    dash,
    rounded,
)
from lmtune.analysis.importance import NON_ADAPTIVE

NAME, TITLE = "expected_best", "Expected best of a search"

MIN_TRIALS = 4
"""Fewer values say nothing of how a best improves with their number."""


def expected_best_figure(experiment: Experiment) -> Figure | Absent:
    """A curve a variant; absent where its trials are not a fair sample of the space."""
    if not experiment.searched:
        return Absent(NAME, TITLE, "nothing was searched")
    if experiment.sweep.method not in NON_ADAPTIVE:
        reason = f"the search was adaptive ({experiment.sweep.method}): later trials are no sample"
        return Absent(NAME, TITLE, reason)
    stopped = [
        each.variant.name
        for each in experiment.searched
        if experiment.tuned(each.variant.name, "stopped")
    ]
    names = [each.variant.name for each in experiment.summary.variants]
    curves = {}
    for name in (
        each.variant.name for each in experiment.searched if each.variant.name not in stopped
    ):
        found = experiment.completed_values(name)
        if len(found) >= MIN_TRIALS:
            mean_s = fmean(record.last.elapsed_s for record, _ in found if record.last)
            curves[name] = ([value for _, value in found], mean_s)
    if not curves:
        return Absent(NAME, TITLE, _reason(stopped))
    goal = experiment.sweep.metric.goal
    views = {
        word: View(
            [
                trace
                for name, (values, mean_s) in curves.items()
                for trace in _traces(
                    names.index(name), name, values, mean_s if word == "seconds" else 1, goal
                )
            ],
            {"xaxis": axis(title), "yaxis": axis(f"expected best {experiment.metric}")},
        )
        for word, title in (
            ("trials", "trials of the search"),
            ("seconds", "seconds of training, one trial after the other"),
        )
    }
    caption = (
        f"What the best of n tune trials is expected to be, in the search's own {experiment.metric}"
        ", which flatters; dotted: the same without replacement, unbiased. Never beyond the trials "
        f"that were made. {_crossing(curves, names[0], goal)}"
    )
    return Figure(NAME, TITLE, caption.rstrip(), views)


def _reason(stopped: list[str]) -> str:
    if stopped:
        return (
            "trials were stopped early, and those that were not are no sample of the space; "
            "without early_terminate this would be drawn"
        )
    return f"fewer than {MIN_TRIALS} tune trials of a variant completed"


def _traces(number: int, name: str, values: list[float], unit: float, goal: Goal) -> list[Json]:
    x = rounded(unit * n for n in range(1, len(values) + 1))
    plug_in = expected_best(values, goal)
    unbiased = expected_best_unbiased(values, goal)
    return [
        {
            "type": "scatter",
            "mode": "lines",
            "x": x,
            "y": rounded(y),
            "line": {"color": colour(number), "width": width, "dash": stroke},
            "name": name,
            "legendgroup": name,
            "showlegend": is_main,
            "hovertemplate": f"%{{y:.5g}} after %{{x:.4~s}}<extra>{name}</extra>",
        }
        for y, width, stroke, is_main in (
            (plug_in, 2.5, dash(number), True),
            (unbiased, 1, "dot", False),
        )
    ]


def _crossing(curves: dict[str, tuple[list[float], float]], base: str, goal: Goal) -> str:
    """Where the lead changes between the base and another variant."""
    if base not in curves:
        return ""
    lead = expected_best(curves[base][0], goal)
    said = []
    for name, (values, _) in curves.items():
        found = crossings(lead, expected_best(values, goal), goal) if name != base else []
        if found:
            said.append(f"{name} and {base} change places at {', '.join(map(str, found))} trials")
    return f"{'; '.join(said)}." if said else ""
