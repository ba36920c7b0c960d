"""Learning curves of the confirm trials against tokens, FLOPs and seconds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from statistics import fmean

from lmtune.analysis.confirmed import Configuration, metric_value
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
from lmtune.records import TrialRecord
from lmtune.spec.result import Evaluation

NAME, TITLE = "curves", "Learning curves"

_Cost = Callable[[Configuration, Evaluation], float]
COSTS: Mapping[str, tuple[str, _Cost]] = {
    "tokens": ("training tokens", lambda _, row: row.train_tokens),
    "FLOPs": (
        "training FLOPs",
        lambda found, row: row.train_tokens * found.facts.flops_per_token,
    ),
    "seconds": ("seconds of training and evaluation", lambda _, row: row.elapsed_s),
}
"""What training costs, by the word that chooses it: the axis' title, and of an evaluation."""


def curves(experiment: Experiment) -> Figure | Absent:
    """A mean curve a variant, with a thin line for every seed."""
    answers = [
        (number, each.variant.name, each.answer)
        for number, each in enumerate(experiment.summary.variants)
        if each.answer and each.confirm.n
    ]
    if not answers:
        return Absent(NAME, TITLE, "no confirm trial has completed")
    views = {
        word: View(
            [
                trace
                for number, name, answer in answers
                for trace in _traces(experiment.metric, number, name, answer, cost)
            ],
            {"xaxis": axis(title, rangemode="tozero"), "yaxis": axis(experiment.metric)},
        )
        for word, (title, cost) in COSTS.items()
    }
    caption = (
        f"{experiment.metric} after each epoch of the confirm trials: thick lines are means over "
        "the seeds, thin lines single seeds. Variants that are ahead for the same tokens may be "
        "behind for the same time."
    )
    return Figure(NAME, TITLE, caption, views, height=440)


def _traces(
    metric: str, number: int, name: str, answer: Configuration, cost: _Cost
) -> Iterator[Json]:
    completed = [trial for trial in answer.trials if trial.status == "completed"]
    for trial in completed:
        yield _seed_trace(metric, number, name, answer, cost, trial)
    by_epoch: defaultdict[int, list[tuple[float, float]]] = defaultdict(list)
    for trial in completed:
        for row in trial.curve:
            value = metric_value(row, metric)
            if value is not None:
                by_epoch[row.epoch].append((cost(answer, row), value))
    points = [each for _, each in sorted(by_epoch.items()) if len(each) == len(completed)]
    yield {
        "type": "scatter",
        "mode": "lines+markers" if len(points) < 2 else "lines",
        "x": rounded(fmean(x for x, _ in each) for each in points),
        "y": rounded(fmean(y for _, y in each) for each in points),
        "line": {"color": colour(number), "width": 2.5, "dash": dash(number)},
        "name": name,
        "legendgroup": name,
        "hovertemplate": f"{metric} %{{y:.5g}} at %{{x:.4~s}}<extra>{name}</extra>",
    }


def _seed_trace(
    metric: str,
    number: int,
    name: str,
    answer: Configuration,
    cost: _Cost,
    trial: TrialRecord,
) -> Json:
    rows = [(row, value) for row in trial.curve if (value := metric_value(row, metric)) is not None]
    return {
        "type": "scatter",
        "mode": "lines",
        "x": rounded(cost(answer, row) for row, _ in rows),
        "y": rounded(value for _, value in rows),
        "line": {"color": colour(number), "width": 1, "dash": dash(number)},
        "opacity": 0.35,
        "name": f"{name}, seed {trial.spec.seed}",
        "legendgroup": name,
        "showlegend": False,
        "hovertemplate": f"%{{y:.5g}}<extra>{name}, seed {trial.spec.seed}</extra>",
    }
