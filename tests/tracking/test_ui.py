from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from lmtune import ui
from tests.tracking.simulation import Sweep, Tracked, make_trial

START_S = 90


def run_ui(*arguments: str) -> tuple[int, str]:
    """Exit code and standard error of a command that refuses to serve."""
    app = typer.Typer()
    app.command()(ui.main)
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, result.stderr


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def get(port: int, host_header: str | None = None) -> tuple[int, bytes]:
    """Status and body of the first page."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/", headers={"Host": host_header or f"127.0.0.1:{port}"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


@contextmanager
def serving(project: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The command, once it answers."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "lmtune.ui", "--port", str(port)],
        cwd=project,
        env={"PYTHONPATH": str(Path(ui.__file__).parents[1]), "PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        deadline = time.monotonic() + START_S
        while True:
            try:
                get(port)
                break
            except OSError:
                assert process.poll() is None, process.communicate()[0]
                assert time.monotonic() < deadline, "it does not answer"
                time.sleep(0.2)
        yield process, port
    finally:
        process.terminate()  # not kill: MLflow's own child would live on
        process.communicate(timeout=30)


def test_ui_before_any_sweep_says_to_run_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, message = run_ui()
    assert code == 2
    assert f"no runs yet: {tmp_path}/mlruns/mlflow.db does not exist" in message
    assert "Fix: run a sweep first" in message


def test_ui_when_the_port_is_taken_names_another(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        code, message = run_ui("--port", str(port))
    assert code == 2
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in message
    assert f"Fix: give another: python -m lmtune.ui --port {port + 1}" in message


def test_ui_when_given_a_server_says_to_open_it() -> None:
    code, message = run_ui("--uri", "http://me:hunter2@127.0.0.1:5000")
    assert code == 2
    assert "Fix: open http://***@127.0.0.1:5000 in a browser" in message
    assert "hunter2" not in message


def test_ui_when_the_uri_is_wrong_says_so(project: Path) -> None:
    code, message = run_ui("--uri", "mlruns")
    assert code == 2
    assert "'mlruns' has no scheme" in message


@pytest.mark.e2e
def test_ui_serves_this_machine_alone_and_ends_with_sigterm(project: Path) -> None:
    with serving(project) as (process, port):
        status, body = get(port)
        assert (status, b"<!doctype html>" in body.lower()) == (200, True)
        assert get(port, host_header="evil.example")[0] == 403, "DNS rebinding is possible"
        children = subprocess.run(
            ["ps", "--ppid", str(process.pid), "-o", "pid="], capture_output=True, text=True
        ).stdout.split()
        assert len(children) <= 2, "it should take few processes"
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        output = process.stdout.read()  # ends when the last process that holds it does
    assert f"MLflow shows sqlite:///{project}/mlruns/mlflow.db at http://127.0.0.1:{port}" in output
    with pytest.raises(OSError, match="refused"):
        get(port)


@pytest.mark.e2e
def test_sweep_that_is_tracked_by_a_server_is_in_its_database(project: Path) -> None:
    trial = make_trial()
    with serving(project) as (_, port):
        sweep = Sweep(project, uri=f"http://127.0.0.1:{port}")
        sweep.start()
        sweep.run_trial(trial, epochs=130)
        sweep.end()
        assert sweep.mlflow.problems == []
    tracked = Tracked(project, sweep.spec.name)
    assert tracked.children[trial.trial_id].info.status == "FINISHED"
    assert [epoch for epoch, _ in tracked.points(trial, "val_loss")] == list(range(1, 131))
    assert [run.info.status for run in tracked.parents] == ["FINISHED"]
