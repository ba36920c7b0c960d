"""MLflow follows the records, in a thread of its own, so that no trial ever waits for it.

The observer only notes which runs are out of date. The thread reads the records and writes what
MLflow lacks: several evaluations of a trial become one call, and after an error (a locked
database, a server that is away) it does the same again, until MLflow has everything.
Without a sweep, it brings MLflow up to date from the records alone: `python -m lmtune.track`.
"""

from __future__ import annotations

import importlib
import logging
import os
import sqlite3
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lmtune.errors import Problem, UserError
from lmtune.records import ExperimentFolder
from lmtune.spec.result import Evaluation, TrialFacts, TrialResult
from lmtune.spec.sweep import MlflowTracking, SweepSpec
from lmtune.spec.trial import TrialSpec
from lmtune.tracking.background import BackgroundJobs
from lmtune.tracking.failures import advice, reason
from lmtune.tracking.mlflow_remote import open_remote_runs
from lmtune.tracking.mlflow_state import (
    ARTIFACTS_TAG,
    STATUS_TAG,
    SWEEP_TAG,
    SweepStatus,
    digest_files,
    is_up_to_date,
    read_runs,
)
from lmtune.tracking.uri import resolve_uri

if TYPE_CHECKING:  # as in observer.py; MLflow itself is loaded by _load_mlflow_runs
    from lmtune.datasets import Dataset, PairsDataset
    from lmtune.tracking.mlflow_runs import MlflowRuns

_log = logging.getLogger(__name__)

# Without anything being written, once the sweep has ended. MLflow itself waits 20 s for an answer
# or a lock, and a busy machine takes as long to import it.
_PATIENCE_S = 60.0

# Jobs that no trial is named like.
_SWEEP = "sweep"
_SWEEP_END = "end of sweep"
_ARTIFACTS = "artifacts"

_MLFLOW_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_CONFIGURE_LOGGING": "false",  # else it takes over the handlers of Optuna's alembic
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # the thread tries again itself
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # two lines a run, into the live table
    "GIT_PYTHON_REFRESH": "quiet",  # no warning where git is not installed
}


@dataclass(frozen=True)
class TrackedSweep:
    """What MLflow holds of a sweep.

    Attributes:
        num_runs: the sweep's own and one a trial.
        num_added: how many of them the observer has made.
    """

    parent_run_id: str
    num_runs: int
    num_added: int


class MlflowObserver:
    """Shows a sweep in MLflow while it runs. The records' observer must be told before it.

    Args:
        config: where the runs are kept; `check_tracking` has accepted it.
        project: the directory that a relative SQLite path starts from.
        experiment: the records to follow.
        sweep: names the MLflow experiment.
        git_commit: of the code that runs; None where it is not known.
        is_apart: whether MLflow is loaded by a process of its own, not by this one.
    """

    def __init__(
        self,
        config: MlflowTracking,
        *,
        project: Path,
        experiment: ExperimentFolder,
        sweep: SweepSpec,
        git_commit: str | None = None,
        is_apart: bool = False,
    ) -> None:
        self._uri = resolve_uri(config.uri, project)
        self._project = project
        self._experiment = experiment
        self._sweep = sweep
        self._tags = {} if git_commit is None else {"lmtune.git_commit": git_commit}
        self._is_apart = is_apart
        self._jobs = BackgroundJobs("mlflow", self._say_failure)
        self._is_live = False
        self._is_complete = True
        # The thread's alone, while there is one, as follows.
        self._runs: MlflowRuns | None = None
        self._has_failed = False
        self._parent_run_id: str | None = None
        self._ids_before: frozenset[str] | None = None
        self._ids_now: frozenset[str] = frozenset()
        self._lock = threading.Lock()  # guards what both threads use, as follows
        self._running: set[str] = set()
        self._sweep_status: SweepStatus | None = None
        self._artifacts: tuple[Path, ...] = ()

    @property
    def num_failures(self) -> int:
        """Attempts to write that failed; most of them were made up for later."""
        return self._jobs.num_failures

    @property
    def problems(self) -> list[Problem]:
        """Why MLflow was not brought up to date when the sweep ended, if it was not."""
        if self._is_complete:
            return []
        error = self._jobs.last_error
        if isinstance(error, UserError):  # a record that cannot be read
            return list(error.problems)
        why = reason(error) if error else f"nothing could be written within {_PATIENCE_S:.0f} s"
        first = f"{advice(why)}, then " if advice(why) else ""
        return [
            Problem(
                where="tracking.mlflow.uri",
                what=f"MLflow at {self._uri} could not be brought up to date: {why}",
                fix=f"{first}run `{self._command}`, or the sweep's command again; the records "
                "hold everything",
            )
        ]

    @property
    def tracked(self) -> TrackedSweep | None:
        """What MLflow holds of the sweep now that it has ended; None if it was never reached."""
        if self._parent_run_id is None:
            return None
        num_added = len(self._ids_now - (self._ids_before or frozenset()))
        return TrackedSweep(self._parent_run_id, len(self._ids_now), num_added)

    def sweep_started(
        self, sweep: SweepSpec, datasets: Mapping[str, Dataset | PairsDataset]
    ) -> None:
        """Have the database made, and runs mended that an earlier driver left behind."""
        self._is_live = True
        self._jobs.put(_SWEEP, self._write_sweep)

    def trial_known(
        self, trial: TrialSpec, result: TrialResult, curve: Sequence[Evaluation]
    ) -> None:
        """Nothing: the thread finds what MLflow lacks by itself."""

    def trial_started(self, trial: TrialSpec, facts: TrialFacts) -> None:
        """Have the trial's run made, or opened again."""
        with self._lock:
            self._running.add(trial.trial_id)
            is_first = self._sweep_status != "running"
            self._sweep_status = "running"
        if is_first:
            self._jobs.put(_SWEEP, self._write_sweep)
        self._put_trial(trial.trial_id)

    def trial_evaluated(self, trial: TrialSpec, evaluation: Evaluation) -> None:
        """Have the curve's new rows written."""
        self._put_trial(trial.trial_id)

    def trial_ended(self, trial: TrialSpec, result: TrialResult) -> None:
        """Have the run closed."""
        with self._lock:
            self._running.discard(trial.trial_id)
        self._put_trial(trial.trial_id)

    def sweep_ended(self, finished: bool) -> None:
        """Close every run and wait until all is written, or can not be; see `problems`."""
        with self._lock:
            left_over = sorted(self._running)
            self._running.clear()
            self._sweep_status = "finished" if finished else "interrupted"
        for trial_id in left_over:
            self._put_trial(trial_id)
        self._jobs.put(_SWEEP_END, self._write_sweep)  # after what waits already
        self._is_complete = self._jobs.drain(_PATIENCE_S)

    def log_artifacts(self, paths: Sequence[Path]) -> None:
        """Keep files with the sweep's run, after `sweep_ended`; missing ones are left out.

        Waits as `sweep_ended` does; does nothing where that was in vain.
        """
        if not self._is_complete:
            return
        with self._lock:
            self._artifacts = tuple(path for path in paths if path.exists())
        self._jobs.put(_ARTIFACTS, self._write_artifacts)
        self._is_complete = self._jobs.drain(_PATIENCE_S)

    @property
    def _command(self) -> str:
        """What brings MLflow up to date, to be typed in the project's folder."""
        folder = self._experiment.path.absolute()
        project = self._project.absolute()
        shown = folder.relative_to(project) if folder.is_relative_to(project) else folder
        return f"python -m lmtune.track {shown}"

    def _put_trial(self, trial_id: str) -> None:
        self._jobs.put(trial_id, lambda: self._write_trial(trial_id))

    # From here on: the thread.

    def _write_trial(self, trial_id: str) -> None:
        with self._lock:
            is_running = trial_id in self._running
        self._write(lambda runs: runs.write_trial(trial_id, is_running=is_running))

    def _write_sweep(self) -> None:
        with self._lock:
            status = self._sweep_status
        if status != "running" and self._has_failed:  # what came of a lost answer: ask MLflow
            self._runs = None
            self._has_failed = False
        if not self._can_be_left({STATUS_TAG: status} if status else {}):
            self._write_all(lambda runs: runs.write_sweep(status or "running"))

    def _write_artifacts(self) -> None:
        with self._lock:
            paths = self._artifacts
        if not self._can_be_left({ARTIFACTS_TAG: digest_files(paths)}):
            self._write_all(lambda runs: runs.write_artifacts(paths))

    def _write_all(self, write: Callable[[MlflowRuns], None]) -> None:
        """Write what is of the sweep as a whole, and see which runs there are by now."""
        self._write(write)
        if self._runs is not None:
            self._ids_now = self._runs.run_ids

    def _write(self, write: Callable[[MlflowRuns], None]) -> None:
        try:
            if self._runs is None:
                self._runs = self._open()
            self._runs.check_file()
            write(self._runs)
            self._runs.check_file()
        except Exception:
            self._runs = None  # how far the writing came is unknown: MLflow is asked again
            self._has_failed = True
            raise

    def _open(self) -> MlflowRuns:
        make = open_remote_runs if self._is_apart else _load_mlflow_runs()
        runs = make(self._uri, self._experiment, self._sweep, self._tags)
        if self._ids_before is None:
            self._ids_before = runs.run_ids_found
        self._parent_run_id = runs.parent_id
        for trial_id in runs.trials_behind():
            self._put_trial(trial_id)
        if runs.parent_id not in runs.run_ids_found:  # though the sweep may have ended
            self._jobs.put(_SWEEP, self._write_sweep)
        return runs

    def _can_be_left(self, sweep_tags: Mapping[str, str]) -> bool:
        """Whether MLflow's database can be seen, without MLflow, to hold all that it should."""
        database = self._uri.database
        if self._runs is not None or database is None or not database.exists():
            return False
        try:
            runs = read_runs(database, self._sweep.name)
        except sqlite3.Error:
            return False
        if not is_up_to_date(runs, self._experiment, sweep_tags):
            return False
        self._parent_run_id = next(run.run_id for run in runs if SWEEP_TAG in run.tags)
        self._ids_now = frozenset(run.run_id for run in runs)
        self._ids_before = self._ids_before or self._ids_now
        return True

    def _say_failure(self, error: Exception) -> None:
        if not self._is_live:  # who only waits for it hears of it from `problems`
            return
        why = reason(error)
        what_to_do = advice(why)
        _log.warning(
            "MLflow at %s cannot be written: %s%s. The sweep goes on, its records are whole, and "
            "writing is tried again; after the sweep, `%s` writes what is missing.",
            self._uri,
            why,
            f"; {what_to_do}" if what_to_do else "",
            self._command,
        )


def _load_mlflow_runs() -> type[MlflowRuns]:
    """Import MLflow, which takes seconds and must therefore wait until it is needed."""
    for name, value in _MLFLOW_SETTINGS.items():
        os.environ.setdefault(name, value)
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # It prints a traceback of each error before raising it; the observer says it once.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", "The ``noload`` loader", DeprecationWarning)  # MLflow's use
    module = importlib.import_module("lmtune.tracking.mlflow_runs")
    loaded: type[MlflowRuns] = module.MlflowRuns
    return loaded
