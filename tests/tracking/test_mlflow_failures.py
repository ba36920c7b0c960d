"""What may go wrong around MLflow while a sweep runs, for real; what takes long is in faults."""

from __future__ import annotations

import logging
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lmtune.tracking import background
from lmtune.tracking.failures import advice, reason
from lmtune.tracking.mlflow_database import prepare_database
from lmtune.tracking.mlflow_state import read_runs
from tests.tracking.simulation import Sweep, make_trial, statuses, wait_until

BASE = make_trial()
OTHER = make_trial(3e-3, seed=1, variant="wide")


pytestmark = pytest.mark.usefixtures("quick_to_make")


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "_GATHER_S", 0.05)
    monkeypatch.setattr(background, "_FIRST_PAUSE_S", 0.05)


def num_tracked(project: Path) -> int:
    """Runs of the sweep and its trials in MLflow's database."""
    try:
        return len(read_runs(project / "mlruns/mlflow.db", "demo"))
    except sqlite3.Error:  # not there, or not yet
        return 0


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
    assert problem.fix == (
        "run `python -m lmtune.track experiments/demo`, or the sweep's command again; "
        "the records hold everything"
    )
    assert sweep.mlflow.num_failures >= 3
    assert sweep.records.trial(BASE.trial_id).read().status == "completed"


def test_sweep_when_one_record_is_unreadable_tracks_the_others(project: Path) -> None:
    sweep = Sweep(project)
    sweep.start()
    sweep.run_trial(BASE)
    sweep.run_trial(OTHER)
    sweep.records.trial(BASE.trial_id).spec_json.write_text("{")
    sweep.end()
    (problem,) = sweep.mlflow.problems
    assert f"trials/{BASE.trial_id}/spec.json: cannot be read" in str(problem)
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


@pytest.mark.parametrize("deleted", ["mlflow.db", "."])
def test_database_that_is_deleted_under_way_is_made_again_with_all_runs(
    deleted: str, project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sweep = Sweep(project)
    sweep.start()
    sweep.run_trial(BASE)
    wait_until(lambda: num_tracked(project) == 2)
    with caplog.at_level(logging.WARNING, logger="lmtune"):
        if deleted == ".":
            shutil.rmtree(project / "mlruns")
        else:
            (project / "mlruns" / deleted).unlink()
        sweep.run_trial(OTHER)
        wait_until(lambda: num_tracked(project) == 3)  # by the sweep that is still running
        sweep.end()
    assert sweep.mlflow.problems == []
    assert [record.name for record in caplog.records] == ["lmtune.tracking.mlflow_observer"]
    assert "mlruns/mlflow.db was deleted while it was in use. The sweep goes on" in caplog.text
    assert statuses(sweep.tracked()) == {
        trial.trial_id: ("FINISHED", "completed") for trial in (BASE, OTHER)
    }
    assert [run.info.status for run in sweep.tracked().parents] == ["FINISHED"]


def test_database_when_made_again_holds_nothing_of_the_log_of_the_one_that_was_deleted(
    tmp_path: Path,
) -> None:
    database = tmp_path / "mlflow.db"
    with closing(sqlite3.connect(database)) as writer:
        writer.executescript("PRAGMA journal_mode = WAL; CREATE TABLE a (x); CREATE TABLE b (x)")
        for table in ("a", "b"):
            writer.executemany(f"INSERT INTO {table} VALUES (?)", [("x" * 500,)] * 500)
            writer.commit()
            if table == "a":  # the log of what follows makes no sense without this in the file
                writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.unlink()
        assert database.with_name("mlflow.db-wal").stat().st_size > 0
        prepare_database(database)
        with closing(sqlite3.connect(database)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("SELECT count(*) FROM runs").fetchone() == (0,)
            tables = connection.execute("SELECT name FROM sqlite_master WHERE name IN ('a', 'b')")
            assert tables.fetchall() == []


def test_database_that_is_deleted_after_all_was_written_is_made_again_at_the_end(
    project: Path,
) -> None:
    sweep = Sweep(project)
    sweep.start()
    sweep.run_trial(BASE)
    wait_until(lambda: num_tracked(project) == 2)
    (project / "mlruns/mlflow.db").unlink()
    sweep.end()
    assert sweep.mlflow.problems == []
    assert statuses(sweep.tracked()) == {BASE.trial_id: ("FINISHED", "completed")}


def test_database_that_was_emptied_is_made_again_with_all_runs(project: Path) -> None:
    sweep = Sweep(project)
    sweep.start()
    sweep.run_trial(BASE)
    wait_until(lambda: num_tracked(project) == 2)
    database = project / "mlruns/mlflow.db"
    database.unlink()
    database.touch()  # as SQLite does where it is asked for a file between the two
    sweep.run_trial(OTHER)
    sweep.end()
    assert sweep.mlflow.problems == []
    assert statuses(sweep.tracked()).keys() == {BASE.trial_id, OTHER.trial_id}


def test_database_that_is_deleted_between_the_end_and_the_artifacts_says_that_it_ended(
    project: Path,
) -> None:
    sweep = Sweep(project)
    sweep.start()
    sweep.run_trial(BASE)
    sweep.end()
    (project / "mlruns/mlflow.db").unlink()
    sweep.mlflow.log_artifacts([sweep.records.trial(BASE.trial_id).spec_json])
    assert sweep.mlflow.problems == []
    assert [run.info.status for run in sweep.tracked().parents] == ["FINISHED"]
    assert statuses(sweep.tracked()) == {BASE.trial_id: ("FINISHED", "completed")}


def test_runs_that_are_deleted_under_way_are_made_again(project: Path) -> None:
    sweep = Sweep(project)
    sweep.start()
    sweep.run_trial(OTHER)
    sweep.start_trial(BASE)
    wait_until(lambda: num_tracked(project) == 3)
    tracked = sweep.tracked()
    for run in tracked.runs:
        tracked.client.delete_run(run.info.run_id)
    sweep.run_trial(BASE)
    sweep.end()
    assert sweep.mlflow.problems == []
    assert statuses(sweep.tracked()) == {
        BASE.trial_id: ("FINISHED", "completed"),
        OTHER.trial_id: ("FINISHED", "completed"),
    }
    assert len(sweep.tracked().parents) == 1


def test_artifacts_after_the_end_was_in_vain_are_not_waited_for(project: Path) -> None:
    sweep = Sweep(project, uri="http://127.0.0.1:9")
    sweep.start()
    sweep.run_trial(BASE)
    sweep.end()
    num_failures = sweep.mlflow.num_failures
    sweep.mlflow.log_artifacts([sweep.records.trial(BASE.trial_id).spec_json])
    assert sweep.mlflow.num_failures == num_failures
    (problem,) = sweep.mlflow.problems
    assert problem.what.endswith("could not be brought up to date: Connection refused")
    assert sweep.mlflow.tracked is None


def test_reason_is_what_lies_at_the_bottom_without_secrets() -> None:
    def wrapped(bottom: Exception) -> Exception:
        try:
            try:
                raise bottom
            except Exception as error:
                raise RuntimeError("http://me:hunter2@host failed\nand more") from error
        except RuntimeError as error:
            return error

    assert reason(wrapped(sqlite3.OperationalError("database is locked"))) == "database is locked"
    assert reason(wrapped(OSError(28, "No space left on device", "/runs.db"))) == (
        "No space left on device: /runs.db"
    )
    assert reason(wrapped(TimeoutError("timed out"))) == "timed out"
    held = OSError("Connection aborted.", ConnectionResetError(104, "Connection reset by peer"))
    assert reason(wrapped(held)) == "Connection reset by peer"
    assert reason(wrapped(ValueError("odd"))) == "http://***@host failed"
    assert reason(ValueError()) == "ValueError"


@pytest.mark.parametrize(
    ("why", "said"),
    [
        ("database is locked", "which other process holds it"),
        ("database or disk is full", "free some space"),
        ("attempt to write a readonly database", "let yourself write"),
        ("database disk image is malformed", "move the file away"),
        ("Connection refused", "its server runs"),
    ],
)
def test_advice_says_what_helps(why: str, said: str) -> None:
    assert said in advice(why)
    assert advice("odd") == ""


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
