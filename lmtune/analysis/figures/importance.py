"""Which searched parameters mattered, as bars."""

from __future__ import annotations

from lmtune.analysis.experiment import Experiment
from lmtune.analysis.figures.figure import Absent, Figure, View, axis, colour, rounded
from lmtune.analysis.importance import METHODS, MOST_TRIALS, importances

NAME, TITLE = "importance", "Importance of the searched parameters"


def importance(experiment: Experiment) -> Figure | Absent:
    """A group of bars a parameter, a bar a variant; absent where the trials cannot tell."""
    found, reasons = importances(experiment)
    if not found:
        return Absent(NAME, TITLE, "; ".join(reasons))
    names = [each.variant.name for each in experiment.summary.variants]
    views = {}
    for method, meaning in METHODS.items():
        shown = [each for each in found if method in each.shares]
        data = [
            {
                "type": "bar",
                "orientation": "h",
                "y": list(each.shares[method]),
                "x": rounded(each.shares[method].values()),
                "name": each.variant,
                "marker": {"color": colour(names.index(each.variant))},
                "hovertemplate": f"%{{y}}: %{{x:.0%}} of {each.num_trials} trials"
                f"<extra>{each.variant}</extra>",
            }
            for each in shown
        ]
        if data:
            layout = {
                "xaxis": axis(f"importance: {meaning}", range=[0, 1], tickformat=".0%"),
                "yaxis": {"autorange": "reversed", "showgrid": False},
                "barmode": "group",
            }
            views[method] = View(data, layout)
    counts = ", ".join(f"{each.variant} {each.num_trials}" for each in found)
    if any(each.num_trials == MOST_TRIALS for each in found):
        counts += "; of more, the first"
    left_out = f" Left out: {'; '.join(reasons)}." if reasons else ""
    num_bars = max(len(next(iter(each.shares.values()))) * len(found) for each in found)
    caption = (
        f"From tune trials at full budget alone ({counts}), which early stopping chose: what made "
        f"trials hopeless early is not in it.{left_out}"
    )
    if experiment.sweep.early_terminate is None:
        caption = f"From all tune trials that completed ({counts}).{left_out}"
    return Figure(NAME, TITLE, caption, views, height=140 + 20 * num_bars)
