"""How far MLflow is behind the records, found without importing MLflow.

A run says in its tags how its trial stands; the records say how it should stand. Comparing the
two is all that a sweep which is run again has to do.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal

from lmtune.errors import UserError
from lmtune.records import ExperimentFolder, TrialFolder
from lmtune.spec.result import Status

SWEEP_TAG = "lmtune.sweep"
TRIAL_TAG = "lmtune.trial_id"
STATUS_TAG = "lmtune.status"
EPOCHS_TAG = "lmtune.epochs_done"
ARTIFACTS_TAG = "lmtune.artifacts"
PARENT_TAG = "mlflow.parentRunId"  # MLflow's own: its pages nest runs by it

SweepStatus = Literal["running", "finished", "interrupted"]

RUN_STATUSES: Mapping[str, str] = {
    "running": "RUNNING",
    "finished": "FINISHED",
    "completed": "FINISHED",
    "stopped": "KILLED",
    "interrupted": "KILLED",
    "diverged": "FAILED",
    "failed": "FAILED",
}
"""MLflow's word for each of ours. The tag tells those apart for which MLflow has one word."""


@dataclass(frozen=True)
class TrackedRun:
    """One run as it is found in MLflow.

    Attributes:
        status: MLflow's word.
        tags: those of lmtune and the parent's, at least.
    """

    run_id: str
    status: str
    tags: Mapping[str, str]

    @property
    def is_ours(self) -> bool:
        """Whether it belongs to a sweep or a trial; a user may keep runs of their own beside."""
        return SWEEP_TAG in self.tags or TRIAL_TAG in self.tags

    @property
    def trial_state(self) -> tuple[str, str, str]:
        """What a trial's run must agree with the records in."""
        return self.status, self.tags.get(STATUS_TAG, ""), self.tags.get(EPOCHS_TAG, "")


def trials_behind(
    experiment: ExperimentFolder, tracked: Mapping[str, TrackedRun]
) -> Iterator[TrialFolder]:
    """The recorded trials whose run is missing or says something else than the records.

    Args:
        experiment: the records.
        tracked: runs by trial id.
    """
    for trial in experiment.trials():
        run = tracked.get(trial.trial_id)
        if run is None or run.trial_state != _recorded_state(trial):
            yield trial


def _recorded_state(trial: TrialFolder) -> tuple[str, str, str] | None:
    """As `TrackedRun.trial_state`, of a trial that does not run; None for an unreadable record."""
    try:
        result = trial.read_result()
        status: Status = "interrupted" if result is None else result.status
        epochs_done = len(trial.read_curve()) if result is None else result.epochs_done
    except UserError:  # said when the trial's run is written
        return None
    return RUN_STATUSES[status], status, str(epochs_done)


def by_trial(runs: Iterable[TrackedRun]) -> dict[str, TrackedRun]:
    """The runs that belong to a trial, by its id."""
    return {run.tags[TRIAL_TAG]: run for run in runs if TRIAL_TAG in run.tags}


def strays(experiment: ExperimentFolder, tracked: Mapping[str, TrackedRun]) -> Iterator[TrackedRun]:
    """Runs that are said to be running, of trials that the records do not have any more.

    Args:
        experiment: the records, of a sweep that does not run.
        tracked: runs by trial id.
    """
    for trial_id, run in tracked.items():
        if run.status == "RUNNING" and not experiment.trial(trial_id).spec_json.exists():
            yield run


def is_up_to_date(
    runs: Sequence[TrackedRun], experiment: ExperimentFolder, sweep_tags: Mapping[str, str]
) -> bool:
    """Whether MLflow holds the sweep, with these tags among others, and all that is recorded."""
    sweeps = [run for run in runs if SWEEP_TAG in run.tags]
    if len(sweeps) != 1 or not sweep_tags.items() <= sweeps[0].tags.items():
        return False
    if sweeps[0].status != RUN_STATUSES.get(sweeps[0].tags.get(STATUS_TAG, "")):
        return False
    trials = by_trial(runs)
    children = [run for run in runs if run.tags.get(PARENT_TAG) == sweeps[0].run_id]
    if not len(trials) == len(children) == len(runs) - 1:  # doubles, or another parent's
        return False
    wrong = chain(trials_behind(experiment, trials), strays(experiment, trials))
    return next(wrong, None) is None


def read_runs(database: Path, name: str) -> list[TrackedRun]:
    """The runs of a sweep and its trials, read from MLflow's database itself.

    Importing MLflow takes seconds, which a command that finds nothing to do should not cost.
    MLflow's `runs`, `tags` and `experiments` tables have had these columns since 2019.

    Raises:
        sqlite3.Error: the database is locked, or has other tables; ask MLflow then.
    """
    query = """
        SELECT runs.run_uuid, runs.status, tags.key, tags.value
        FROM experiments JOIN runs USING (experiment_id) JOIN tags USING (run_uuid)
        WHERE experiments.name = ? AND runs.lifecycle_stage = 'active'
            AND (tags.key LIKE 'lmtune.%' OR tags.key = ?)
    """
    found: dict[tuple[str, str], dict[str, str]] = {}
    with closing(
        sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=1)
    ) as connection:
        for run_id, status, key, value in connection.execute(query, (name, PARENT_TAG)):
            found.setdefault((run_id, status), {})[key] = value
    runs = [TrackedRun(run_id, status, tags) for (run_id, status), tags in found.items()]
    return [run for run in runs if run.is_ours]


def digest_files(paths: Sequence[Path]) -> str:
    """A hash of names and contents, to see whether artifacts must be logged again."""
    digest = hashlib.sha256()
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                digest.update(f"{file.name}\n{file.stat().st_size}\n".encode())
                digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
