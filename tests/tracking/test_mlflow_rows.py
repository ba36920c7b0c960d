"""Rows that are written at once equal those that MLflow's own calls make, column for column."""

from __future__ import annotations

import math
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from lmtune.spec.result import Status
from lmtune.tracking import resolve_uri
from lmtune.tracking.mlflow_runs import MlflowRuns
from tests.tracking.simulation import Sweep, make_evaluation, make_trial


@pytest.fixture
def rows_of(
    tmp_path: Path, migrated_database: Path
) -> Callable[[str, Sweep, list[bool]], dict[str, list[dict[str, Any]]]]:
    """What a database holds after a sweep's trials were written: while running, when ended."""

    def write(name: str, sweep: Sweep, when: list[bool]) -> dict[str, list[dict[str, Any]]]:
        folder = tmp_path / name / "mlruns"
        folder.mkdir(parents=True)
        database = Path(shutil.copy(migrated_database, folder / "mlflow.db"))
        uri = resolve_uri(f"sqlite:///{database}", folder.parent)
        runs = MlflowRuns(uri, sweep.records, sweep.spec, {"lmtune.git_commit": "abc123"})
        for is_running in when:
            for trial in sweep.records.trials():
                runs.write_trial(trial.trial_id, is_running=is_running)
        return read(database)

    return write


def read(database: Path) -> dict[str, list[dict[str, Any]]]:
    """Every row of the tables that runs are kept in, each run under its trial's id."""
    with closing(sqlite3.connect(database)) as connection:
        connection.row_factory = sqlite3.Row
        trial_ids = dict(
            connection.execute("SELECT run_uuid, value FROM tags WHERE key = 'lmtune.trial_id'")
        )
        tables: dict[str, list[dict[str, Any]]] = {}
        for table in ("runs", "tags", "params", "metrics", "latest_metrics"):
            rows = [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]
            of_trials = [row for row in rows if row["run_uuid"] in trial_ids]
            for row in of_trials:
                assert len(row["run_uuid"]) == 32
                row["run_uuid"] = trial_ids[row["run_uuid"]]
                if row.get("key") == "mlflow.parentRunId":
                    row["value"] = "the parent's"
            tables[table] = sorted(of_trials, key=repr)
    return tables


def test_rows_when_written_at_once_equal_those_of_mlflows_calls(
    tmp_path: Path,
    rows_of: Callable[[str, Sweep, list[bool]], dict[str, list[dict[str, Any]]]],
) -> None:
    sweep = Sweep(tmp_path)
    sweep.observers = sweep.observers[:1]  # the records alone
    sweep.start()
    sweep.run_trial(make_trial(1e-3))
    endings: list[tuple[float, float, Status, str]] = [
        (1e-2, math.nan, "diverged", "the loss is not finite"),
        (1e-1, math.inf, "diverged", ""),
        (1.0, 2.0, "failed", "x" * 9000),
    ]
    for learning_rate, loss, status, message in endings:
        trial = make_trial(learning_rate)
        sweep.start_trial(trial)
        sweep.evaluate(trial, make_evaluation(1), make_evaluation(2, loss))
        sweep.end_trial(trial, status, message)
    stopped_at_once = make_trial(2.0)
    sweep.start_trial(stopped_at_once)
    sweep.end_trial(stopped_at_once, "failed", "no epoch")

    called = rows_of("calls", sweep, [True, False])
    written = rows_of("rows", sweep, [False])

    assert len(written["runs"]) == 5
    assert len(written["metrics"]) > 100
    for tables, name in ((called, "calls"), (written, "rows")):
        for run in tables["runs"]:
            path = run.pop("artifact_uri")
            assert path.startswith(f"{tmp_path}/{name}/mlruns/artifacts/demo/")
            assert path.endswith("/artifacts")
    assert written == called
