"""The figures of the report, from an experiment's records; plotly is not needed to make them."""

from __future__ import annotations

from collections.abc import Callable

from lmtune.analysis.experiment import Experiment
from lmtune.analysis.figures.asha import asha
from lmtune.analysis.figures.curves import curves
from lmtune.analysis.figures.expected_best import expected_best_figure
from lmtune.analysis.figures.figure import Absent, Figure, View
from lmtune.analysis.figures.forest import forest
from lmtune.analysis.figures.importance import importance
from lmtune.analysis.figures.parallel import parallel
from lmtune.analysis.figures.pareto import pareto
from lmtune.analysis.figures.slices import slices
from lmtune.analysis.figures.theme import THEMES, Theme, plotly_json
from lmtune.analysis.figures.timeline import timeline

FIGURES: tuple[Callable[[Experiment], Figure | Absent], ...] = (
    forest,
    curves,
    pareto,
    slices,
    parallel,
    importance,
    expected_best_figure,
    asha,
    timeline,
)
"""In the order of the report."""


def build_figures(experiment: Experiment) -> list[Figure | Absent]:
    """All figures of an experiment, in the order of the report."""
    return [make(experiment) for make in FIGURES]


__all__ = [
    "THEMES",
    "Absent",
    "Figure",
    "Theme",
    "View",
    "build_figures",
    "curves",
    "forest",
    "pareto",
    "plotly_json",
]
