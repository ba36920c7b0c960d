"""What Tune is told, and what it tells: the bridge on a real conductor, without a cluster."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from lmtune.spec.trial import TrialSpec
from lmtune.tuning.conductor import Conductor
from lmtune.tuning.ray_bridge import ConductorScheduler, ConductorSearcher
from lmtune.tuning.trainable import DIVERGED
from tests.tuning.simulation import Log, conductor, evaluation, load


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def made(tmp_path: Path, log: Log) -> Conductor:
    return conductor(tmp_path, load(tmp_path), log)


def order(trial: TrialSpec) -> dict[str, str]:
    return {"trial": trial.model_dump_json()}


def searcher(
    conductor: Conductor, slots: int, is_stopping: Callable[[], bool] = lambda: False
) -> ConductorSearcher:
    return ConductorSearcher(conductor, order, slots, is_stopping)


class Workers:
    """Tune's store of idle processes, which keeps one if nobody asks for more."""

    def __init__(self) -> None:
        self.total_max_objects = 1

    def increase_max(self, key: object, by: int) -> None:
        self.total_max_objects += by


class Scheduled:
    """A trial as Tune hands it to the scheduler."""

    def __init__(self, made: Conductor, scheduler: ConductorScheduler | None = None) -> None:
        work = searcher(made, slots=99).suggest("1")
        assert isinstance(work, dict)
        self.scheduler = scheduler or ConductorScheduler(made, num_slots=2)
        self.workers = Workers()
        self.controller = SimpleNamespace(_actor_cache=self.workers)
        self.trial = SimpleNamespace(
            trial_id=f"tune's own {id(self)}",
            config=work,
            error_file=None,
            placement_group_factory="one CPU",
        )
        self.scheduler.on_trial_add(self.controller, self.trial)

    def report(self, epoch: int, loss: float) -> str:
        extra = {"training_iteration": epoch, "pid": 1}  # Tune adds keys of its own
        result = evaluation(epoch, loss).model_dump() | extra
        return self.scheduler.on_trial_result(None, self.trial, result)


def test_searcher_when_slots_are_taken_waits_and_when_stopping_ends(made: Conductor) -> None:
    stopping: list[bool] = []
    asked = searcher(made, slots=2, is_stopping=lambda: bool(stopping))
    first, second = asked.suggest("1"), asked.suggest("2")
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert first != second
    assert asked.suggest("3") is None
    stopping.append(True)
    assert asked.suggest("3") == Searcher.FINISHED


def test_searcher_when_nothing_is_left_ends(tmp_path: Path, log: Log) -> None:
    made = conductor(tmp_path, load(tmp_path), log)
    asked = searcher(made, slots=1)
    num_trials = 0
    while isinstance(work := asked.suggest("1"), dict):
        num_trials += 1
        trial = TrialSpec.model_validate_json(work["trial"])
        made.ended(trial, "diverged")
    assert work == Searcher.FINISHED
    assert num_trials == 2 * 6


def test_searcher_when_all_that_is_left_depends_on_a_running_trial_waits(made: Conductor) -> None:
    asked = searcher(made, slots=99)
    orders = [asked.suggest(str(number)) for number in range(12)]
    assert all(isinstance(work, dict) for work in orders)
    assert asked.suggest("13") is None  # a confirm trial may follow


def test_bridge_when_tune_takes_a_snapshot_keeps_nothing(made: Conductor, tmp_path: Path) -> None:
    for part in (searcher(made, 1), ConductorScheduler(made, num_slots=2)):
        assert part.__getstate__() == {}
        pickle.dumps(part)
    searcher(made, 1).save(str(tmp_path / "state"))
    assert (tmp_path / "state").read_bytes() == b""


def test_scheduler_when_a_trial_trains_passes_it_on_to_its_end(made: Conductor, log: Log) -> None:
    scheduled = Scheduled(made)
    for epoch in range(1, 10):
        assert scheduled.report(epoch, 2.0) == TrialScheduler.CONTINUE
    scheduled.scheduler.on_trial_complete(None, scheduled.trial, {})
    assert log.num_evaluations == 9
    ((trial, result),) = log.ended
    assert (result.status, result.epochs_done) == ("completed", 9)
    assert trial.model_dump_json() == scheduled.trial.config["trial"]


def test_scheduler_when_the_conductor_gives_a_trial_up_stops_it(made: Conductor, log: Log) -> None:
    good = Scheduled(made)
    assert good.report(1, 1.0) == TrialScheduler.CONTINUE
    bad = Scheduled(made, good.scheduler)
    assert bad.report(1, 2.0) == TrialScheduler.STOP
    ((_, result),) = log.ended
    assert (result.status, result.epochs_done) == ("stopped", 1)


def test_scheduler_when_a_trial_diverges_stops_it_with_its_message(
    made: Conductor, log: Log
) -> None:
    scheduled = Scheduled(made)
    scheduled.report(1, 2.0)
    told = {DIVERGED: "loss became nan at step 7", "training_iteration": 2}
    decision = scheduled.scheduler.on_trial_result(None, scheduled.trial, told)
    assert decision == TrialScheduler.STOP
    ((_, result),) = log.ended
    assert (result.status, result.epochs_done) == ("diverged", 1)
    assert result.message == "loss became nan at step 7"


def test_scheduler_when_a_trial_fails_keeps_what_tune_wrote_of_it(
    made: Conductor, log: Log, tmp_path: Path
) -> None:
    scheduled = Scheduled(made)
    scheduled.report(1, 2.0)
    file = tmp_path / "error.txt"
    file.write_text(
        "Failure # 1 (occurred at 2026-01-01_00-00-00)\nline one\nOSError: disk full\n\n"
    )
    scheduled.trial.error_file = str(file)
    scheduled.scheduler.on_trial_error(None, scheduled.trial)
    ((_, result),) = log.ended
    assert (result.status, result.epochs_done) == ("failed", 1)
    assert result.message == "line one\nOSError: disk full"


def test_scheduler_when_the_run_ends_early_leaves_trials_to_be_resumed(
    made: Conductor, log: Log
) -> None:
    scheduled = Scheduled(made)
    scheduled.report(1, 2.0)
    scheduled.scheduler.on_trial_remove(None, scheduled.trial)
    assert log.ended == []
    assert made.num_running == 1


@pytest.mark.parametrize("slots", [1, 3])
def test_scheduler_when_the_first_trial_comes_has_tune_keep_a_process_a_slot(
    made: Conductor, slots: int
) -> None:
    first = Scheduled(made, ConductorScheduler(made, num_slots=slots))
    assert first.workers.total_max_objects == slots
    first.scheduler.on_trial_add(first.controller, first.trial)
    assert first.workers.total_max_objects == slots
