"""MLflow's database locked, deleted, read-only, on a full disk: training does not notice."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from lmtune.tracking import background
from tests.faults.tracked_sweep import DisturbedSweep, locked, num_tracked, run_track, track
from tests.tracking.simulation import make_evaluation, make_trial, prepare_database, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(600)]

BASE, OTHER, THIRD = make_trial(), make_trial(3e-3), make_trial(4e-3)
SAID_BY = "lmtune.tracking.mlflow_observer"


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "_LONGEST_PAUSE_S", 2.0)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A user's directory with an empty MLflow database."""
    prepare_database(tmp_path / "mlruns/mlflow.db")
    return tmp_path


def test_database_that_is_locked_for_longer_than_mlflow_waits_is_caught_up_with_under_way(
    project: Path, caplog: pytest.LogCaptureFixture, pytestconfig: pytest.Config
) -> None:
    database = project / "mlruns/mlflow.db"
    sweep = DisturbedSweep(project)
    with caplog.at_level(logging.WARNING, logger="lmtune"):
        sweep.start()
        sweep.run_trial(BASE)
        wait_until(lambda: num_tracked(database) == 2)
        with locked(database):
            sweep.run_trial(OTHER)
            sweep.start_trial(THIRD)
            sweep.evaluate(THIRD, make_evaluation(1))
            wait_until(lambda: sweep.mlflow.num_failures >= 1)  # after MLflow's own patience
            sweep.evaluate(THIRD, make_evaluation(2))
            assert num_tracked(database) == 2
        wait_until(lambda: num_tracked(database) == 4)
        sweep.end_trial(THIRD, "completed")
        sweep.end()
    assert sweep.mlflow.problems == []
    (record,) = caplog.records
    assert record.name == SAID_BY
    assert record.getMessage() == (
        f"MLflow at sqlite:///{database} cannot be written: database is locked; see which other "
        "process holds it, and end that if it hangs. The sweep goes on, its records are whole, "
        "and writing is tried again; after the sweep, `python -m lmtune.track experiments/demo` "
        "writes what is missing."
    )
    sweep.assert_brought_up_to_date(pytestconfig, "database locked under way")


def test_database_that_is_locked_from_the_start_to_after_the_end_is_brought_up_to_date_later(
    project: Path, pytestconfig: pytest.Config
) -> None:
    sweep = DisturbedSweep(project)
    with closing(sqlite3.connect(project / "mlruns/mlflow.db")) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")  # so that nobody can even read it
    with locked(project / "mlruns/mlflow.db", "BEGIN EXCLUSIVE"):
        sweep.start()
        sweep.run_trial(BASE)
        sweep.run_trial(OTHER, "stopped", epochs=2)
        sweep.end()  # without waiting for the lock
        (problem,) = sweep.mlflow.problems
        assert problem.what.endswith("could not be brought up to date: database is locked")
        assert "run `python -m lmtune.track experiments/demo`" in problem.fix
        failed = run_track(sweep.records.path)
        assert (failed.returncode, failed.stdout) == (1, "")
        assert "database is locked\n  Fix: see which other process holds it" in failed.stderr
    assert track(sweep.records.path)["added"] == 3
    assert track(sweep.records.path)["added"] == 0
    sweep.assert_brought_up_to_date(pytestconfig, "database locked from the start to after the end")


def test_database_that_is_deleted_again_and_again_is_made_again(
    project: Path, pytestconfig: pytest.Config
) -> None:
    database = project / "mlruns/mlflow.db"
    sweep = DisturbedSweep(project)
    sweep.start()
    for number in range(10):
        sweep.run_trial(make_trial(seed=number), epochs=10)
        wait_until(lambda: num_tracked(database) > 0)
        time.sleep(0.05 * number)  # at different points of the thread's work
        if number % 2:
            shutil.rmtree(database.parent, ignore_errors=True)
        else:
            database.unlink(missing_ok=True)
    sweep.end()
    assert sweep.mlflow.problems == []
    assert sweep.mlflow.num_failures > 0
    sweep.assert_brought_up_to_date(pytestconfig, "database deleted 10 times")


def broken(database: Path) -> None:
    """What a bad disk may do: the header stays, and nothing behind it makes sense."""
    with database.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 20_000)


def test_database_that_is_broken_from_the_start_is_made_again_once_it_is_moved_away(
    project: Path, caplog: pytest.LogCaptureFixture, pytestconfig: pytest.Config
) -> None:
    database = project / "mlruns/mlflow.db"
    broken(database)
    sweep = DisturbedSweep(project)
    with caplog.at_level(logging.WARNING, logger="lmtune"):
        sweep.start()
        sweep.run_trial(BASE)
        wait_until(lambda: sweep.mlflow.num_failures > 0)
        database.rename(project / "broken.db")
        wait_until(lambda: num_tracked(database) == 2)
        sweep.run_trial(OTHER)
        sweep.end()
    assert sweep.mlflow.problems == []
    (record,) = caplog.records
    assert "image is malformed; move the file away, and it is made anew" in record.getMessage()
    sweep.assert_brought_up_to_date(pytestconfig, "database broken from the start")


def test_database_that_is_broken_under_way_is_made_again_once_it_is_moved_away(
    project: Path, pytestconfig: pytest.Config
) -> None:
    database = project / "mlruns/mlflow.db"
    sweep = DisturbedSweep(project)
    sweep.start()
    sweep.run_trial(BASE)
    wait_until(lambda: num_tracked(database) == 2)
    broken(database)
    sweep.run_trial(OTHER)
    sweep.end()
    (problem,) = sweep.mlflow.problems
    assert "database disk image is malformed" in problem.what
    assert problem.fix.startswith("move the file away, and it is made anew from the records, then")
    database.rename(project / "broken.db")
    assert track(sweep.records.path)["added"] == 3
    sweep.assert_brought_up_to_date(pytestconfig, "database broken under way")


_READ_ONLY = """
import sys, warnings
from pathlib import Path
warnings.simplefilter("ignore")
from tests.faults.tracked_sweep import HELD_UP_S, DisturbedSweep, num_tracked
from tests.tracking.simulation import make_trial, wait_until
project = Path(sys.argv[1])
folder, database = project / "mlruns", project / "mlruns/mlflow.db"
sweep = DisturbedSweep(project)
when = sys.argv[2]
if when == "under way":
    sweep.start()
    sweep.run_trial(make_trial())
    wait_until(lambda: num_tracked(database) == 2)
database.chmod(0o444)
folder.chmod(0o555)
if when == "from the start":
    sweep.start()
    sweep.run_trial(make_trial())
sweep.run_trial(make_trial(3e-3))
sweep.end()
print(*sweep.mlflow.problems)
assert sweep.longest_s < HELD_UP_S
folder.chmod(0o755)
database.chmod(0o644)
"""


@pytest.mark.parametrize("when", ["from the start", "under way"])
def test_database_that_is_made_read_only_is_told_of_and_caught_up_with(
    when: str, project: Path, pytestconfig: pytest.Config
) -> None:
    command = [sys.executable, "-c", _READ_ONLY, str(project), when]
    if os.geteuid() == 0:  # root writes what it likes, unless it gives that up
        if (setpriv := shutil.which("setpriv")) is None:
            pytest.skip("root may write every file, and setpriv is not here")
        command = [setpriv, "--bounding-set", "-dac_override", "--", *command]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=200, check=True)
    if when == "from the start":
        assert "could not be brought up to date: attempt to write a readonly" in ended.stdout
        assert "Fix: let yourself write it and its folder, then run `python -m" in ended.stdout
        assert "cannot be written: attempt to write a readonly database; let" in ended.stderr
    sweep = DisturbedSweep(project)
    track(sweep.records.path)
    assert track(sweep.records.path)["added"] == 0
    sweep.assert_brought_up_to_date(pytestconfig, f"database read-only {when}")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2.5 MB; an empty database takes 1."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2500k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs to be allowed to mount")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def filled(disk: Path) -> Iterator[None]:
    """No block of a disk is free while the block runs."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    yield
    filler.unlink()


def test_disk_that_is_full_is_told_of_and_caught_up_with_once_there_is_space(
    small_disk: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, pytestconfig: pytest.Config
) -> None:
    database = small_disk / "mlflow.db"
    sweep = DisturbedSweep(tmp_path, uri=f"sqlite:///{database}")
    with caplog.at_level(logging.WARNING, logger="lmtune"):
        with filled(small_disk):  # before the database is there
            sweep.start()
            sweep.run_trial(BASE)
            wait_until(lambda: sweep.mlflow.num_failures >= 2)
            assert [path.name for path in small_disk.iterdir()] == ["filler"]
        wait_until(lambda: num_tracked(database) == 2)
        num_failures = sweep.mlflow.num_failures
        with filled(small_disk):  # under way
            sweep.run_trial(OTHER, epochs=100)
            wait_until(lambda: sweep.mlflow.num_failures > num_failures)
        wait_until(lambda: num_tracked(database) == 3)
    (record,) = caplog.records
    assert "cannot be written: No space left on device; free some space" in record.getMessage()
    with filled(small_disk):  # at the end
        sweep.run_trial(THIRD, epochs=100)
        sweep.end()
        (problem,) = sweep.mlflow.problems
        assert problem.what.endswith("could not be brought up to date: database or disk is full")
        assert problem.fix.startswith("free some space on the disk that it is on, then run")
    track(sweep.records.path)
    assert track(sweep.records.path)["added"] == 0
    sweep.assert_brought_up_to_date(pytestconfig, "disk full at the start, under way, at the end")
