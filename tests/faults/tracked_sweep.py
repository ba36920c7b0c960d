"""A sweep whose MLflow is disturbed: how long it was held up, and what MLflow says in the end."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lmtune.records import ExperimentFolder
from lmtune.spec.result import Evaluation, Status
from lmtune.spec.sweep import MlflowTracking
from lmtune.spec.trial import TrialSpec
from lmtune.track import app
from lmtune.tracking import tracked_files
from lmtune.tracking.mlflow_state import read_runs
from tests.faults.figures import show
from tests.tracking.simulation import Sweep, Tracked

ROOT = Path(__file__).parents[2]
HELD_UP_S = 5.0
"""Far more than an observer may take, far less than MLflow's own patience of 20 s."""


class DisturbedSweep(Sweep):
    """A sweep with its inputs in the records, that keeps how long its observers held it up."""

    def __init__(self, project: Path, *, uri: str = MlflowTracking().uri) -> None:
        super().__init__(project, uri=uri)
        self.write_inputs()
        self.longest_s = 0.0

    def start_trial(self, trial: TrialSpec) -> None:
        with self._timed():
            super().start_trial(trial)

    def evaluate(self, trial: TrialSpec, *evaluations: Evaluation) -> None:
        for evaluation in evaluations:
            with self._timed():
                super().evaluate(trial, evaluation)

    def end_trial(self, trial: TrialSpec, status: Status, message: str = "") -> None:
        with self._timed():
            super().end_trial(trial, status, message)

    def end(self, *, finished: bool = False) -> None:
        """End as the driver does; by its records, the sweep is not finished."""
        super().end(finished=finished)
        self.mlflow.log_artifacts(tracked_files(self.records))

    def assert_brought_up_to_date(self, config: pytest.Config, fault: str) -> None:
        """No trial waited, and MLflow says what it says where nothing happened; show counts."""
        assert self.longest_s < HELD_UP_S
        counted = compare(self.records, self.uri)
        failed = f"{self.mlflow.num_failures} attempts failed"
        show(config, f"{fault}: {counted}, {failed}, trials waited {1000 * self.longest_s:.0f} ms")

    @contextmanager
    def _timed(self) -> Iterator[None]:
        start = time.monotonic()
        yield
        self.longest_s = max(self.longest_s, time.monotonic() - start)


def compare(records: ExperimentFolder, uri: str) -> str:
    """See that MLflow holds one run a trial, and in it just what the records hold.

    Args:
        records: the truth; MLflow was brought up to date from them.
        uri: of MLflow.

    Returns:
        What was found, in words.
    """
    project, name = records.path.parent.parent, records.path.name
    fresh = f"sqlite:///{project}/fresh.db"
    ended = CliRunner().invoke(app, [str(records.path), "--uri", fresh, "--json"])
    assert ended.exit_code == 0, ended.stderr
    tracked, expected = Tracked(project, name, uri=uri), Tracked(project, name, uri=fresh)
    trials = {trial.trial_id: trial.read() for trial in records.trials()}
    assert json.loads(ended.stdout)["added"] == 1 + len(trials)
    assert tracked.content() == expected.content()
    assert all(run.info.status != "RUNNING" for run in tracked.runs)
    assert tracked.children.keys() == trials.keys()
    num_points = 0
    for trial_id, trial in trials.items():
        rows = [(row.epoch, row.val_loss) for row in trial.curve]
        assert tracked.points(trial.spec, "val_loss") == rows, trial_id
        num_points += len(rows)
    return f"{len(trials)} trials, {len(tracked.children)} children, {num_points} epochs in both"


def track(experiment: Path, *arguments: str) -> dict[str, Any]:
    """What the command says, run as a user does."""
    ended = run_track(experiment, "--json", *arguments)
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stderr
    content: dict[str, Any] = json.loads(ended.stdout)
    return content


def run_track(experiment: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`python -m lmtune.track`, in a process of its own."""
    command = [sys.executable, "-m", "lmtune.track", str(experiment), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200)


def num_tracked(database: Path) -> int:
    """Runs of the sweep and its trials; 0 where the database cannot be read."""
    try:
        return len(read_runs(database, "demo"))
    except sqlite3.Error:
        return 0


_HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=100)
connection.execute(sys.argv[2])
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def locked(database: Path, begin: str = "BEGIN IMMEDIATE") -> Iterator[None]:
    """Another process holds the database while the block runs."""
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(database), begin],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield
    finally:
        holder.communicate(timeout=30)
