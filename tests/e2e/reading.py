"""Reads back what a sweep left behind, with other means than those that wrote it."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
from optuna.trial import TrialState

from lmtune.tuning.study import open_storage


class Records:
    """The records of an experiment, read with pandas and json.

    Args:
        project: the directory that the sweep ran in.
        name: of the sweep.
    """

    def __init__(self, project: Path, name: str) -> None:
        self.path = project / "experiments" / name

    @property
    def trials(self) -> pd.DataFrame:
        """`trials.csv`, by trial id."""
        table = pd.read_csv(self.path / "trials.csv", index_col="trial_id")
        assert table.index.is_unique
        return table

    @property
    def curves(self) -> pd.DataFrame:
        """`curves.csv`, without the seconds, which no two runs share."""
        return pd.read_csv(self.path / "curves.csv").drop(columns="elapsed_s")

    @property
    def summary(self) -> dict[str, Any]:
        """`summary.json`."""
        return self.json("summary.json")

    def json(self, *parts: str) -> dict[str, Any]:
        """The content of a JSON file."""
        text = self.path.joinpath(*parts).read_text(encoding="utf-8")
        content: dict[str, Any] = json.loads(text)
        return content

    def last_weights(self) -> dict[str, bytes]:
        """The last weights of each trial, by trial id."""
        return self._weights("last")

    def best_weights(self) -> dict[str, bytes]:
        """The weights after each trial's best epoch, by trial id."""
        return self._weights("best")

    def epochs(self, trial_id: str) -> int:
        """Rows of a trial's curve so far."""
        curve = self.path / "trials" / trial_id / "curve.jsonl"
        return len(curve.read_bytes().splitlines()) if curve.exists() else 0

    def has_ended(self, trial_id: str) -> bool:
        """Whether a trial has a result."""
        return (self.path / "trials" / trial_id / "result.json").exists()

    def _weights(self, kind: str) -> dict[str, bytes]:
        files = self.path.glob(f"trials/*/checkpoints/{kind}/model.safetensors")
        return {file.parts[-4]: file.read_bytes() for file in files}


@dataclass
class Run:
    """A run in MLflow's database.

    Attributes:
        points: metric name -> (step, value) of each point.
    """

    run_id: str
    status: str
    tags: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    points: dict[str, list[tuple[int, float]]] = field(default_factory=lambda: defaultdict(list))


@dataclass(frozen=True)
class Tracked:
    """The runs of a sweep: those of the sweep itself, and those of its trials."""

    parents: list[Run]
    children: list[Run]

    @property
    def by_trial(self) -> dict[str, Run]:
        """The trials' runs by trial id; there must be one for each."""
        runs = {run.tags["lmtune.trial_id"]: run for run in self.children}
        assert len(runs) == len(self.children), "a trial has two runs"
        return runs

    @property
    def num_points(self) -> int:
        """Points of all metrics of all runs."""
        return sum(len(each) for run in self.children for each in run.points.values())


def tracked(project: Path, name: str) -> Tracked:
    """The active runs of an MLflow experiment, by SQL."""
    database = project / "mlruns" / "mlflow.db"
    runs: dict[str, Run] = {}
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
        for run_id, status in connection.execute(
            "SELECT run_uuid, runs.status FROM runs JOIN experiments USING (experiment_id) "
            "WHERE experiments.name = ? AND runs.lifecycle_stage = 'active'",
            (name,),
        ):
            runs[run_id] = Run(run_id, status)
        for table in ("tags", "params"):
            for run_id, key, value in connection.execute(
                f"SELECT run_uuid, key, value FROM {table}"
            ):
                if run_id in runs:
                    getattr(runs[run_id], table)[key] = value
        for run_id, key, step, value in connection.execute(
            "SELECT run_uuid, key, step, value FROM metrics ORDER BY step"
        ):
            if run_id in runs:
                runs[run_id].points[key].append((step, value))
    parents = [run for run in runs.values() if "mlflow.parentRunId" not in run.tags]
    children = [run for run in runs.values() if "mlflow.parentRunId" in run.tags]
    return Tracked(parents, children)


def proposal_states(project: Path, name: str) -> dict[str, list[TrialState]]:
    """The states of all Optuna trials, by the variant that the study is of."""
    storage = open_storage(project / "experiments" / name / "study")
    states: dict[str, list[TrialState]] = {}
    for summary in optuna.get_all_study_summaries(storage):
        variant = summary.study_name.rpartition(" ")[0]
        study = optuna.load_study(study_name=summary.study_name, storage=storage)
        states.setdefault(variant, []).extend(trial.state for trial in study.get_trials())
    return states
