"""MLflow follows the records, in a thread of its own, so that no trial ever waits for it.

The observer only notes which runs are out of date. The thread reads the records and writes what
MLflow lacks: several evaluations of a trial become one call, and after an error (a locked
database, a server that is away) it does the same again, until MLflow has everything.
"""

from __future__ import annotations

import importlib
import logging
import os
import sqlite3
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lmtune.credentials import mask_credentials
from lmtune.errors import Problem
from lmtune.records import ExperimentFolder
from lmtune.spec.result import Evaluation, TrialFacts, TrialResult
from lmtune.spec.sweep import MlflowTracking, SweepSpec
from lmtune.spec.trial import TrialSpec
from lmtune.tracking.background import BackgroundJobs
from lmtune.tracking.mlflow_remote import open_remote_runs
from lmtune.tracking.mlflow_state import (
    ARTIFACTS_TAG,
    STATUS_TAG,
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

_DRAIN_S = 75.0  # three attempts at a locked SQLite database take 20 s each

# Jobs that no trial is named like.
_SWEEP = "sweep"
_SWEEP_END = "end of sweep"
_ARTIFACTS = "artifacts"

_MLFLOW_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_CONFIGURE_LOGGING": "false",  # else it takes over the handlers of Optuna's alembic
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # the thread tries again itself
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "GIT_PYTHON_REFRESH": "quiet",  # no warning where git is not installed
}


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
        self._experiment = experiment
        self._sweep = sweep
        self._tags = {} if git_commit is None else {"lmtune.git_commit": git_commit}
        self._is_apart = is_apart
        self._jobs = BackgroundJobs("mlflow", self._say_failure)
        self._is_complete = True
        self._runs: MlflowRuns | None = None  # the thread's alone
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
        reason = f"not done within {_DRAIN_S:.0f} s" if error is None else _first_line(error)
        return [
            Problem(
                where="tracking.mlflow.uri",
                what=f"MLflow at {self._uri} could not be brought up to date: {reason}",
                fix="the records hold everything; once MLflow can be written, run the same "
                "command again, which writes what is missing",
            )
        ]

    def sweep_started(
        self, sweep: SweepSpec, datasets: Mapping[str, Dataset | PairsDataset]
    ) -> None:
        """Have the database made, and runs mended that an earlier driver left behind."""
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
        """Close every run and wait, for a bounded time, until all is written; see `problems`."""
        with self._lock:
            left_over = sorted(self._running)
            self._running.clear()
            self._sweep_status = "finished" if finished else "interrupted"
        for trial_id in left_over:
            self._put_trial(trial_id)
        self._jobs.put(_SWEEP_END, self._write_sweep)  # after what waits already
        self._is_complete = self._jobs.drain(_DRAIN_S)

    def log_artifacts(self, paths: Sequence[Path]) -> None:
        """Keep files with the sweep's run, after `sweep_ended`; missing ones are left out.

        Waits for a bounded time; see `problems`.
        """
        with self._lock:
            self._artifacts = tuple(path for path in paths if path.is_file())
        self._jobs.put(_ARTIFACTS, self._write_artifacts)
        self._is_complete = self._jobs.drain(_DRAIN_S)

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
        if not self._can_be_left({STATUS_TAG: status} if status else {}):
            self._write(lambda runs: runs.write_sweep(status or "running"))

    def _write_artifacts(self) -> None:
        with self._lock:
            paths = self._artifacts
        if not self._can_be_left({ARTIFACTS_TAG: digest_files(paths)}):
            self._write(lambda runs: runs.write_artifacts(paths))

    def _write(self, write: Callable[[MlflowRuns], None]) -> None:
        try:
            if self._runs is None:
                self._runs = self._open()
            write(self._runs)
        except Exception:
            self._runs = None  # how far the writing came is unknown: MLflow is asked again
            raise

    def _open(self) -> MlflowRuns:
        make = open_remote_runs if self._is_apart else _load_mlflow_runs()
        runs = make(self._uri, self._experiment, self._sweep, self._tags)
        for trial_id in runs.trials_behind():
            self._put_trial(trial_id)
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
        return is_up_to_date(runs, self._experiment, sweep_tags)

    def _say_failure(self, error: Exception) -> None:
        _log.warning(
            "MLflow at %s cannot be written: %s. The sweep goes on, its records are whole, and "
            "writing is tried again. See that the address is right and that nothing locks it.",
            self._uri,
            _first_line(error),
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


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return mask_credentials(text.splitlines()[0])
