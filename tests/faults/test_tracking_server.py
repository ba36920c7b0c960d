"""A tracking server that is killed, hangs and comes back: training does not notice."""

from __future__ import annotations

import logging
import re
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from lmtune.tracking import background, mlflow_observer
from tests.faults.tracked_sweep import DisturbedSweep, num_tracked, run_track, track
from tests.faults.tracking_server import TrackingServer
from tests.tracking.simulation import make_evaluation, make_trial, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(600)]

BASE, OTHER, THIRD, LAST = make_trial(), make_trial(3e-3), make_trial(4e-3), make_trial(5e-3)
REQUEST_TIMEOUT_S = 2


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "_LONGEST_PAUSE_S", 2.0)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", str(REQUEST_TIMEOUT_S))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[TrackingServer]:
    server = TrackingServer(tmp_path)
    server.start()
    try:
        yield server
    finally:
        server.kill()


def test_server_that_is_killed_and_comes_back_is_caught_up_with_under_way_and_after_the_end(
    server: TrackingServer,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    pytestconfig: pytest.Config,
) -> None:
    sweep = DisturbedSweep(tmp_path, uri=server.uri)
    with caplog.at_level(logging.WARNING, logger="lmtune"):
        sweep.start()
        sweep.run_trial(BASE)
        sweep.start_trial(THIRD)
        sweep.evaluate(THIRD, make_evaluation(1))
        wait_until(lambda: num_tracked(server.database) == 3)

        server.kill()
        sweep.run_trial(OTHER)
        sweep.evaluate(THIRD, make_evaluation(2), make_evaluation(3))
        wait_until(lambda: sweep.mlflow.num_failures >= 2)
        server.start()
        wait_until(lambda: num_tracked(server.database) == 4)  # by the sweep, which still runs
        sweep.evaluate(THIRD, make_evaluation(4))
        sweep.end_trial(THIRD, "completed")

        server.kill()
        sweep.run_trial(LAST, "stopped", epochs=1)
        sweep.end()
    (record,) = caplog.records
    assert re.fullmatch(
        f"MLflow at {server.uri} cannot be written: "
        "(Connection refused|Connection reset by peer|Remote end closed connection .*); "
        "see that its server runs and that the address is right. The sweep goes on, its records "
        "are whole, and writing is tried again; after the sweep, `python -m lmtune.track "
        "experiments/demo` writes what is missing.",
        record.getMessage(),
    )
    (problem,) = sweep.mlflow.problems
    assert problem.what.endswith("could not be brought up to date: Connection refused")
    failed = run_track(sweep.records.path)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr == f"{problem}\n"
    assert [trial.read().status for trial in sweep.records.trials()].count("completed") == 3

    server.start()
    assert track(sweep.records.path)["runs"] == 5
    assert track(sweep.records.path)["added"] == 0
    sweep.assert_brought_up_to_date(pytestconfig, "server killed twice")


def test_server_that_hangs_is_asked_again_and_nothing_is_there_twice(
    server: TrackingServer, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    sweep = DisturbedSweep(tmp_path, uri=server.uri)
    sweep.start()
    for num_failures in (2, 4, 6):
        for _ in range(2):
            sweep.run_trial(make_trial(seed=len(sweep.records.trials())))
        server.send(signal.SIGSTOP)  # it takes in what it is asked for, and answers later
        sweep.run_trial(make_trial(seed=len(sweep.records.trials())))
        wait_until(partial(_has_failed, sweep, num_failures))
        server.send(signal.SIGCONT)
        wait_until(partial(_has_all, sweep, server))
    sweep.end()
    assert sweep.mlflow.problems == []
    sweep.assert_brought_up_to_date(pytestconfig, "server hung 3 times")


def _has_failed(sweep: DisturbedSweep, times: int) -> bool:
    return sweep.mlflow.num_failures >= times


def _has_all(sweep: DisturbedSweep, server: TrackingServer) -> bool:
    return num_tracked(server.database) > len(sweep.records.trials())


def test_server_that_hangs_at_the_end_does_not_keep_the_sweep(
    server: TrackingServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    pytestconfig: pytest.Config,
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "300")  # longer than we are to wait
    sweep = DisturbedSweep(tmp_path, uri=server.uri)
    sweep.start()
    sweep.run_trial(BASE)
    wait_until(lambda: num_tracked(server.database) == 2)
    server.send(signal.SIGSTOP)
    sweep.run_trial(OTHER)
    with monkeypatch.context() as patience:
        patience.setattr(mlflow_observer, "_PATIENCE_S", 5.0)
        sweep.end()  # while the thread still waits for an answer
    (problem,) = sweep.mlflow.problems
    assert "could not be brought up to date: nothing could be written within" in problem.what
    server.send(signal.SIGCONT)
    track(sweep.records.path)
    assert track(sweep.records.path)["added"] == 0
    sweep.assert_brought_up_to_date(pytestconfig, "server hung at the end")
