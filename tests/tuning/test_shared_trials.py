"""One trial that several variants ask for: it is trained once and counts for each of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lmtune.analysis import summarize
from lmtune.datasets import PreparedDatasets
from lmtune.records import DatasetFacts, ExperimentFolder
from lmtune.spec.sweep import SweepSpec
from lmtune.spec.trial import TrialSpec
from lmtune.tuning.conductor import Conductor
from tests.tuning.simulation import Log, conductor, evaluation, load, quadratic_loss, simulate

BASE = """\
name: simulated
base:
  dataset: {corpus: {type: markov, length: 2000}, tokenizer: byte, context_length: 8}
  model: {type: gpt, num_layers: 1, d_model: 16, num_heads: 2}
  optimizer: {type: adamw, learning_rate: 1e-2}
  training: {epochs: 3, steps_per_epoch: 1, batch_size: 2}
"""
SWEEP = (
    BASE
    + """\
variants:
  fixed: {}
  tuned: {parameters: {optimizer.learning_rate: {values: [1e-3, 1e-2]}}}
method: grid
seeds: {tune: [0], confirm: [1, 2, 3]}
"""
)
"""The best of `tuned`, a learning rate of 1e-2, is what `fixed` has."""


def _write_sweep(project: Path, sweep: SweepSpec) -> ExperimentFolder:
    folder = ExperimentFolder(project / "experiments" / sweep.name)
    data = PreparedDatasets(project).get(sweep.variants[0].config.dataset)
    facts = DatasetFacts(
        fingerprint=data.fingerprint,
        vocab_size=9,
        train_tokens=9,
        validation_tokens=9,
        bytes_per_token=1.0,
    )
    folder.write_sweep(sweep, {variant.name: facts for variant in sweep.variants})
    return folder


def _confirmed(folder: ExperimentFolder) -> dict[str, int]:
    return {each.variant.name: each.confirm.n for each in summarize(folder).variants}


def _finish(made: Conductor, trial: TrialSpec) -> None:
    for epoch in (1, 2, 3):
        made.evaluated(trial, evaluation(epoch, quadratic_loss(trial, epoch)))
    made.ended(trial, "completed")


@pytest.mark.parametrize("num_slots", [1, 2, 5])
@pytest.mark.parametrize("swapped", [False, True], ids=["fixed first", "tuned first"])
def test_trials_that_two_variants_ask_for_are_trained_once_and_count_for_both(
    tmp_path: Path, num_slots: int, swapped: bool
) -> None:
    lines = SWEEP.splitlines()
    if swapped:
        at = lines.index("  fixed: {}")
        lines[at], lines[at + 1] = lines[at + 1], lines[at]
    sweep = load(tmp_path, "\n".join(lines))
    folder = _write_sweep(tmp_path, sweep)
    log = Log()
    made = conductor(tmp_path, sweep, log)
    simulate(made, num_slots=num_slots)

    assert made.is_finished
    started = [trial.trial_id for trial in log.started]
    assert len(started) == len(set(started)) == 2 + 3
    assert _confirmed(folder) == {"fixed": 3, "tuned": 3}
    summary = summarize(folder)
    assert summary.finished
    comparison = summary.variants[1].comparison
    assert comparison is not None
    assert comparison.difference.mean == 0
    assert comparison.verdict == "within noise"


def test_trial_that_is_asked_for_while_it_runs_ends_for_both(tmp_path: Path) -> None:
    sweep = load(tmp_path, SWEEP)
    folder = _write_sweep(tmp_path, sweep)
    log = Log()
    made = conductor(tmp_path, sweep, log)
    running = [made.next_trial() for _ in range(5)]
    trials = [trial for trial in running if trial is not None]
    assert sorted(trial.phase for trial in trials) == ["confirm"] * 3 + ["tune"] * 2
    for trial in trials:
        if trial.phase == "tune":
            _finish(made, trial)  # after which `tuned` asks for what `fixed` is training
    assert made.next_trial() is None
    assert not made.is_finished
    for trial in trials:
        if trial.phase == "confirm":
            _finish(made, trial)
    assert made.is_finished
    assert {trial.variant for trial in log.known} == {"tuned"}
    assert _confirmed(folder) == {"fixed": 3, "tuned": 3}


@pytest.mark.parametrize("dies_after", [0, 2, 7, 10, 13])
def test_shared_trials_when_the_driver_dies_and_the_sweep_is_run_again_count_for_both(
    tmp_path: Path, dies_after: int
) -> None:
    sweep = load(tmp_path, SWEEP)
    folder = _write_sweep(tmp_path, sweep)
    simulate(conductor(tmp_path, sweep, Log()), max_evaluations=dies_after)
    simulate(conductor(tmp_path, sweep, Log()))
    assert _confirmed(folder) == {"fixed": 3, "tuned": 3}

    log = Log()
    again = conductor(tmp_path, sweep, log)
    assert again.is_finished
    assert log.started == []
    assert _confirmed(folder) == {"fixed": 3, "tuned": 3}


def test_shared_trial_that_diverges_is_counted_for_both(tmp_path: Path) -> None:
    sweep = load(tmp_path, SWEEP)
    folder = _write_sweep(tmp_path, sweep)
    simulate(
        conductor(tmp_path, sweep, Log()),
        lambda trial, epoch: float("nan") if trial.seed == 2 else quadratic_loss(trial, epoch),
    )
    counts = [each.counts["confirm"] for each in summarize(folder).variants]
    assert counts == [{"completed": 2, "diverged": 1}] * 2


def test_search_that_two_variants_share_is_told_to_both_studies(tmp_path: Path) -> None:
    text = SWEEP.replace("fixed: {}", "fixed: {parameters: {optimizer.learning_rate: "
                         "{values: [1e-2, 1e-1]}}}")  # fmt: skip
    sweep = load(tmp_path, text)
    folder = _write_sweep(tmp_path, sweep)
    log = Log()
    made = conductor(tmp_path, sweep, log)
    simulate(made, num_slots=5)
    assert made.is_finished
    assert len(log.started) == 3 + 3
    counts = [each.counts["tune"] for each in summarize(folder).variants]
    assert counts == [{"completed": 2}] * 2


def test_trial_that_was_stopped_while_tuning_goes_on_when_it_is_to_confirm(
    tmp_path: Path,
) -> None:
    searched = BASE + (
        "parameters: {optimizer.learning_rate: {values: [1e-2, 1e-4]}}\n"
        "method: grid\nearly_terminate: {type: asha}\nseeds: {tune: [0], confirm: [1]}\n"
    )
    log = Log()
    simulate(conductor(tmp_path, load(tmp_path, searched), log))
    (stopped,) = [trial for trial, result in log.ended if result.status == "stopped"]

    edited = BASE.replace("1e-2", "1e-4") + "seeds: {confirm: [0]}\n"
    sweep = load(tmp_path, edited)
    folder = _write_sweep(tmp_path, sweep)
    log = Log()
    simulate(conductor(tmp_path, sweep, log))
    assert [trial.trial_id for trial in log.started] == [stopped.trial_id]
    assert folder.trial(stopped.trial_id).read().status == "completed"
    assert _confirmed(folder) == {"base": 1}
