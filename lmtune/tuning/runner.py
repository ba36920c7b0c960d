"""Runs a sweep: Ray Tune around the conductor, signals, and the time budget."""

from __future__ import annotations

import errno
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

import optuna
from ray import tune
from ray.tune.experiment import Trial

from lmtune.datasets import PreparedDatasets
from lmtune.machine import is_disk_full
from lmtune.records import ExperimentFolder
from lmtune.spec.result import TrialResult
from lmtune.spec.sweep import SweepSpec
from lmtune.spec.trial import TrialSpec
from lmtune.tracking import Observer
from lmtune.tuning.cluster import Cluster
from lmtune.tuning.conductor import Conductor
from lmtune.tuning.failures import Failures
from lmtune.tuning.ray_bridge import ConductorScheduler, ConductorSearcher
from lmtune.tuning.study import open_storage
from lmtune.tuning.trainable import train_trial, work_order
from lmtune.tuning.trainable_lookup import looked_up_once


@dataclass(frozen=True)
class SweepOutcome:
    """How a run of a sweep ended.

    Attributes:
        results: of each trial that ended, by trial id, earlier runs included.
        num_run: trials that ended in this run.
        is_finished: nothing of the sweep is left to run.
        signal: that interrupted the run; None where none did.
        time_is_up: the sweep's time budget ended the run.
        failures: of this run.
    """

    results: dict[str, TrialResult]
    num_run: int
    is_finished: bool
    signal: int | None
    time_is_up: bool
    failures: Failures

    @property
    def num_failed(self) -> int:
        """Trials that failed, earlier runs included."""
        return sum(result.status == "failed" for result in self.results.values())


def prepare_conductor(
    sweep: SweepSpec,
    *,
    folder: ExperimentFolder,
    datasets: PreparedDatasets,
    observers: Sequence[Observer],
    say: Callable[[str], None],
) -> Conductor:
    """The conductor of a sweep, brought to where earlier runs of the same sweep left it."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return Conductor(
        sweep,
        folder=folder,
        datasets=datasets,
        storage=open_storage(folder.study),
        observers=observers,
        say=say,
    )


class _Stop:
    """Ends `Tuner.fit` early and remembers why.

    Tune ends a run in good order at SIGUSR1, so that is what every other cause becomes. Before
    Tune listens to it, the searcher sees that there is nothing left to start.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self.time_is_up = False
        self.is_halted = False
        self.disk_full: OSError | None = None

    def is_requested(self) -> bool:
        """Whether the run should end."""
        return self.signal is not None or self.time_is_up or self.is_halted

    def halt(self, disk_full: OSError | None) -> None:
        """Nothing can come of going on, because of a full disk or trials that fail alike."""
        if not self.is_halted:
            self.is_halted = True
            self.disk_full = disk_full
            self._end()

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """A signal handler: the first signal ends the run, a second one ends it at once."""
        if self.signal is not None:
            raise KeyboardInterrupt
        self.signal = number
        self._end()

    def on_timer(self) -> None:
        """The time budget is spent."""
        self.time_is_up = True
        self._end()

    def _end(self) -> None:
        os.kill(os.getpid(), signal.SIGUSR1)

    @contextmanager
    def armed(self, time_s: float | None) -> Iterator[None]:
        """Handle SIGINT and SIGTERM, and start the clock where there is a budget of time."""
        old = {
            each: signal.signal(each, self.on_signal) for each in (signal.SIGINT, signal.SIGTERM)
        }
        old[signal.SIGUSR1] = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        timer = threading.Timer(time_s, self.on_timer) if time_s is not None else None
        if timer is not None:
            timer.daemon = True
            timer.start()
        try:
            yield
        finally:
            if timer is not None:
                timer.cancel()
            for number, handler in old.items():
                signal.signal(number, handler)


def time_left_s(sweep: SweepSpec, folder: ExperimentFolder) -> float | None:
    """Seconds of the sweep's budget that its runs have left; None where it has no such budget."""
    budget_s = sweep.budget.time_s
    if budget_s is None:
        return None
    return max(0.0, budget_s - sum(run.running_s for run in folder.timeline.runs()))


def run_sweep(
    conductor: Conductor,
    sweep: SweepSpec,
    *,
    folder: ExperimentFolder,
    datasets: PreparedDatasets,
    cluster: Cluster,
) -> SweepOutcome:
    """Run what is left of a sweep on a connected cluster. Call it in the main thread.

    Raises:
        ResourceError: not even one trial fits on the cluster.
        OSError: the disk is full; all that had been written before is whole.
    """
    num_before = len(conductor.results)
    stop = _Stop()
    left_s = time_left_s(sweep, folder)
    tuner = _tuner(
        conductor,
        order=lambda trial: work_order(
            trial,
            dataset=datasets.get(trial.config.dataset).folder,
            checkpoints=folder.trial(trial.trial_id).checkpoints,
            num_threads=sweep.resources.cpu,
            parts=conductor.num_parts(trial),
        ),
        sweep=sweep,
        folder=folder,
        num_slots=cluster.num_slots(sweep.resources),
        stop=stop,
    )
    with stop.armed(left_s), looked_up_once():
        try:
            tuner.fit()
        except Exception as error:
            # Tune keeps files of its own beside the records.
            stop.disk_full = stop.disk_full or _disk_full(error)
            if stop.disk_full is None:
                raise
    if stop.disk_full is not None:
        raise stop.disk_full
    return SweepOutcome(
        results=conductor.results,
        num_run=len(conductor.results) - num_before,
        is_finished=conductor.is_finished,
        signal=stop.signal,
        time_is_up=stop.time_is_up,
        failures=conductor.failures,
    )


def _tuner(
    conductor: Conductor,
    *,
    order: Callable[[TrialSpec], dict[str, Any]],
    sweep: SweepSpec,
    folder: ExperimentFolder,
    num_slots: int,
    stop: _Stop,
) -> tune.Tuner:
    # A trial's traceback is in its result; Tune would print it into the live table.
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    resources = {"cpu": float(sweep.resources.cpu), "gpu": float(sweep.resources.gpu)}
    return tune.Tuner(
        tune.with_resources(train_trial, resources),
        tune_config=tune.TuneConfig(
            search_alg=ConductorSearcher(conductor, order, num_slots, stop.is_requested, stop.halt),
            scheduler=ConductorScheduler(conductor, num_slots, stop.halt),
            num_samples=-1,
            reuse_actors=True,
            trial_name_creator=_trial_name,
            trial_dirname_creator=_trial_folder,
        ),
        run_config=tune.RunConfig(name="tune", storage_path=str(folder.ray.resolve()), verbose=0),
    )


def _disk_full(error: BaseException) -> OSError | None:
    """The full disk behind an error; Tune passes some on as text alone."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and is_disk_full(cause):
            return cause
        cause = cause.__cause__ or cause.__context__
    text = os.strerror(errno.ENOSPC)
    return OSError(errno.ENOSPC, text) if text in str(error) else None


def _trial_name(trial: Trial) -> str:
    return str(trial.config["name"])


def _trial_folder(trial: Trial) -> str:
    return str(trial.trial_id)
