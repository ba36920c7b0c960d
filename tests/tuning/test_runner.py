"""How a run is told to end, signals and the time budget; and how it takes up an earlier one."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lmtune.datasets import PreparedDatasets
from lmtune.records import DatasetFacts, ExperimentFolder
from lmtune.spec.result import Status, TrialResult
from lmtune.spec.sweep import SweepSpec
from lmtune.tuning.failures import Failures
from lmtune.tuning.runner import SweepOutcome, _Stop
from tests.test_terminal import FACTS
from tests.tuning.simulation import SWEEP, Log, conductor, load, simulate


@pytest.fixture(autouse=True)
def same_handlers_as_before() -> Iterator[None]:
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
    before = [signal.getsignal(each) for each in signals]
    yield
    assert [signal.getsignal(each) for each in signals] == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_when_it_comes_is_remembered_and_asks_tune_to_end(number: signal.Signals) -> None:
    stop = _Stop()
    told: list[int] = []
    with stop.armed(None):
        signal.signal(signal.SIGUSR1, lambda *_: told.append(1))  # as Tune does later
        assert not stop.is_requested()
        os.kill(os.getpid(), number)
        assert stop.is_requested()
        assert stop.signal == number
    assert told == [1]
    assert not stop.time_is_up


def test_signal_when_it_comes_before_tune_listens_kills_nothing() -> None:
    stop = _Stop()
    with stop.armed(None):
        os.kill(os.getpid(), signal.SIGTERM)  # and SIGUSR1 from it, which would end a process
        assert stop.is_requested()


def test_signal_when_it_comes_twice_ends_the_run_at_once() -> None:
    stop = _Stop()
    with stop.armed(None):
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_time_when_it_is_up_asks_tune_to_end() -> None:
    stop = _Stop()
    told: list[int] = []
    with stop.armed(0.01):
        signal.signal(signal.SIGUSR1, lambda *_: told.append(1))
        deadline = time.monotonic() + 60
        while not told:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert stop.time_is_up
    assert stop.is_requested()
    assert stop.signal is None


def test_time_when_the_run_ends_before_changes_nothing() -> None:
    stop = _Stop()
    with stop.armed(0.2):
        pass
    time.sleep(0.3)
    assert not stop.is_requested()


def test_outcome_when_trials_failed_counts_them() -> None:
    statuses: tuple[Status, ...] = ("completed", "failed", "diverged", "failed", "stopped")
    results = {
        f"{number}": TrialResult(
            trial_id=f"{number}", status=status, epochs_done=1, facts=FACTS, train_time_s=1.0
        )
        for number, status in enumerate(statuses)
    }
    outcome = SweepOutcome(
        results, 5, is_finished=True, signal=None, time_is_up=False, failures=Failures(0)
    )
    assert outcome.num_failed == 2


def test_sweep_when_a_variant_is_renamed_keeps_its_trials_under_the_new_name(
    tmp_path: Path,
) -> None:
    text = SWEEP[: SWEEP.index("ablate:")] + (
        "variants: {deep: {}, shallow: {model: {num_layers: 1}}}\nseeds: 2\n"
    )
    before = load(tmp_path, text)
    simulate(conductor(tmp_path, before, Log()))
    log = Log()
    made = conductor(tmp_path, load(tmp_path, text.replace("shallow", "flat")), log)
    assert made.is_finished
    assert log.started == []
    folder = ExperimentFolder(tmp_path / "experiments" / before.name)
    specs = [recorded.read_spec() for recorded in folder.trials()]
    assert sorted(spec.variant for spec in specs) == ["deep", "deep", "flat", "flat"]


def test_sweep_when_a_search_is_edited_away_keeps_its_trials_as_confirmed(tmp_path: Path) -> None:
    text = SWEEP[: SWEEP.index("ablate:")] + (
        "parameters: {optimizer.learning_rate: {values: [1e-3]}}\n"
        "method: grid\nseeds: {tune: [0], confirm: [1]}\n"
    )
    before = load(tmp_path, text)
    simulate(conductor(tmp_path, before, Log()))
    edited = SWEEP[: SWEEP.index("ablate:")] + "seeds: {confirm: [0, 1]}\n"
    log = Log()
    assert conductor(tmp_path, load(tmp_path, edited), log).is_finished
    assert log.started == []
    folder = ExperimentFolder(tmp_path / "experiments" / before.name)
    assert {recorded.read_spec().phase for recorded in folder.trials()} == {"confirm"}


def test_sweep_when_its_budget_is_lowered_is_that_of_the_lower_budget(tmp_path: Path) -> None:
    text = SWEEP.replace("early_terminate: {type: asha, min_iter: 1, eta: 3}\n", "")
    for trials in (6, 4):
        sweep = load(tmp_path, text.replace("trials: 6", f"trials: {trials}"))
        log = Log()
        folder = write_sweep(tmp_path, sweep)
        simulate(conductor(tmp_path, sweep, log))
    lowered = {each.spec.trial_id for each in folder.read_trials()}

    other = tmp_path / "other"
    other.mkdir()
    direct = write_sweep(other, sweep)
    simulate(conductor(other, sweep, Log()))
    assert {each.spec.trial_id for each in direct.read_trials()} == lowered
    left_out = folder.sort_out().others
    assert "its search has 4 trials now, and it was number 6" in left_out.values()

    raised = load(tmp_path, text)  # all of it is there already
    write_sweep(tmp_path, raised)
    log = Log()
    simulate(conductor(tmp_path, raised, log))
    assert log.started == []
    assert len(folder.read_trials()) == 2 * (6 + 3)


def write_sweep(project: Path, sweep: SweepSpec) -> ExperimentFolder:
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
