"""Every number in a figure equals one computed from `trials.csv` and `curves.csv`."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lmtune.analysis.experiment import Experiment, read_experiment
from lmtune.analysis.figures import THEMES, Absent, Figure, build_figures, plotly_json
from lmtune.analysis.figures.slices import best_of_parts
from lmtune.analysis.figures.theme import themed
from lmtune.records import write_tables
from lmtune.records.timeline import Span
from tests.analysis.synthetic import (
    LAYERS,
    LEARNING_RATE,
    SEARCHED,
    Trial,
    searched_sweep,
    write_experiment,
)

Tables = tuple[pd.DataFrame, pd.DataFrame]


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    folder = searched_sweep(tmp_path_factory.mktemp("figures") / "toy", num_trials=120)
    write_tables(folder)
    return read_experiment(folder)


@pytest.fixture(scope="module")
def tables(experiment: Experiment) -> Tables:
    folder = experiment.folder
    return pd.read_csv(folder.trials_csv), pd.read_csv(folder.curves_csv)


@pytest.fixture(scope="module")
def figures(experiment: Experiment) -> dict[str, Figure | Absent]:
    return {figure.name: figure for figure in build_figures(experiment)}


def _drawn(figures: dict[str, Figure | Absent], name: str) -> Figure:
    figure = figures[name]
    assert isinstance(figure, Figure), figure
    return figure


def _why_not(experiment: Experiment, name: str) -> str:
    figure = {each.name: each for each in build_figures(experiment)}[name]
    assert isinstance(figure, Absent)
    return figure.reason


def _final(tables: Tables) -> pd.Series[float]:
    """The loss at the last epoch of each trial."""
    return tables[1].sort_values("epoch").groupby("trial_id").val_loss.last()


def test_every_figure_is_json_that_both_themes_can_dress(
    figures: dict[str, Figure | Absent],
) -> None:
    for figure in figures.values():
        if isinstance(figure, Figure):
            for view in figure.views.values():
                for theme in THEMES:
                    text = json.dumps(plotly_json(figure, view, theme), allow_nan=False)
                    assert '"@' not in text


def test_themes_when_compared_have_the_same_names_and_enough_contrast() -> None:
    """WCAG 2: text 4.5, graphics 3."""

    def luminance(colour: str) -> float:
        channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))

    def contrast(first: str, second: str) -> float:
        low, high = sorted((luminance(first), luminance(second)))
        return (high + 0.05) / (low + 0.05)

    assert THEMES["light"].keys() == THEMES["dark"].keys()
    for colours in THEMES.values():
        for name in ("text", "muted", "better", "worse", "noise", "link"):
            assert contrast(colours[name], colours["surface"]) >= 4.5, name
        for name in (each for each in colours if each.startswith("series")):
            assert contrast(colours[name], colours["surface"]) >= 3, name
        assert contrast(colours["text"], colours["warn-surface"]) >= 4.5


def test_themed_leaves_numbers_and_other_words_alone() -> None:
    given: Any = {"x": [1.0, 2.0], "scale": [[0, "@text"], [1, "@grid"]], "name": "a@b"}
    assert themed(given, "light") == {
        "x": [1.0, 2.0],
        "scale": [[0, THEMES["light"]["text"]], [1, THEMES["light"]["grid"]]],
        "name": "a@b",
    }


def test_forest_has_every_seed_s_difference_and_scipy_s_interval(
    figures: dict[str, Figure | Absent], tables: Tables
) -> None:
    (view,) = _drawn(figures, "differences").views.values()
    trials = tables[0][tables[0].phase == "confirm"]
    by_seed = trials.assign(final=trials.trial_id.map(_final(tables))).pivot_table(
        index="seed", columns="variant", values="final"
    )
    _, seeds, *means = view.data
    for row, (name, trace) in enumerate(zip(list(LAYERS)[1:], means, strict=True)):
        differences = by_seed[name] - by_seed["base"]
        points = [x for x, y in zip(seeds["x"], seeds["y"], strict=True) if round(y) == row]
        assert points == pytest.approx(differences.tolist(), rel=1e-5)
        assert trace["x"] == pytest.approx([differences.mean()], rel=1e-5)
        low, high = stats.t.interval(
            0.95, len(differences) - 1, loc=differences.mean(), scale=stats.sem(differences)
        )
        assert trace["error_x"]["array"] == pytest.approx([(high - low) / 2], rel=1e-5)


@pytest.mark.parametrize("view", ["tokens", "FLOPs", "seconds"])
def test_curves_are_means_over_seeds_against_what_they_cost(
    figures: dict[str, Figure | Absent], tables: Tables, view: str
) -> None:
    trials, curves = tables
    confirmed = trials[trials.phase == "confirm"][["trial_id", "variant", "flops_per_token"]]
    rows = curves.merge(confirmed, on="trial_id")
    rows["cost"] = {
        "tokens": rows.train_tokens,
        "FLOPs": rows.train_tokens * rows.flops_per_token,
        "seconds": rows.elapsed_s,
    }[view]
    expected = rows.groupby(["variant", "epoch"])[["cost", "val_loss"]].mean()
    means = [
        trace
        for trace in _drawn(figures, "curves").views[view].data
        if trace.get("showlegend", True)
    ]
    assert [trace["name"] for trace in means] == list(LAYERS)
    for trace in means:
        own = expected.loc[trace["name"]]
        assert trace["x"] == pytest.approx(own.cost.tolist(), rel=1e-5)
        assert trace["y"] == pytest.approx(own.val_loss.tolist(), rel=1e-5)


def test_slices_hold_the_completed_tune_trials_and_no_stopped_one(
    figures: dict[str, Figure | Absent], tables: Tables
) -> None:
    trials = tables[0][tables[0].phase == "tune"]
    trials = trials.assign(final=trials.trial_id.map(_final(tables)))
    completed = trials[trials.status == "completed"]
    for path in SEARCHED:
        data = _drawn(figures, "slices").views[path].data
        for name in LAYERS:
            (points,) = (
                trace for trace in data if trace["name"] == name and trace["mode"] == "markers"
            )
            own = completed[completed.variant == name]
            assert sorted(zip(points["x"], points["y"], strict=True)) == [
                (pytest.approx(x, rel=1e-5), pytest.approx(y, rel=1e-5))
                for x, y in sorted(zip(own[path].astype(float), own.final, strict=True))
            ]
        lost = data[-1]
        assert len(lost["x"]) == (trials.status != "completed").sum()


def test_best_of_parts_is_the_lowest_of_each_fifth_of_the_scale() -> None:
    """A logarithmic range from 1e-4 to 1e-2: its fifths are 0.4 decades each."""
    points: list[Any] = [(1e-4, 3.0), (2e-4, 2.0), (5e-4, 1.0), (3e-4, 1.5), (1e-2, 9.0)]
    best, counts = best_of_parts(SEARCHED[LEARNING_RATE], points, sign=1)
    assert best == [(2e-4, 2.0), (5e-4, 1.0), (1e-2, 9.0)]
    assert counts == [2, 2, 1]
    assert best_of_parts(SEARCHED[LEARNING_RATE], points, sign=-1)[0][0] == (1e-4, 3.0)


def test_parallel_coordinates_have_a_line_a_completed_tune_trial(
    figures: dict[str, Figure | Absent], tables: Tables
) -> None:
    trials = tables[0]
    num_completed = ((trials.phase == "tune") & (trials.status == "completed")).sum()
    (view,) = _drawn(figures, "parallel").views.values()
    dimensions = view.data[0]["dimensions"]
    labels = ["variant", "learning_rate", "weight_decay", "batch_size", "val_loss"]
    assert [each["label"] for each in dimensions] == labels
    assert {len(each["values"]) for each in dimensions} == {num_completed}


def test_pareto_front_when_costs_and_values_are_known_is_the_undominated_ones(
    figures: dict[str, Figure | Absent], tables: Tables
) -> None:
    final = _final(tables)
    trials = tables[0][tables[0].phase == "confirm"]
    means = trials.assign(final=trials.trial_id.map(final)).groupby("variant").final.mean()
    sizes = trials.groupby("variant").num_parameters.first()
    undominated = [
        name
        for name in LAYERS
        if not any(sizes[other] <= sizes[name] and means[other] < means[name] for other in LAYERS)
    ]
    front, *marks = _drawn(figures, "pareto").views["parameters"].data
    expected = sorted((sizes[name], means[name]) for name in undominated)
    assert list(zip(front["x"], front["y"], strict=True)) == [
        (x, pytest.approx(y, rel=1e-5)) for x, y in expected
    ]
    assert {mark["name"]: mark["y"][0] for mark in marks} == pytest.approx(dict(means), rel=1e-5)


def test_early_stopping_audit_equals_scipy_on_the_trials_that_finished(
    figures: dict[str, Figure | Absent], tables: Tables
) -> None:
    trials, curves = tables
    tune = trials[trials.phase == "tune"]
    (view,) = _drawn(figures, "early_stopping").views.values()
    for trace in view.data:
        own = tune[(tune.variant == trace["name"]) & (tune.status == "completed")]
        rows = curves[curves.trial_id.isin(own.trial_id)]
        wide = rows.pivot_table(index="trial_id", columns="epoch", values="val_loss")
        assert trace["x"] == [1, 3]
        expected = [stats.spearmanr(wide[epoch], wide[9]).statistic for epoch in (1, 3)]
        assert trace["y"] == pytest.approx(expected, rel=1e-5)
    tokens = 10_240 * tune.flops_per_token
    spent = (tokens * tune.epochs_done).sum()
    full = (tokens * tune.epochs_done.where(tune.status != "stopped", 9)).sum()
    assert f"saved {1 - spent / full:.0%} of" in _drawn(figures, "early_stopping").caption


def test_importance_of_a_known_search_is_that_of_the_learning_rate(
    figures: dict[str, Figure | Absent],
) -> None:
    assert isinstance(figures["importance"], Absent)  # 35 trials a variant, a third of them whole
    assert "10 for each of the 3 parameters" in figures["importance"].reason


def test_expected_best_of_pruned_trials_is_refused(figures: dict[str, Figure | Absent]) -> None:
    assert isinstance(figures["expected_best"], Absent)
    assert "stopped early" in figures["expected_best"].reason


@pytest.fixture(scope="module")
def unpruned(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """Forty random trials of one variant, all at full budget; the learning rate alone matters."""
    rng = np.random.default_rng(4)
    trials = []
    for _ in range(40):
        values = {
            LEARNING_RATE: float(10 ** rng.uniform(-4, -2)),
            "optimizer.weight_decay": float(rng.uniform(0, 0.3)),
        }
        loss = 2 + 0.3 * (math.log10(values[LEARNING_RATE]) + 3) ** 2
        trials.append(Trial("base", "tune", 0, (3.0, loss), "completed", values))
    searched = {path: SEARCHED[path] for path in (LEARNING_RATE, "optimizer.weight_decay")}
    folder = write_experiment(
        tmp_path_factory.mktemp("unpruned") / "toy",
        trials,
        variants={"base": {}},
        searched=searched,
        method="random",
        epochs=2,
        budget=40,
    )
    return read_experiment(folder)


def test_importance_from_a_fair_search_finds_what_matters(unpruned: Experiment) -> None:
    pytest.importorskip("sklearn")
    figure = {each.name: each for each in build_figures(unpruned)}["importance"]
    assert isinstance(figure, Figure)
    assert list(figure.views) == ["PED-ANOVA", "fANOVA"]
    for view in figure.views.values():
        shares = dict(zip(view.data[0]["y"], view.data[0]["x"], strict=True))
        assert sum(shares.values()) == pytest.approx(1)
        assert shares[LEARNING_RATE] > 0.8


def test_expected_best_of_a_fair_search_falls_to_the_best(unpruned: Experiment) -> None:
    figure = {each.name: each for each in build_figures(unpruned)}["expected_best"]
    assert isinstance(figure, Figure)
    values = [value for _, value in unpruned.completed_values("base")]
    plug_in, unbiased = figure.views["trials"].data
    assert plug_in["x"] == list(range(1, 41))
    assert plug_in["y"][0] == pytest.approx(np.mean(values), rel=1e-5)
    assert unbiased["y"][-1] == pytest.approx(min(values), rel=1e-5)
    assert figure.views["seconds"].data[0]["x"] == pytest.approx([4.0 * n for n in range(1, 41)])


def test_figures_of_an_adaptive_search_refuse_what_only_a_fair_one_tells(tmp_path: Path) -> None:
    experiment = read_experiment(
        searched_sweep(tmp_path / "tpe", num_trials=60, method="tpe", seeds=(1, 2, 3))
    )
    assert "adaptive (tpe)" in _why_not(experiment, "importance")
    assert "adaptive (tpe)" in _why_not(experiment, "expected_best")


def test_figures_of_an_experiment_without_trials_say_why_there_are_none(tmp_path: Path) -> None:
    experiment = read_experiment(write_experiment(tmp_path / "none", [], searched=SEARCHED))
    for figure in build_figures(experiment):
        assert isinstance(figure, Absent), figure.name
        assert figure.reason


def test_timeline_puts_trials_that_ran_together_on_slots_of_their_own(
    experiment: Experiment,
) -> None:
    first, second, third = (record.spec.trial_id for record in experiment.records[:3])
    spans = (
        Span(first, 1000.0, 1030.0, is_cut=False),
        Span(second, 1001.0, 1010.0, is_cut=False),
        Span(third, 1010.0, 1020.0, is_cut=True),
        Span(second, 9000.0, 9005.0, is_cut=False),
    )
    noted = Experiment(**{**vars(experiment), "spans": spans})
    figure = {each.name: each for each in build_figures(noted)}["timeline"]
    assert isinstance(figure, Figure)
    (view,) = figure.views.values()
    bars = sorted(
        bar
        for trace in view.data
        for bar in zip(trace["base"], trace["x"], trace["y"], strict=True)
    )
    # the second run begins where the first ended
    assert bars == [(0.0, 30.0, 1), (1.0, 9.0, 2), (10.0, 10.0, 2), (30.0, 5.0, 1)]
    assert "on 2 slots" in figure.caption
