"""The runs of one sweep in MLflow, brought to what the records say.

Imports MLflow, which takes seconds: only the observer's thread loads this module. Every method
may be called again after an error, and then writes what is missing, nothing twice.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow import MlflowClient
from mlflow.entities import LifecycleStage, Metric, Param, Run, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from lmtune.records import ExperimentFolder, TrialFolder, TrialRecord
from lmtune.spec.result import Evaluation
from lmtune.spec.sweep import SweepSpec
from lmtune.spec.trial import TrialSpec
from lmtune.tracking.mlflow_content import (
    MESSAGE_TAG,
    final_tags,
    metrics,
    run_name,
    trial_params,
    trial_tags,
)
from lmtune.tracking.mlflow_database import (
    file_identity,
    fold_in_wal,
    forget_connections,
    prepare_database,
)
from lmtune.tracking.mlflow_model import save_mlflow_model
from lmtune.tracking.mlflow_rows import WholeRun, insert_run
from lmtune.tracking.mlflow_state import (
    ARTIFACTS_TAG,
    EPOCHS_TAG,
    PARENT_TAG,
    RUN_STATUSES,
    STATUS_TAG,
    SWEEP_TAG,
    TRIAL_TAG,
    SweepStatus,
    TrackedRun,
    by_trial,
    digest_files,
    strays,
    trials_behind,
)
from lmtune.tracking.uri import TrackingUri

_EVALUATIONS_A_BATCH = 50  # MLflow takes 1000 metrics, parameters and tags at once
_RUNS_A_PAGE = 1000


@dataclass
class _TrialRun:
    """What is known to be in MLflow of a trial; each evaluation is logged once.

    Attributes:
        start_ms: when the run started, in ms since 1970; the clock of its metrics.
        epochs_logged: the last epoch whose metrics are there.
        ended_as: how it is said to have ended, as `TrackedRun.trial_state`; None while it runs.
    """

    run_id: str
    start_ms: int
    epochs_logged: int
    has_params: bool
    has_message: bool
    ended_as: tuple[str, str, str] | None


class MlflowRuns:
    """One MLflow experiment: a parent run for the sweep, a child run for each trial.

    Runs are found by their tags, so that a sweep that is run again goes on in the same ones.

    Args:
        uri: where the runs are kept; a SQLite database that does not exist yet is made.
        records: the truth.
        sweep: names the MLflow experiment.
        tags: what to say of every run, such as the git commit.

    Raises:
        Exception: MLflow and what lies under it raise many kinds. This goes for every method.
    """

    def __init__(
        self,
        uri: TrackingUri,
        records: ExperimentFolder,
        sweep: SweepSpec,
        tags: Mapping[str, str],
    ) -> None:
        self._database = uri.database
        self._records = records
        self._sweep = sweep
        self._tags = dict(tags)
        self._file = None
        if uri.database is not None:
            prepare_database(uri.database)
            forget_connections(uri.address)
            self._file = file_identity(uri.database)
        self._client = MlflowClient(uri.address)
        self._experiment_id = self._find_or_create_experiment(uri.artifacts)
        self._artifacts = self._client.get_experiment(self._experiment_id).artifact_location
        runs = self._without_doubles(list(self._search()))
        self._trials = {
            run.data.tags[TRIAL_TAG]: _trial_run(run) for run in runs if TRIAL_TAG in run.data.tags
        }
        self._found = [_tracked(run) for run in runs]
        self.run_ids_found = frozenset(run.run_id for run in self._found)
        self.parent_id = self._find_or_create_parent()
        self._adopt_children()

    @property
    def run_ids(self) -> frozenset[str]:
        """The runs of the sweep and of its trials."""
        return frozenset({self.parent_id, *(run.run_id for run in self._trials.values())})

    def check_file(self) -> None:
        """See that the database is still the one that was opened.

        Raises:
            FileNotFoundError: it is not; what was written since is lost with it.
        """
        if self._database is not None and file_identity(self._database) != self._file:
            raise FileNotFoundError(f"{self._database} was deleted while it was in use")

    def trials_behind(self) -> list[str]:
        """Ids of the recorded trials that were not as the records say when the runs were read."""
        behind = trials_behind(self._records, by_trial(self._found))
        return [trial.trial_id for trial in behind]

    def write_sweep(self, status: SweepStatus) -> None:
        """Set the status of the parent run; nothing stays running in a sweep that has ended."""
        if status != "running":
            self._end_strays()
        self._client.log_batch(self.parent_id, tags=_run_tags({STATUS_TAG: status}))
        self._set_status(self.parent_id, RUN_STATUSES[status], self._last_end_ms())
        if status != "running" and self._database is not None:
            fold_in_wal(self._database)

    def write_trial(self, trial_id: str, *, is_running: bool) -> None:
        """Bring a trial's run to what the records hold: parameters, curve, tags, status."""
        folder = self._records.trial(trial_id)
        record = folder.read()
        tags = {} if is_running else final_tags(record)
        status = "RUNNING" if is_running else RUN_STATUSES[record.status]
        ended_as = None if is_running else (status, tags[STATUS_TAG], tags[EPOCHS_TAG])
        run = self._trials.get(trial_id)
        if run is None and self._database is not None and not is_running:
            self._trials[trial_id] = self._insert_ended(self._database, folder, record)
            return
        if run is None:
            run = self._trials[trial_id] = self._create_trial_run(folder, record.spec)
        elif run.ended_as is not None:
            if run.ended_as == ended_as:
                return
            self._reopen(run, record.spec)
        params = {} if run.has_params else trial_params(record)
        self._log(run, _new_metrics(record.curve, run), params, tags)
        run.has_params = True
        run.has_message = run.has_message or MESSAGE_TAG in tags
        run.epochs_logged = max(run.epochs_logged, len(record.curve))
        if not is_running:
            ended_ms = _modified_ms(folder.result_json) if record.result else None
            self._set_status(run.run_id, status, ended_ms)
            run.ended_as = ended_as

    def write_artifacts(self, paths: Sequence[Path]) -> None:
        """Copy files to the parent run, in place of those of the same names."""
        for path in paths:
            if path.is_dir():
                self._write_model(path)
            else:
                self._client.log_artifact(self.parent_id, str(path))
        self._client.set_tag(self.parent_id, ARTIFACTS_TAG, digest_files(paths))
        if self._database is not None:
            fold_in_wal(self._database)

    def _write_model(self, folder: Path) -> None:
        """Keep a model with the parent run, for `mlflow.pyfunc.load_model`, with the code of it."""
        with TemporaryDirectory(prefix="lmtune-model-") as temporary:
            made = Path(temporary, folder.name)
            save_mlflow_model(folder, made)
            self._client.log_artifacts(self.parent_id, str(made), folder.name)

    def _log(
        self,
        run: _TrialRun,
        batches: Sequence[Sequence[Metric]],
        params: Mapping[str, str],
        tags: Mapping[str, str],
    ) -> None:
        """Log in as few calls as MLflow allows; the tags come last: they say that all is there."""
        *full, last = batches or [[]]
        for batch in full:
            self._client.log_batch(run.run_id, metrics=batch)
        if last or params or tags:
            entries = [Param(name, value) for name, value in params.items()]
            self._client.log_batch(run.run_id, last, entries, _run_tags(tags))

    def _reopen(self, run: _TrialRun, spec: TrialSpec) -> None:
        """Go on in the run of a trial that is resumed, perhaps for another variant or phase."""
        if run.has_message:
            self._client.delete_tag(run.run_id, MESSAGE_TAG)
            run.has_message = False
        tags = {**trial_tags(spec), STATUS_TAG: "running"}
        self._client.log_batch(run.run_id, tags=_run_tags(tags))
        self._client.update_run(run.run_id, status="RUNNING", name=run_name(spec))
        run.ended_as = None

    def _set_status(self, run_id: str, status: str, ended_ms: int | None = None) -> None:
        """Set MLflow's status; the time that a run ended is now if it is not given."""
        if status == "RUNNING":
            self._client.update_run(run_id, status=status)
        else:
            self._client.set_terminated(run_id, status, ended_ms)

    def _create_trial_run(self, folder: TrialFolder, spec: TrialSpec) -> _TrialRun:
        run = self._client.create_run(
            self._experiment_id,
            start_time=_modified_ms(folder.spec_json),
            run_name=run_name(spec),
            tags={**self._first_tags(spec), STATUS_TAG: "running"},
        )
        return _trial_run(run)

    def _first_tags(self, spec: TrialSpec) -> dict[str, str]:
        return {**self._tags, **trial_tags(spec), PARENT_TAG: self.parent_id}

    def _insert_ended(self, database: Path, folder: TrialFolder, record: TrialRecord) -> _TrialRun:
        """Make the run of a trial that has ended before there was one."""
        tags, start_ms = final_tags(record), _modified_ms(folder.spec_json)
        run = _TrialRun(
            run_id="",
            start_ms=start_ms,
            epochs_logged=0,
            has_params=True,
            has_message=MESSAGE_TAG in tags,
            ended_as=(RUN_STATUSES[record.status], tags[STATUS_TAG], tags[EPOCHS_TAG]),
        )
        whole = WholeRun(
            name=run_name(record.spec),
            start_ms=start_ms,
            end_ms=_modified_ms(folder.result_json) if record.result else _now_ms(),
            status=RUN_STATUSES[record.status],
            tags={**self._first_tags(record.spec), **tags},
            params=trial_params(record),
            metrics=list(chain(*_new_metrics(record.curve, run))),
        )
        run.run_id = insert_run(database, self._experiment_id, self._artifacts, whole)
        run.epochs_logged = len(record.curve)
        return run

    def _find_or_create_experiment(self, artifacts: Path | None) -> str:
        name = self._sweep.name
        experiment = self._client.get_experiment_by_name(name)
        if experiment is None:
            location = None if artifacts is None else str(artifacts / name)
            created: str = self._client.create_experiment(name, artifact_location=location)
            return created
        if experiment.lifecycle_stage == LifecycleStage.DELETED:
            self._client.restore_experiment(experiment.experiment_id)
        found: str = experiment.experiment_id
        return found

    def _find_or_create_parent(self) -> str:
        found = next((run.run_id for run in self._found if SWEEP_TAG in run.tags), None)
        if found is not None:
            return found
        tags = {
            **self._tags,
            SWEEP_TAG: self._sweep.name,
            STATUS_TAG: "running",
            "lmtune.metric": f"{self._sweep.metric.goal} {self._sweep.metric.name}",
            MLFLOW_RUN_NOTE: self._sweep.question,
        }
        started_ms = (_modified_ms(trial.spec_json) for trial in self._records.trials())
        run = self._client.create_run(
            self._experiment_id,
            start_time=min(started_ms, default=None),  # now, where no trial has started
            run_name=self._sweep.name,
            tags=tags,
        )
        run_id: str = run.info.run_id
        return run_id

    def _last_end_ms(self) -> int | None:
        results = (trial.result_json for trial in self._records.trials())
        return max((_modified_ms(each) for each in results if each.exists()), default=None)

    def _without_doubles(self, runs: Sequence[Run]) -> list[Run]:
        """The runs of the sweep and its trials, one each.

        A server that was killed or hung may have made a run without an answer getting through, so
        that it was asked for twice. Of two, the one that holds less goes to MLflow's trash.
        """
        kept: dict[str, Run] = {}
        for run in sorted(filter(_is_ours, runs), key=_content_rank):
            tags = run.data.tags
            if (double := kept.get(tags.get(TRIAL_TAG, ""))) is not None:
                self._client.delete_run(double.info.run_id)
            kept[tags.get(TRIAL_TAG, "")] = run
        return list(kept.values())

    def _adopt_children(self) -> None:
        """Show the trials' runs under the sweep's, where an earlier one of it was deleted."""
        for run in self._found:
            if TRIAL_TAG in run.tags and run.tags.get(PARENT_TAG) != self.parent_id:
                self._client.set_tag(run.run_id, PARENT_TAG, self.parent_id)

    def _end_strays(self) -> None:
        for run in strays(self._records, by_trial(self._found)):
            self._client.set_tag(run.run_id, STATUS_TAG, "interrupted")
            self._client.set_terminated(run.run_id, RUN_STATUSES["interrupted"])

    def _search(self) -> Iterator[Run]:
        """All runs of the experiment."""
        page_token: str | None = None
        while True:
            page = self._client.search_runs(
                [self._experiment_id], max_results=_RUNS_A_PAGE, page_token=page_token
            )
            yield from page
            page_token = page.token
            if not page_token:
                return


def _trial_run(run: Run) -> _TrialRun:
    return _TrialRun(
        run_id=run.info.run_id,
        start_ms=run.info.start_time,
        epochs_logged=int(run.data.metrics.get("epoch", 0)),
        has_params=bool(run.data.params),
        has_message=MESSAGE_TAG in run.data.tags,
        ended_as=None if run.info.status == "RUNNING" else _tracked(run).trial_state,
    )


def _is_ours(run: Run) -> bool:
    return _tracked(run).is_ours


def _content_rank(run: Run) -> tuple[float, int, str]:
    """Sort key, the run that holds most last; of two that hold as much, the older one."""
    return run.data.metrics.get("epoch", 0), -run.info.start_time, run.info.run_id


def _tracked(run: Run) -> TrackedRun:
    return TrackedRun(run.info.run_id, run.info.status, run.data.tags)


def _run_tags(tags: Mapping[str, str]) -> list[RunTag]:
    return [RunTag(key, value) for key, value in tags.items()]


def _new_metrics(curve: Sequence[Evaluation], run: _TrialRun) -> list[list[Metric]]:
    """Batches of the metrics of the epochs that are not logged yet, each at step = epoch.

    The time of a metric is the run's start plus the time trained: an interruption leaves no gap in
    the UI's time axis, and what is logged again after an error is the same row, not a second one.
    """
    points = [
        [
            Metric(name, value, run.start_ms + round(1000 * row.elapsed_s), row.epoch)
            for name, value in values.items()
        ]
        for row, values in metrics(curve)
        if row.epoch > run.epochs_logged
    ]
    batches = range(0, len(points), _EVALUATIONS_A_BATCH)
    return [list(chain(*points[first : first + _EVALUATIONS_A_BATCH])) for first in batches]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _modified_ms(path: Path) -> int:
    return path.stat().st_mtime_ns // 1_000_000
