"""Ray Tune schedules: a searcher and a scheduler that only pass on what the conductor says.

Tune asks the searcher for configurations and tells the scheduler of results. Both hold the
conductor, whose state is in the records and the studies: Tune's own snapshots keep none of it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from ray.exceptions import OutOfMemoryError, RayActorError
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from lmtune.machine import is_disk_full
from lmtune.spec.result import Evaluation
from lmtune.spec.trial import TrialSpec
from lmtune.tuning.conductor import Conductor
from lmtune.tuning.failures import Failure
from lmtune.tuning.trainable import DISK_FULL, DIVERGED, OUT_OF_MEMORY

Taken = TypeVar("Taken")
Halt = Callable[[OSError | None], None]
"""Ends the run in good order; told of the error where that is what a full disk asks for."""

_KILLED_FOR_MEMORY = "the process was killed because its machine ran out of memory"


class ConductorSearcher(Searcher):  # type: ignore[misc] # Ray has no types
    """Gives Tune the conductor's next trial whenever a slot is free.

    Args:
        conductor: decides what runs.
        order: makes a trial's work order.
        num_slots: trials at once.
        is_stopping: whether no further trial should start.
        halt: called when the disk is full.
    """

    def __init__(
        self,
        conductor: Conductor,
        order: Callable[[TrialSpec], dict[str, Any]],
        num_slots: int,
        is_stopping: Callable[[], bool],
        halt: Halt,
    ) -> None:
        super().__init__()
        self._conductor = conductor
        self._order = order
        self._num_slots = num_slots
        self._is_stopping = is_stopping
        self._halt = halt

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next work order; None to wait for a slot or an outcome; FINISHED at the end."""
        if self._is_stopping():
            return str(Searcher.FINISHED)
        if self._conductor.num_running >= self._num_slots:
            return None
        trial = _unless_full(self._halt, self._conductor.next_trial, None)
        if trial is not None:
            return self._order(trial)
        return Searcher.FINISHED if self._conductor.is_exhausted else None

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Nothing: the scheduler passes outcomes on, which Tune tells more of them."""

    def save(self, checkpoint_path: str) -> None:
        """An empty file, which Tune expects: there is nothing to keep."""
        Path(checkpoint_path).touch()

    def restore(self, checkpoint_path: str) -> None:
        """Nothing, as nothing was saved."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class ConductorScheduler(FIFOScheduler):  # type: ignore[misc] # as above
    """Passes results and outcomes to the conductor and stops the trials that it gives up.

    Args:
        conductor: decides what goes on.
        num_slots: trials at once.
        halt: called when the disk is full, or trials have put an end to the sweep.
    """

    def __init__(self, conductor: Conductor, num_slots: int, halt: Halt) -> None:
        super().__init__()
        self._halt = halt
        self._conductor = conductor
        self._num_slots = num_slots
        self._trials: dict[str, TrialSpec] = {}
        self._is_prepared = False

    def on_trial_add(self, tune_controller: TuneController, trial: Trial) -> None:
        """Remember which trial of ours Tune's trial is."""
        if not self._is_prepared:
            self._is_prepared = True
            self._keep_idle_workers(tune_controller, trial)
            _survive_the_memory_monitor(tune_controller)
        self._trials[trial.trial_id] = TrialSpec.model_validate_json(trial.config["trial"])

    def on_trial_result(
        self, tune_controller: TuneController, trial: Trial, result: dict[str, Any]
    ) -> str:
        """Take in an evaluation, or the report of why there will be none."""
        spec = self._trials[trial.trial_id]
        if _unless_full(self._halt, lambda: self._goes_on(spec, result), False):
            return str(TrialScheduler.CONTINUE)
        del self._trials[trial.trial_id]
        return str(TrialScheduler.STOP)

    def on_trial_complete(
        self, tune_controller: TuneController, trial: Trial, result: dict[str, Any]
    ) -> None:
        """A trial that was not stopped above has trained all of its epochs."""
        spec = self._trials.pop(trial.trial_id, None)
        if spec is not None:
            _unless_full(self._halt, lambda: self._conductor.ended(spec, "completed"), None)

    def on_trial_error(self, tune_controller: TuneController, trial: Trial) -> None:
        """A trial's function raised, or its process died."""
        message = _last_error(trial)
        failure = Failure(message, is_out_of_memory=_KILLED_FOR_MEMORY in message)
        spec = self._trials.pop(trial.trial_id, None)
        if spec is not None:
            _unless_full(self._halt, lambda: self._failed(spec, failure), None)

    def on_trial_remove(self, tune_controller: TuneController, trial: Trial) -> None:
        """Nothing: only the end of the whole run removes trials, and leaves them to resume."""

    def _goes_on(self, spec: TrialSpec, result: dict[str, Any]) -> bool:
        """Take in a report; whether the trial should go on."""
        if DISK_FULL in result:
            raise OSError(*result[DISK_FULL])
        if DIVERGED in result:
            self._conductor.ended(spec, "diverged", result[DIVERGED])
            return False
        if OUT_OF_MEMORY in result:
            self._failed(spec, Failure(result[OUT_OF_MEMORY], is_out_of_memory=True))
            return False
        evaluation = Evaluation(**{name: result[name] for name in Evaluation.model_fields})
        if self._conductor.evaluated(spec, evaluation):
            return True
        self._conductor.ended(spec, "stopped")
        return False

    def _failed(self, spec: TrialSpec, failure: Failure) -> None:
        self._conductor.failed(spec, failure)
        if self._conductor.failures.broken is not None:
            self._halt(None)

    def _keep_idle_workers(self, tune_controller: TuneController, trial: Trial) -> None:
        """Have Tune keep a process for each slot.

        It would keep one idle process and end the others, though they are needed again when a
        variant's last tune trial ends and its confirm trials start. It has no setting for this.
        """
        cache = tune_controller._actor_cache  # noqa: SLF001
        missing = self._num_slots - cache.total_max_objects
        if missing > 0:
            cache.increase_max(trial.placement_group_factory, missing)

    def __getstate__(self) -> dict[str, Any]:
        return {}


def _unless_full(halt: Halt, take: Callable[[], Taken], otherwise: Taken) -> Taken:
    """What a call to the conductor gives; if the disk is full, the run ends, and another value.

    An error that reached Tune would end the run without order.
    """
    try:
        return take()
    except OSError as error:
        if not is_disk_full(error):
            raise
        halt(error)
        return otherwise


def _survive_the_memory_monitor(tune_controller: TuneController) -> None:
    """Have Tune take a process that Ray's memory monitor killed for one that died.

    It knows the error of neither an actor nor a task in that, and would end the whole run.
    """
    manager = tune_controller._actor_manager  # noqa: SLF001
    task_failed = manager._actor_task_failed  # noqa: SLF001

    def failed(tracked_actor_task: object, exception: Exception) -> None:
        if isinstance(exception, OutOfMemoryError):
            exception = RayActorError(error_msg=f"{_KILLED_FOR_MEMORY}: {exception}")
        task_failed(tracked_actor_task=tracked_actor_task, exception=exception)

    manager._actor_task_failed = failed  # noqa: SLF001


def _last_error(trial: Trial) -> str:
    """The traceback, or what Ray says of a process that died.

    `Trial.get_error` looks where Tune copies the file to only later.
    """
    if trial.error_file is None:
        return "unknown"
    text = Path(trial.error_file).read_text(encoding="utf-8", errors="replace")
    _, _, message = text.partition("\n")  # after "Failure # 1 (occurred at ...)"
    return message.strip().expandtabs(4)  # the same to read in a terminal as in a file
