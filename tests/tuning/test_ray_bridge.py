"""What Tune is told, and what it tells: the bridge on a real conductor, without a cluster."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from ray.exceptions import OutOfMemoryError, RayActorError
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from lmtune.spec.trial import TrialSpec
from lmtune.tuning.conductor import Conductor
from lmtune.tuning.ray_bridge import ConductorScheduler, ConductorSearcher
from lmtune.tuning.trainable import DISK_FULL, DIVERGED, OUT_OF_MEMORY
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
    return ConductorSearcher(conductor, order, slots, is_stopping, halt=halts.append)


halts: list[OSError | None] = []


@pytest.fixture(autouse=True)
def no_halts() -> None:
    halts.clear()


class Workers:
    """Tune's store of idle processes, which keeps one if nobody asks for more."""

    def __init__(self) -> None:
        self.total_max_objects = 1

    def increase_max(self, key: object, by: int) -> None:
        self.total_max_objects += by


class Actors:
    """Tune's manager of processes, which knows no error of the memory monitor."""

    def __init__(self) -> None:
        self.failed: list[Exception] = []

    def _actor_task_failed(self, tracked_actor_task: object, exception: Exception) -> None:
        assert isinstance(exception, RayActorError)
        self.failed.append(exception)


class Scheduled:
    """A trial as Tune hands it to the scheduler."""

    def __init__(self, made: Conductor, scheduler: ConductorScheduler | None = None) -> None:
        work = searcher(made, slots=99).suggest("1")
        assert isinstance(work, dict)
        self.scheduler = scheduler or ConductorScheduler(made, num_slots=2, halt=halts.append)
        self.workers = Workers()
        self.controller = SimpleNamespace(_actor_cache=self.workers, _actor_manager=Actors())
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
    for part in (searcher(made, 1), ConductorScheduler(made, num_slots=2, halt=halts.append)):
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
    for _ in range(2):  # as often as a trial is tried again
        assert log.ended == []
        again = Scheduled(made, scheduled.scheduler)
        assert again.trial.config == scheduled.trial.config
        again.trial.error_file = str(file)
        scheduled.scheduler.on_trial_error(None, again.trial)
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
    first = Scheduled(made, ConductorScheduler(made, num_slots=slots, halt=halts.append))
    assert first.workers.total_max_objects == slots
    first.scheduler.on_trial_add(first.controller, first.trial)
    assert first.workers.total_max_objects == slots


def test_scheduler_when_a_trial_does_not_fit_into_memory_tries_it_in_smaller_parts(
    made: Conductor, log: Log
) -> None:
    scheduled = Scheduled(made)
    scheduled.report(1, 2.0)
    told = {OUT_OF_MEMORY: "Traceback ...\nCUDA out of memory", "training_iteration": 2}
    assert made.num_running == 1
    decision = scheduled.scheduler.on_trial_result(None, scheduled.trial, told)
    assert decision == TrialScheduler.STOP
    scheduled.scheduler.on_trial_complete(None, scheduled.trial, {})  # as Tune does after a stop
    assert log.ended == []
    assert made.num_running == 0
    assert not made.is_exhausted
    (trial,) = log.started
    assert made.next_trial() == trial
    assert made.num_parts(trial) == 2


def test_scheduler_when_ray_kills_a_process_for_its_memory_takes_it_for_one_that_died(
    made: Conductor, log: Log, tmp_path: Path
) -> None:
    scheduled = Scheduled(made)
    actors = scheduled.controller._actor_manager
    killed = OutOfMemoryError("1 worker(s) were killed")
    actors._actor_task_failed(tracked_actor_task="task", exception=killed)  # as Tune calls it
    (error,) = actors.failed
    file = tmp_path / "error.txt"
    file.write_text(f"Failure # 1 (occurred at 2026-01-01_00-00-00)\n{error}\n")
    scheduled.trial.error_file = str(file)
    scheduled.scheduler.on_trial_error(None, scheduled.trial)
    assert made.num_parts(log.started[0]) == 2
    (said,) = log.said
    assert "1 worker(s) were killed" in said
    assert "2 times as many parts" in said


def test_scheduler_when_the_disk_is_full_for_a_worker_ends_the_run_and_not_the_trial(
    made: Conductor, log: Log
) -> None:
    scheduled = Scheduled(made)
    told = {DISK_FULL: [28, "No space left on device"], "training_iteration": 1}
    decision = scheduled.scheduler.on_trial_result(None, scheduled.trial, told)
    scheduled.scheduler.on_trial_complete(None, scheduled.trial, {})
    assert decision == TrialScheduler.STOP
    assert [error.errno for error in halts if error] == [28]
    assert log.ended == []


def test_bridge_when_the_disk_is_full_for_the_records_ends_the_run_without_an_error(
    made: Conductor, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    scheduled = Scheduled(made)
    monkeypatch.setattr(made, "evaluated", full)
    assert scheduled.report(1, 2.0) == TrialScheduler.STOP
    monkeypatch.setattr(made, "next_trial", full)
    assert searcher(made, slots=9).suggest("2") is None
    assert len(halts) == 2
    assert log.ended == []


def test_scheduler_when_trials_have_broken_the_sweep_ends_the_run(
    made: Conductor, tmp_path: Path
) -> None:
    file = tmp_path / "error.txt"
    file.write_text("Failure # 1\nRuntimeError: no such device\n")
    first = Scheduled(made)
    running, failed = first, 0
    while not halts:
        running.trial.error_file = str(file)
        running.scheduler.on_trial_error(None, running.trial)
        failed += 1
        if not halts:
            running = Scheduled(made, first.scheduler)
    assert made.is_exhausted
    assert not made.is_finished
    assert made.failures.broken == "RuntimeError: no such device"
    assert failed == 5 * 3
    assert searcher(made, slots=1).suggest("9") == Searcher.FINISHED
