"""Against a real MLflow with a real SQLite database."""

from __future__ import annotations

import logging
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from mlflow.entities import Run

from lmtune.spec.result import Status
from lmtune.tracking import background, mlflow_observer
from lmtune.tracking.mlflow_state import read_runs
from tests.tracking.simulation import Sweep, Tracked, make_evaluation, make_trial

BASE = make_trial()
OTHER = make_trial(3e-3, seed=1, variant="wide")


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "_GATHER_S", 0.05)
    monkeypatch.setattr(background, "_FIRST_PAUSE_S", 0.05)


@pytest.fixture
def no_mlflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow must not be used from here on."""

    def refuse() -> None:
        raise AssertionError("MLflow was loaded")

    monkeypatch.setattr(mlflow_observer, "_load_mlflow_runs", refuse)


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for the thread of an observer that is not ended, as that of a killed driver."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "the thread did not write"
        time.sleep(0.02)


def killed_driver(project: Path, epochs: int) -> Sweep:
    """A sweep whose driver died in the middle of a trial, with all it had seen in MLflow."""
    sweep = Sweep(project)
    sweep.start()
    sweep.start_trial(BASE)
    sweep.evaluate(BASE, *(make_evaluation(epoch) for epoch in range(1, epochs + 1)))

    def is_written() -> bool:
        runs = sweep_runs(project)
        child = next((run for run in runs if "lmtune.trial_id" in run.data.tags), None)
        return child is not None and child.data.metrics.get("epoch") == epochs

    wait_until(is_written)
    return sweep


def sweep_runs(project: Path) -> list[Run]:
    """The runs so far; none before the MLflow experiment exists."""
    try:
        return Tracked(project, "demo").runs
    except AssertionError:
        return []


def statuses(tracked: Tracked) -> dict[str, tuple[str, str]]:
    """MLflow's status and the tag, by trial."""
    return {
        trial_id: (run.info.status, run.data.tags["lmtune.status"])
        for trial_id, run in tracked.children.items()
    }


def test_sweep_when_it_ended_is_one_parent_and_one_child_a_trial(project: Path) -> None:
    sweep = Sweep(project)
    sweep.start()
    sweep.run_trial(BASE)
    sweep.run_trial(OTHER)
    sweep.end()
    tracked = sweep.tracked()
    (parent,) = tracked.parents
    assert parent.info.status == "FINISHED"
    assert parent.info.run_name == "demo"
    assert parent.data.tags["mlflow.note.content"] == "Does it log?"
    assert parent.data.tags["lmtune.git_commit"] == "abc123"
    assert tracked.children.keys() == {BASE.trial_id, OTHER.trial_id}
    for run in tracked.children.values():
        assert run.info.status == "FINISHED"
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert tracked.experiment.artifact_location == f"{project}/mlruns/artifacts/demo"
    assert sweep.mlflow.problems == []


def test_child_run_says_what_the_trial_is(project: Path) -> None:
    sweep = Sweep(project)
    sweep.start()
    sweep.run_trial(OTHER)
    sweep.end()
    run = sweep.tracked().children[OTHER.trial_id]
    assert run.info.run_name == "wide, tune, seed 1, learning_rate 0.003"
    tags = {name: value for name, value in run.data.tags.items() if name.startswith("lmtune.")}
    assert tags == {
        "lmtune.trial_id": OTHER.trial_id,
        "lmtune.variant": "wide",
        "lmtune.phase": "tune",
        "lmtune.seed": "1",
        "lmtune.data_fingerprint": "f00d",
        "lmtune.git_commit": "abc123",
        "lmtune.status": "completed",
        "lmtune.epochs_done": "4",
    }
    expected = {
        "optimizer.learning_rate": "0.003",
        "model.type": "lstm",
        "model.hidden_size": "8",
        "model.carry_state": "false",
        "dataset.corpus.type": "python_docs",
        "training.gradient_clip": "null",
        "seed": "1",
        "num_parameters": "1200",
        "num_non_embedding_parameters": "1000",
        "flops_per_token": "7200",
    }
    assert expected.items() <= run.data.params.items()


def test_metrics_are_every_number_of_the_curve_at_step_epoch(project: Path) -> None:
    sweep = Sweep(project)
    sweep.start()
    sweep.run_trial(BASE)
    sweep.end()
    tracked = sweep.tracked()
    for name in make_evaluation(1).model_dump(exclude_none=True):
        expected = [(epoch, getattr(make_evaluation(epoch), name)) for epoch in (1, 2, 3, 4)]
        assert tracked.points(BASE, name) == expected, name
    assert tracked.points(BASE, "best_val_loss") == [(1, 2.5), (2, 2.0), (3, 2.0), (4, 2.0)]
    assert tracked.points(BASE, "best_epoch") == [(1, 1), (2, 2), (3, 2), (4, 2)]
    assert tracked.points(BASE, "tokens_per_second") == [(epoch, 3200.0) for epoch in (1, 2, 3, 4)]


def test_metrics_when_a_loss_is_not_finite_are_kept_and_never_best(project: Path) -> None:
    sweep = Sweep(project)
    sweep.start()
    sweep.start_trial(BASE)
    sweep.evaluate(BASE, make_evaluation(1, float("nan")), make_evaluation(2, 3.0))
    sweep.end_trial(BASE, "diverged", "loss became nan at step 21")
    sweep.end()
    tracked = sweep.tracked()
    assert [epoch for epoch, _ in tracked.points(BASE, "val_loss")] == [1, 2]
    assert tracked.points(BASE, "best_val_loss") == [(2, 3.0)]
    tags = tracked.children[BASE.trial_id].data.tags
    assert tags["lmtune.message"] == "loss became nan at step 21"


def test_metrics_of_a_long_curve_are_all_there(project: Path) -> None:
    sweep = Sweep(project)
    sweep.start()
    sweep.run_trial(BASE, epochs=130)  # more numbers than MLflow takes in one call
    sweep.end()
    tracked = sweep.tracked()
    assert [epoch for epoch, _ in tracked.points(BASE, "val_loss")] == list(range(1, 131))
    assert tracked.children[BASE.trial_id].data.params["seed"] == "0"
    assert sweep.mlflow.num_failures == 0


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("completed", "FINISHED"),
        ("stopped", "KILLED"),
        ("interrupted", "KILLED"),
        ("diverged", "FAILED"),
        ("failed", "FAILED"),
    ],
)
def test_status_of_a_run_follows_from_how_the_trial_ended(
    status: Status, expected: str, project: Path
) -> None:
    sweep = Sweep(project)
    sweep.start()
    sweep.run_trial(BASE, status, epochs=2)
    sweep.end()
    assert statuses(sweep.tracked()) == {BASE.trial_id: (expected, status)}


def test_run_while_its_trial_runs_is_running_and_grows(project: Path) -> None:
    sweep = killed_driver(project, epochs=1)
    tracked = sweep.tracked()
    assert statuses(tracked) == {BASE.trial_id: ("RUNNING", "running")}
    assert tracked.parents[0].info.status == "RUNNING"
    assert tracked.points(BASE, "val_loss") == [(1, 2.5)]
    sweep.end(finished=False)


def test_sweep_when_interrupted_leaves_nothing_running(project: Path) -> None:
    sweep = Sweep(project)
    sweep.start()
    sweep.start_trial(BASE)
    sweep.evaluate(BASE, make_evaluation(1))
    sweep.end(finished=False)
    tracked = sweep.tracked()
    assert statuses(tracked) == {BASE.trial_id: ("KILLED", "interrupted")}
    assert tracked.parents[0].info.status == "KILLED"
    assert tracked.parents[0].data.tags["lmtune.status"] == "interrupted"


def test_sweep_when_run_again_adds_no_run_and_does_not_load_mlflow(
    project: Path, request: pytest.FixtureRequest
) -> None:
    sweep = Sweep(project)
    sweep.start()
    sweep.run_trial(BASE)
    sweep.run_trial(OTHER, "stopped", epochs=1)
    sweep.end()
    report = project / "report.md"
    report.write_text("an answer")
    sweep.mlflow.log_artifacts([report])
    before = sweep.tracked()

    request.getfixturevalue("no_mlflow")
    again = Sweep(project)
    again.start()
    again.end()
    again.mlflow.log_artifacts([report])

    assert again.mlflow.problems == []
    assert again.mlflow.num_failures == 0
    after = again.tracked()
    assert [run.to_dictionary() for run in after.runs] == [
        run.to_dictionary() for run in before.runs
    ]


def test_sweep_when_more_trials_are_asked_for_goes_on_in_the_same_parent(project: Path) -> None:
    first = Sweep(project)
    first.start()
    first.run_trial(BASE)
    first.end()
    (parent,) = first.tracked().parents
    more = Sweep(project)
    more.start()
    more.run_trial(OTHER)
    more.end()
    tracked = more.tracked()
    assert [run.info.run_id for run in tracked.parents] == [parent.info.run_id]
    assert tracked.parents[0].info.status == "FINISHED"
    assert tracked.children.keys() == {BASE.trial_id, OTHER.trial_id}


def test_trial_when_resumed_goes_on_in_its_run_without_doubles_or_gaps(project: Path) -> None:
    before = killed_driver(project, epochs=2)
    run_id = before.tracked().children[BASE.trial_id].info.run_id
    resumed = Sweep(project)
    resumed.start()
    resumed.start_trial(BASE)
    resumed.evaluate(BASE, *(make_evaluation(epoch) for epoch in (2, 3, 4)))  # checkpoint at 1
    resumed.end_trial(BASE, "completed")
    resumed.end()
    tracked = resumed.tracked()
    run = tracked.children[BASE.trial_id]
    assert (run.info.run_id, run.info.status) == (run_id, "FINISHED")
    for name in ("val_loss", "elapsed_s", "best_epoch"):
        assert [epoch for epoch, _ in tracked.points(BASE, name)] == [1, 2, 3, 4], name
    assert len(tracked.parents) == 1


def test_trial_when_resumed_after_a_failure_says_nothing_of_it_any_more(project: Path) -> None:
    sweep = Sweep(project)
    sweep.start()
    sweep.start_trial(BASE)
    sweep.end_trial(BASE, "failed", "worker died")
    sweep.end(finished=False)
    resumed = Sweep(project)
    resumed.start()
    resumed.run_trial(BASE)
    resumed.end()
    run = resumed.tracked().children[BASE.trial_id]
    assert run.info.status == "FINISHED"
    assert run.data.tags["lmtune.message"] == ""


def test_run_left_running_by_a_killed_driver_is_mended_when_the_sweep_is_run_again(
    project: Path,
) -> None:
    killed_driver(project, epochs=2)
    again = Sweep(project)
    again.start()
    again.end(finished=False)
    assert statuses(again.tracked()) == {BASE.trial_id: ("KILLED", "interrupted")}


def test_run_left_running_whose_trial_is_finished_in_the_records_gets_the_rest_of_its_curve(
    project: Path,
) -> None:
    killed = killed_driver(project, epochs=2)
    killed.observers = killed.observers[:1]  # the records were written, MLflow not any more
    killed.evaluate(BASE, make_evaluation(3), make_evaluation(4))
    killed.end_trial(BASE, "completed")
    again = Sweep(project)
    again.start()
    again.end()
    tracked = again.tracked()
    assert statuses(tracked) == {BASE.trial_id: ("FINISHED", "completed")}
    assert [epoch for epoch, _ in tracked.points(BASE, "val_loss")] == [1, 2, 3, 4]
    assert tracked.parents[0].info.status == "FINISHED"


def test_run_that_was_deleted_is_made_again_from_the_records(project: Path) -> None:
    sweep = Sweep(project)
    sweep.start()
    sweep.run_trial(BASE)
    sweep.end()
    tracked = sweep.tracked()
    tracked.client.delete_run(tracked.children[BASE.trial_id].info.run_id)
    again = Sweep(project)
    again.start()
    again.end()
    restored = again.tracked()
    assert statuses(restored) == {BASE.trial_id: ("FINISHED", "completed")}
    assert restored.points(BASE, "val_loss") == [(1, 2.5), (2, 2.0), (3, 2.3), (4, 2.4)]


def test_experiment_that_was_deleted_in_the_ui_is_restored(project: Path) -> None:
    sweep = Sweep(project)
    sweep.start()
    sweep.run_trial(BASE)
    sweep.end()
    tracked = sweep.tracked()
    tracked.client.delete_experiment(tracked.experiment.experiment_id)
    again = Sweep(project)
    again.start()
    again.end()
    assert again.mlflow.problems == []
    assert statuses(again.tracked()) == {BASE.trial_id: ("FINISHED", "completed")}


def test_trial_of_another_size_word_but_the_same_numbers_keeps_its_run(project: Path) -> None:
    same = make_trial(size="large")
    assert same.trial_id == BASE.trial_id
    for trial in (BASE, same):  # MLflow refuses to change a parameter
        sweep = Sweep(project)
        sweep.start()
        sweep.run_trial(trial)
        sweep.end()
        assert sweep.mlflow.problems == []
    assert len(sweep.tracked().children) == 1


def test_observer_while_the_database_is_locked_does_not_wait_and_catches_up(
    project: Path, locked_database: sqlite3.Connection
) -> None:
    sweep = Sweep(project)
    sweep.start()
    sweep.run_trial(BASE)
    assert read_runs(project / "mlruns/mlflow.db", "demo") == [], "it cannot have been written yet"
    locked_database.rollback()
    sweep.end()
    assert sweep.mlflow.problems == []
    assert statuses(sweep.tracked()) == {BASE.trial_id: ("FINISHED", "completed")}


def test_sweep_when_mlflow_cannot_be_written_says_so_once_and_keeps_the_records(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (project / "blocked").touch()
    sweep = Sweep(project, uri="sqlite:///blocked/mlflow.db")
    with caplog.at_level(logging.WARNING, logger="lmtune"):
        sweep.start()
        sweep.run_trial(BASE)
        sweep.end()
    assert [record.name for record in caplog.records] == ["lmtune.tracking.mlflow_observer"]
    assert "The sweep goes on" in caplog.text
    (problem,) = sweep.mlflow.problems
    assert f"MLflow at sqlite:///{project}/blocked/mlflow.db" in problem.what
    assert "run the same command again" in problem.fix
    assert sweep.mlflow.num_failures >= 3
    assert sweep.records.trial(BASE.trial_id).read().status == "completed"


def test_sweep_when_one_record_is_unreadable_tracks_the_others(project: Path) -> None:
    sweep = Sweep(project)
    sweep.start()
    sweep.run_trial(BASE)
    sweep.run_trial(OTHER)
    sweep.records.trial(BASE.trial_id).spec_json.write_text("{")
    sweep.end()
    assert BASE.trial_id in sweep.mlflow.problems[0].what
    assert statuses(sweep.tracked())[OTHER.trial_id] == ("FINISHED", "completed")


def test_failure_when_the_uri_holds_a_password_does_not_tell_it(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sweep = Sweep(
        project, uri="postgresql+nodriver://me:hunter2@127.0.0.1:9/db?sslpassword=swordfish"
    )
    sweep.start()
    sweep.end()
    (problem,) = sweep.mlflow.problems
    for text in (str(problem), caplog.text):
        assert "postgresql+nodriver://***@127.0.0.1:9/db" in text
        assert "hunter2" not in text
        assert "swordfish" not in text


def test_artifacts_are_kept_with_the_parent_and_replaced_when_changed(project: Path) -> None:
    sweep = Sweep(project)
    sweep.start()
    sweep.end()
    report, missing = project / "report.md", project / "summary.json"
    for text in ("first", "second"):
        report.write_text(text)
        sweep.mlflow.log_artifacts([report, missing])
    tracked = sweep.tracked()
    (parent,) = tracked.parents
    (artifact,) = tracked.client.list_artifacts(parent.info.run_id)
    assert artifact.path == "report.md"
    kept = project / "mlruns/artifacts/demo" / parent.info.run_id / "artifacts/report.md"
    assert kept.read_text() == "second"
    assert parent.info.status == "FINISHED"


def test_database_after_a_sweep_is_whole_in_one_file_and_lets_readers_in(project: Path) -> None:
    sweep = Sweep(project)
    sweep.start()
    sweep.run_trial(BASE)
    sweep.end()
    database = project / "mlruns/mlflow.db"
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    copy = project / "copy.db"
    copy.write_bytes(database.read_bytes())
    assert len(read_runs(copy, "demo")) == 2


@pytest.fixture
def locked_database(project: Path) -> Iterator[sqlite3.Connection]:
    """The database while someone else writes it, until the rollback."""
    with closing(sqlite3.connect(project / "mlruns/mlflow.db")) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        yield connection


@pytest.mark.slow
def test_database_when_two_sweeps_make_it_at_once_is_whole(tmp_path: Path) -> None:
    database = tmp_path / "mlruns/mlflow.db"
    code = (
        "import sys, pathlib, warnings; warnings.simplefilter('ignore')\n"
        "from lmtune.tracking.mlflow_database import prepare_database\n"
        "prepare_database(pathlib.Path(sys.argv[1]))"
    )
    command = [sys.executable, "-c", code, str(database)]
    processes = [subprocess.Popen(command) for _ in range(2)]
    assert [process.wait(120) for process in processes] == [0, 0]
    assert [path.name for path in database.parent.iterdir()] == ["mlflow.db"]
    sweep = Sweep(tmp_path)
    sweep.start()
    sweep.end()
    assert sweep.mlflow.problems == []
