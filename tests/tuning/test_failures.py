"""What follows from trials that fail: another attempt, the end of a variant, of the sweep."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lmtune.records import ExperimentFolder
from lmtune.spec.trial import TrialSpec
from lmtune.tuning.conductor import Conductor
from lmtune.tuning.failures import Failure
from tests.tuning.simulation import SWEEP, Log, conductor, evaluation, load, quadratic_loss

UNSEARCHED = SWEEP[: SWEEP.index("parameters:")] + "seeds: {confirm: [0, 1, 2, 3, 4, 5]}\n"
"""Two variants, seed by seed."""

Fails = Callable[[TrialSpec], str]
"""The message with which each attempt at a trial fails; none where it is trained to its end."""


def work(made: Conductor, fails: Fails, *, after_epochs: int = 0) -> list[TrialSpec]:
    """Run one attempt after the other until there is nothing more to do; the attempts."""
    attempts = []
    while (trial := made.next_trial()) is not None:
        attempts.append(trial)
        message = fails(trial)
        epochs = after_epochs if message else trial.config.training.epochs
        for epoch in range(1, epochs + 1):
            made.evaluated(trial, evaluation(epoch, quadratic_loss(trial, epoch)))
        if message:
            made.failed(trial, Failure(message))
        else:
            made.ended(trial, "completed")
    return attempts


def test_trial_when_it_fails_once_is_tried_again_and_leaves_a_word(tmp_path: Path) -> None:
    failing = ["Traceback\nRuntimeError: bad luck"]
    log = Log()
    made = conductor(tmp_path, load(tmp_path, UNSEARCHED), log)
    attempts = work(made, lambda trial: failing.pop() if failing else "", after_epochs=2)
    assert made.is_finished
    assert attempts[0] == attempts[1]
    assert len(attempts) == 1 + len(log.started) == 1 + 12
    (result,) = (r for t, r in log.ended if t.trial_id == attempts[0].trial_id)
    assert (result.status, result.retries, result.parts) == ("completed", 1, 1)
    (said,) = log.said
    assert said.endswith("is tried again from epoch 0: RuntimeError: bad luck")
    folder = ExperimentFolder(tmp_path / "experiments/simulated").trial(attempts[0].trial_id)
    assert [row.epoch for row in folder.read_curve()] == list(range(1, 10))
    (retry,) = folder.read_retries()
    assert (retry.epochs_done, retry.message) == (2, "Traceback\nRuntimeError: bad luck")
    assert not folder.error_txt.exists()


def test_trial_when_it_fails_every_time_has_failed_and_keeps_its_traceback(tmp_path: Path) -> None:
    log = Log()
    made = conductor(tmp_path, load(tmp_path, UNSEARCHED + "on_failure: {retries: 4}\n"), log)
    message = "Traceback\nRuntimeError: as ever"
    attempts = work(made, lambda trial: message if trial.seed == 3 else "")
    failed = [result for _, result in log.ended if result.status == "failed"]
    assert [result.retries for result in failed] == [4, 4]
    assert len(attempts) == 10 + 2 * 5
    folder = ExperimentFolder(tmp_path / "experiments/simulated").trial(failed[0].trial_id)
    assert folder.error_txt.read_text() == message + "\n"
    assert made.is_finished  # as far as this run goes: trials before had finished
    assert made.failures.stopped == {}


def test_trial_that_failed_is_run_again_by_the_next_command_and_loses_its_traceback(
    tmp_path: Path,
) -> None:
    sweep = load(tmp_path, UNSEARCHED)
    work(conductor(tmp_path, sweep, Log()), lambda t: "E: no" if t.seed == 3 else "")
    log = Log()
    attempts = work(conductor(tmp_path, sweep, log), lambda trial: "")
    assert [trial.seed for trial in attempts] == [3, 3]
    folder = ExperimentFolder(tmp_path / "experiments/simulated").trial(attempts[0].trial_id)
    assert folder.read().status == "completed"
    assert not folder.error_txt.exists()


def test_variant_when_its_first_three_trials_fail_alike_is_stopped_and_others_go_on(
    tmp_path: Path,
) -> None:
    log = Log()
    made = conductor(tmp_path, load(tmp_path, UNSEARCHED), log)
    address = iter(range(1000))

    def fails(trial: TrialSpec) -> str:
        if trial.variant == "base":
            return ""
        return f"in trial {trial.trial_id}\nRuntimeError: {trial.trial_id} at 0x7f{next(address)}a"

    work(made, fails)
    failed = [trial for trial, result in log.ended if result.status == "failed"]
    assert [trial.variant for trial in failed] == ["num_layers=1"] * 3
    assert sum(result.status == "completed" for _, result in log.ended) == 6
    assert made.is_exhausted
    assert not made.is_finished
    first = made.failures.stopped["num_layers=1"]
    assert first.startswith(f"in trial {failed[0].trial_id}\n")


def test_search_when_its_first_three_trials_fail_alike_is_stopped(tmp_path: Path) -> None:
    log = Log()
    made = conductor(tmp_path, load(tmp_path), log)
    work(made, lambda trial: "E: no" if trial.variant == "base" else "")
    assert set(made.failures.stopped) == {"base"}
    statuses = [result.status for trial, result in log.ended if trial.variant == "base"]
    assert statuses == ["failed"] * 3
    others = [trial.phase for trial, _ in log.ended if trial.variant != "base"]
    assert others.count("confirm") == 3
    assert made.is_exhausted


def test_variant_when_its_trials_fail_in_different_ways_goes_on(tmp_path: Path) -> None:
    words = iter(f"{name}Error: no" for name in ("Type", "Value", "Key", "Index", "OS", "Name"))
    log = Log()
    made = conductor(tmp_path, load(tmp_path, UNSEARCHED + "on_failure: {retries: 0}\n"), log)
    work(made, lambda trial: next(words) if trial.variant == "base" else "")
    assert made.failures.stopped == {}
    assert len(log.ended) == 12


def test_variant_when_a_trial_has_finished_goes_on_whatever_fails(tmp_path: Path) -> None:
    log = Log()
    made = conductor(tmp_path, load(tmp_path, UNSEARCHED), log)
    work(made, lambda trial: "" if trial.seed == 0 else "E: no")
    assert made.failures.stopped == {}
    assert made.failures.broken is None
    assert len(log.ended) == 12


def test_sweep_when_five_trials_fail_alike_before_any_finished_is_broken(tmp_path: Path) -> None:
    log = Log()
    made = conductor(tmp_path, load(tmp_path, UNSEARCHED), log)
    work(made, lambda trial: f"E: {trial.seed} no")
    assert len(log.ended) == 5
    assert made.failures.broken == "E: 0 no"
    assert made.is_exhausted
    assert not made.is_finished
