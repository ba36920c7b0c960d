"""Whole sweeps by the command, while MLflow's database or server is broken by others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lmtune.records import ExperimentFolder
from lmtune.spec.sweep import MlflowTracking
from tests.e2e.command import Ended, start
from tests.faults.figures import show
from tests.faults.tracked_sweep import compare, locked, num_tracked, track
from tests.faults.tracking_server import TrackingServer
from tests.tracking.simulation import prepare_database

pytestmark = [pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(600)]

SWEEP = """\
name: demo
question: Does training notice what becomes of MLflow?
base:
  dataset: {{corpus: {{type: markov, order: 1, symbols: 8}}, tokenizer: char, context_length: 16}}
  model: {{type: gpt, num_layers: 1, d_model: 32, num_heads: 2}}
  optimizer: {{type: adamw, learning_rate: 5e-3}}
  training: {{epochs: 10, steps_per_epoch: {steps}, batch_size: 32}}
variants:
  gpt: {{}}
  lstm: {{model: {{type: lstm, num_layers: 1, hidden_size: 32}}}}
seeds: {{confirm: [1, 2, 3]}}
tracking: {{mlflow: {{uri: "{uri}"}}}}
"""
NUM_TRIALS = 6
DEFAULT_URI = MlflowTracking().uri


@pytest.fixture
def server(tmp_path: Path) -> Iterator[TrackingServer]:
    server = TrackingServer(tmp_path)
    server.start()
    try:
        yield server
    finally:
        server.kill()


def write_sweep(project: Path, *, steps: int = 100, uri: str = DEFAULT_URI) -> ExperimentFolder:
    content = SWEEP.format(steps=steps, uri=uri)
    (project / "sweep.yaml").write_text(content, encoding="utf-8")
    return ExperimentFolder(project / "experiments/demo")


def num_epochs(records: ExperimentFolder) -> int:
    """Epochs that are in the records."""
    return sum(len(trial.read_curve()) for trial in records.trials())


def goes_on(records: ExperimentFolder) -> Callable[[], bool]:
    """Whether training has come further by some epochs since this was called."""
    before = num_epochs(records)
    return lambda: num_epochs(records) >= before + 5


def assert_trained(ended: Ended, records: ExperimentFolder, said: str) -> None:
    """The sweep is whole, and the user was told once what happened and what to do."""
    text = ended.out + ended.err
    assert ended.code == 0, text
    assert "the sweep is finished" in ended.out
    assert "Traceback" not in text
    assert text.count("cannot be written") == 1
    assert said in text
    assert "`python -m lmtune.track experiments/demo`" in text
    assert ended.processes == {}
    trials = [trial.read() for trial in records.trials()]
    assert [trial.status for trial in trials] == ["completed"] * NUM_TRIALS
    for trial in trials:
        assert [row.epoch for row in trial.curve] == list(range(1, 11))


def test_command_whose_database_is_locked_to_the_end_says_what_brings_it_up_to_date(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    records = write_sweep(tmp_path)
    database = tmp_path / "mlruns/mlflow.db"
    prepare_database(database)
    with start(tmp_path, "sweep.yaml") as command:
        command.wait_until(lambda: num_tracked(database) >= 2, "a trial was tracked")
        with locked(database):
            ended = command.wait()
            assert num_tracked(database) < 1 + NUM_TRIALS
    assert_trained(ended, records, "database is locked; see which other process holds it")
    assert "could not be brought up to date: database is locked" in ended.out, ended.out
    assert track(records.path)["runs"] == 1 + NUM_TRIALS
    assert track(records.path)["added"] == 0
    counted = compare(records, f"sqlite:///{database}")
    show(pytestconfig, f"command, database locked to the end: exit code {ended.code}, {counted}")


def test_command_whose_database_is_deleted_under_way_makes_it_again(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    records = write_sweep(tmp_path)
    database = tmp_path / "mlruns/mlflow.db"
    prepare_database(database)
    with start(tmp_path, "sweep.yaml") as command:
        command.wait_until(lambda: num_tracked(database) >= 2, "a trial was tracked")
        database.unlink()
        ended = command.wait()
    assert_trained(ended, records, "mlflow.db was deleted while it was in use")
    assert "could not be brought up to date" not in ended.out
    assert track(records.path)["added"] == 0
    counted = compare(records, f"sqlite:///{database}")
    show(pytestconfig, f"command, database deleted: exit code {ended.code}, {counted}")


def test_command_whose_server_is_killed_and_comes_back_catches_up_with_it(
    server: TrackingServer, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    records = write_sweep(tmp_path, steps=200, uri=server.uri)  # longer than a server's start
    with start(tmp_path, "sweep.yaml") as command:
        command.wait_until(lambda: num_tracked(server.database) >= 2, "a trial was tracked")
        server.kill()
        command.wait_until(goes_on(records), "training went on")
        server.start()
        ended = command.wait()
    assert_trained(ended, records, f"MLflow at {server.uri} cannot be written: ")
    assert "could not be brought up to date" not in ended.out
    assert track(records.path)["added"] == 0
    counted = compare(records, server.uri)
    show(pytestconfig, f"command, server killed: exit code {ended.code}, {counted}")
