"""MLflow in a process of its own: it answers as MLflow here would, and ends with who asks."""

from __future__ import annotations

import gc
import os
import signal
import sqlite3
import subprocess
from pathlib import Path

import pytest

from lmtune.errors import UserError
from lmtune.tracking import resolve_uri
from lmtune.tracking.mlflow_remote import RemoteError, open_remote_runs
from tests.tracking.simulation import FACTS, Sweep, Tracked, make_evaluation, make_trial

TRIAL = make_trial()

pytestmark = (
    pytest.mark.slow
)  # three imports of MLflow; every whole sweep of tests/e2e goes this way


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def pids(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Ids of the processes that are started."""
    started: list[int] = []
    popen = subprocess.Popen

    def noted(*arguments: object, **options: object) -> object:
        process = popen(*arguments, **options)  # type: ignore[call-overload]
        started.append(process.pid)
        return process

    monkeypatch.setattr(subprocess, "Popen", noted)
    return started


def test_remote_runs_when_used_write_and_fail_as_runs_here(project: Path, pids: list[int]) -> None:
    sweep = Sweep(project)
    recorder, _ = sweep.observers
    recorder.trial_started(TRIAL, FACTS)
    recorder.trial_evaluated(TRIAL, make_evaluation(1))
    uri = resolve_uri("sqlite:///mlruns/mlflow.db", project)
    runs = open_remote_runs(uri, sweep.records, sweep.spec, {})
    assert runs.trials_behind() == [TRIAL.trial_id]
    runs.write_trial(TRIAL.trial_id, is_running=True)
    runs.write_sweep("running")
    (child,) = Tracked(project, "demo").children.values()
    assert child.data.metrics["val_loss"] == 2.5

    sweep.records.trial(TRIAL.trial_id).spec_json.write_text("{}")
    with pytest.raises(UserError, match=r"spec\.json"):  # of ours: as it was raised
        runs.write_trial(TRIAL.trial_id, is_running=True)
    assert not is_alive(pids[0])

    runs = open_remote_runs(uri, sweep.records, sweep.spec, {})
    assert uri.database is not None
    uri.database.write_bytes(b"no database")
    with pytest.raises(RemoteError) as failed:
        runs.write_sweep("finished")
    assert isinstance(failed.value.__cause__, sqlite3.DatabaseError)
    assert not is_alive(pids[1])


def test_remote_runs_when_let_go_end_their_process(project: Path, pids: list[int]) -> None:
    sweep = Sweep(project)
    uri = resolve_uri("sqlite:///mlruns/mlflow.db", project)
    runs = open_remote_runs(uri, sweep.records, sweep.spec, {})
    assert is_alive(pids[0])
    del runs
    gc.collect()
    assert not is_alive(pids[0])


def test_remote_runs_when_their_process_is_killed_say_so(project: Path, pids: list[int]) -> None:
    sweep = Sweep(project)
    uri = resolve_uri("sqlite:///mlruns/mlflow.db", project)
    runs = open_remote_runs(uri, sweep.records, sweep.spec, {})
    os.kill(pids[0], signal.SIGKILL)
    with pytest.raises(ConnectionError, match="has ended"):
        runs.write_sweep("running")
