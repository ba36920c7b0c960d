"""Writes the run of a trial that has ended into MLflow's database at once, as rows.

For trials too short to be followed, and for `lmtune.track`: MLflow's own calls, which look up what
is there already before each of a dozen transactions, take ten times as long. A test compares the
rows with those that the calls make.

Imports MLflow, as mlflow_runs.py does.
"""

from __future__ import annotations

import math
import sqlite3
import sys
import uuid
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow.entities import LifecycleStage, Metric, Param, RunTag, SourceType
from mlflow.store.tracking.dbmodels.models import (
    Base,
    SqlLatestMetric,
    SqlMetric,
    SqlParam,
    SqlRun,
    SqlTag,
)
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME
from mlflow.utils.uri import append_to_uri_path
from mlflow.utils.validation import _validate_batch_log_data  # which also cuts long values

from lmtune.tracking.mlflow_database import connect

_USER = "unknown"  # as the calls have it without a tag that names one


@dataclass(frozen=True)
class WholeRun:
    """All of a run that has ended.

    Attributes:
        start_ms: since 1970, as is `end_ms`.
        status: MLflow's.
    """

    name: str
    start_ms: int
    end_ms: int
    status: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Sequence[Metric]


def insert_run(database: Path, experiment_id: str, artifacts: str, run: WholeRun) -> str:
    """Write a run in one transaction, and return its new id.

    Args:
        database: MLflow's, which exists.
        experiment_id: of the experiment that it goes to.
        artifacts: where the experiment keeps those of its runs.
        run: to be written.

    Raises:
        sqlite3.Error: nothing was written.
    """
    run_id = uuid.uuid4().hex
    tags = {**run.tags, MLFLOW_RUN_NAME: run.name}
    metrics, params, run_tags = _validate_batch_log_data(
        run.metrics,
        [Param(name, value) for name, value in run.params.items()],
        [RunTag(name, value) for name, value in tags.items()],
    )
    points = [_point(metric) for metric in metrics]
    latest = {point["key"]: point for point in points}  # epochs rise
    row = {
        "run_uuid": run_id,
        "name": run.name,
        "artifact_uri": append_to_uri_path(
            artifacts, run_id, SqlAlchemyStore.ARTIFACTS_FOLDER_NAME
        ),
        "experiment_id": int(experiment_id),
        "source_type": SourceType.to_string(SourceType.UNKNOWN),
        "source_name": "",
        "entry_point_name": "",
        "source_version": "",
        "user_id": _USER,
        "status": run.status,
        "start_time": run.start_ms,
        "end_time": run.end_ms,
        "lifecycle_stage": LifecycleStage.ACTIVE,
    }
    entries = [
        [{"key": each.key, "value": each.value} for each in kind] for kind in (run_tags, params)
    ]
    with closing(connect(database)) as connection, connection:
        _insert(connection, SqlRun, [row])
        for table, rows in zip(
            (SqlTag, SqlParam, SqlMetric, SqlLatestMetric),
            (*entries, points, list(latest.values())),
            strict=True,
        ):
            _insert(connection, table, [{**each, "run_uuid": run_id} for each in rows])
    return run_id


def _insert(
    connection: sqlite3.Connection, table: type[Base], rows: Sequence[Mapping[str, Any]]
) -> None:
    if rows:
        columns = ", ".join(rows[0])
        values = ", ".join(f":{name}" for name in rows[0])
        command = f"INSERT INTO {table.__tablename__} ({columns}) VALUES ({values})"
        connection.executemany(command, rows)


def _point(metric: Metric) -> dict[str, Any]:
    """A row of metrics; SQL has neither NaN nor infinity."""
    is_nan = math.isnan(metric.value)
    return {
        "key": metric.key,
        "value": 0.0 if is_nan else max(-sys.float_info.max, min(metric.value, sys.float_info.max)),
        "timestamp": metric.timestamp,
        "step": metric.step,
        "is_nan": is_nan,
    }
