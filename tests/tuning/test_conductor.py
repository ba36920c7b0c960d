"""The sweep's logic over real records and real Optuna storages, without Ray."""

from __future__ import annotations

import math
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from lmtune.records import ExperimentFolder
from lmtune.spec.trial import TrialSpec
from lmtune.tuning.study import open_storage
from tests.tuning.simulation import SWEEP, Log, conductor, load, quadratic_loss, simulate


def _states(project: Path) -> dict[str, list[TrialState]]:
    storage = open_storage(ExperimentFolder(project / "experiments" / "simulated").study)
    return {
        summary.study_name: [
            trial.state
            for trial in optuna.load_study(
                study_name=summary.study_name, storage=storage
            ).get_trials(deepcopy=False)
        ]
        for summary in optuna.get_all_study_summaries(storage)
    }


def _outcomes(log: Log) -> dict[str, tuple[str, int]]:
    return {trial.trial_id: (result.status, result.epochs_done) for trial, result in log.ended}


@pytest.mark.parametrize("num_slots", [1, 2, 5])
def test_conductor_when_run_through_tunes_then_confirms_every_variant(
    tmp_path: Path, num_slots: int
) -> None:
    log = Log()
    made = conductor(tmp_path, load(tmp_path), log)
    simulate(made, num_slots=num_slots)
    assert made.is_finished
    for variant in ("base", "num_layers=1"):
        own = [(t, r) for t, r in log.ended if t.variant == variant]
        tuned = [(t, r) for t, r in own if t.phase == "tune"]
        confirmed = [(t, r) for t, r in own if t.phase == "confirm"]
        assert len(tuned) == 6
        assert {trial.seed for trial, _ in tuned} == {0}
        assert [(trial.seed, result.status) for trial, result in confirmed] == [
            (1, "completed"),
            (2, "completed"),
            (3, "completed"),
        ]
        best = min(
            (t for t, r in tuned if r.status == "completed"), key=lambda t: quadratic_loss(t, 9)
        )
        assert {trial.parameters["optimizer.learning_rate"] for trial, _ in confirmed} == {
            best.parameters["optimizer.learning_rate"]
        }


def test_conductor_when_asha_stops_trials_tells_optuna_pruned_and_leaves_none_running(
    tmp_path: Path,
) -> None:
    log = Log()
    simulate(conductor(tmp_path, load(tmp_path), log), num_slots=2)
    stopped = sum(result.status == "stopped" for _, result in log.ended)
    assert stopped > 0
    states = [state for study in _states(tmp_path).values() for state in study]
    assert states.count(TrialState.PRUNED) == stopped
    assert states.count(TrialState.COMPLETE) == 12 - stopped


def test_conductor_when_a_variant_is_tuned_compares_it_with_itself_alone(tmp_path: Path) -> None:
    def loss(trial: TrialSpec, epoch: int) -> float:  # the second variant is always worse
        return quadratic_loss(trial, epoch) + (100 if trial.variant != "base" else 0)

    log = Log()
    simulate(conductor(tmp_path, load(tmp_path), log), loss)
    by_variant: dict[str, list[str]] = {}
    for trial, result in log.ended:
        if trial.phase == "tune":
            by_variant.setdefault(trial.variant, []).append(result.status)
    assert by_variant["base"] == by_variant["num_layers=1"]  # the same points, the same rungs


def test_conductor_when_a_trial_diverges_tells_optuna_fail_and_confirms_another(
    tmp_path: Path,
) -> None:
    def loss(trial: TrialSpec, epoch: int) -> float:
        rate = trial.config.optimizer.learning_rate
        return math.nan if rate > 5e-3 else quadratic_loss(trial, epoch)

    log = Log()
    simulate(conductor(tmp_path, load(tmp_path), log), loss)
    statuses = [result.status for trial, result in log.ended if trial.phase == "tune"]
    assert "diverged" in statuses
    states = [state for study in _states(tmp_path).values() for state in study]
    assert states.count(TrialState.FAIL) == statuses.count("diverged")
    assert all(r.status == "completed" for t, r in log.ended if t.phase == "confirm")


def test_conductor_when_every_trial_diverges_finishes_without_a_confirm_phase(
    tmp_path: Path,
) -> None:
    log = Log()
    made = conductor(tmp_path, load(tmp_path), log)
    simulate(made, lambda trial, epoch: math.nan)
    assert made.is_finished
    assert {trial.phase for trial in log.started} == {"tune"}


@pytest.mark.parametrize("method", ["random", "qmc", "tpe", "cmaes", "gp"])
@pytest.mark.parametrize("dies_after", [0, 1, 7, 30, 75])
def test_conductor_when_the_driver_dies_and_the_sweep_is_run_again_ends_as_undisturbed(
    tmp_path: Path, method: str, dies_after: int
) -> None:
    text = SWEEP.replace("qmc", method).replace("ablate:\n  model.num_layers: [1]\n", "")
    text = text.replace("method:", "  model.dropout: {min: 0.0, max: 0.5}\nmethod:")
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir()
    cut.mkdir()
    undisturbed = Log()
    simulate(conductor(whole, load(whole, text), undisturbed))

    log = Log()
    simulate(conductor(cut, load(cut, text), log), max_evaluations=dies_after)
    again = conductor(cut, load(cut, text), log)
    simulate(again)
    assert again.is_finished
    assert _outcomes(log) == _outcomes(undisturbed)
    assert TrialState.RUNNING not in [s for study in _states(cut).values() for s in study]


def test_conductor_when_the_sweep_is_done_starts_nothing_again(tmp_path: Path) -> None:
    simulate(conductor(tmp_path, load(tmp_path), Log()))
    log = Log()
    made = conductor(tmp_path, load(tmp_path), log)
    assert made.is_finished
    assert made.next_trial() is None
    assert log.started == []
    assert len(log.known) == 2 * (6 + 3)


def test_conductor_when_the_studies_are_lost_takes_the_trials_from_the_records(
    tmp_path: Path,
) -> None:
    simulate(conductor(tmp_path, load(tmp_path), Log()))
    (tmp_path / "experiments" / "simulated" / "study" / "journal.log").unlink()
    log = Log()
    made = conductor(tmp_path, load(tmp_path), log)
    simulate(made)
    assert made.is_finished
    assert log.started == []


def test_conductor_when_values_repeat_trains_them_once(tmp_path: Path) -> None:
    text = SWEEP.replace(
        "{distribution: log_uniform_values, min: 1e-4, max: 1e-1}", "{values: [1e-3, 1e-2]}"
    ).replace("qmc", "random")
    log = Log()
    simulate(conductor(tmp_path, load(tmp_path, text), log))
    tuned = [trial for trial in log.started if trial.phase == "tune"]
    assert len(tuned) == 2 * 2
    assert all(len(states) == 6 for states in _states(tmp_path).values())


def test_conductor_when_the_method_is_grid_tries_each_point_once(tmp_path: Path) -> None:
    text = SWEEP.replace(
        "optimizer.learning_rate: {distribution: log_uniform_values, min: 1e-4, max: 1e-1}",
        "optimizer.learning_rate: {values: [1e-3, 1e-2]}\n"
        "  model.dropout: {distribution: q_uniform, min: 0.0, max: 0.2, q: 0.1}",
    ).replace("method: qmc", "method: grid")
    text = text.replace("budget: {trials: 6}\n", "").replace(
        "early_terminate: {type: asha, min_iter: 1, eta: 3}\n", ""
    )
    log = Log()
    simulate(conductor(tmp_path, load(tmp_path, text), log))
    points = [
        (trial.config.optimizer.learning_rate, round(trial.config.model.dropout, 9))
        for trial in log.started
        if trial.phase == "tune" and trial.variant == "base"
    ]
    assert points == [(rate, p) for rate in (1e-3, 1e-2) for p in (0.0, 0.1, 0.2)]


def test_conductor_when_nothing_is_searched_confirms_variants_seed_by_seed(tmp_path: Path) -> None:
    start, end = SWEEP.index("parameters:"), SWEEP.index("seeds:")
    text = SWEEP[:start] + "seeds: 2\n"
    assert end > start
    log = Log()
    simulate(conductor(tmp_path, load(tmp_path, text), log))
    assert [(trial.variant, trial.seed, trial.phase) for trial in log.started] == [
        ("base", 0, "confirm"),
        ("num_layers=1", 0, "confirm"),
        ("base", 1, "confirm"),
        ("num_layers=1", 1, "confirm"),
    ]


def test_conductor_when_top_k_is_two_confirms_the_two_best(tmp_path: Path) -> None:
    text = SWEEP.replace("confirm: [1, 2, 3]}", "confirm: [1, 2], top_k: 2}").replace(
        "early_terminate: {type: asha, min_iter: 1, eta: 3}\n", ""
    )
    log = Log()
    simulate(conductor(tmp_path, load(tmp_path, text), log))
    tuned = sorted(
        (t for t in log.started if t.phase == "tune" and t.variant == "base"),
        key=lambda t: quadratic_loss(t, 9),
    )
    confirmed = [t for t in log.started if t.phase == "confirm" and t.variant == "base"]
    assert [t.parameters for t in confirmed] == [
        tuned[0].parameters,
        tuned[0].parameters,
        tuned[1].parameters,
        tuned[1].parameters,
    ]
