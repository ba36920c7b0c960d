"""`python -m lmtune.ui`: MLflow's pages, served to this machine alone."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from lmtune.errors import Problem, TrackingError, UserError
from lmtune.spec.sweep import MlflowTracking
from lmtune.tracking import TrackingUri, check_uri, resolve_uri

_SERVER_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # eight processes and 2 GB for nothing we use
    "PYTHONWARNINGS": "ignore",  # MLflow's own use of its libraries
}


def main(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where to serve.")] = 5000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    uri: Annotated[str, typer.Option(help="Where the runs are.")] = MlflowTracking().uri,
) -> None:
    """Show the runs of all sweeps in MLflow. Ctrl-C ends it."""
    try:
        runs = _find_runs(uri, Path.cwd())
        _check_free(host, port)
    except UserError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    typer.echo(f"MLflow shows {runs} at http://{host}:{port} in about ten seconds")
    _serve(runs, host, port)


def _find_runs(uri: str, project: Path) -> TrackingUri:
    """What to serve.

    Raises:
        TrackingError: there is nothing to serve.
    """
    if problems := check_uri(uri, project):
        raise TrackingError(problems)
    runs = resolve_uri(uri, project)
    if runs.address.startswith(("http:", "https:")):
        raise TrackingError(
            Problem(
                where="--uri",
                what=f"{runs} is a tracking server, which shows its runs itself",
                expected="a database",
                fix=f"open {runs} in a browser",
            )
        )
    if runs.database is not None and not runs.database.exists():
        raise TrackingError(
            Problem(
                where="--uri",
                what=f"no runs yet: {runs.database} does not exist",
                expected="the database of a sweep that was started in this directory",
                fix="run a sweep first: python -m lmtune.run sweeps/smoke.yaml",
            )
        )
    return runs


def _check_free(host: str, port: int) -> None:
    """See that the port can be listened on, as MLflow's own message is a long traceback.

    Raises:
        TrackingError: it cannot.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
    except OSError as error:
        raise TrackingError(
            Problem(
                where="--port",
                what=f"cannot listen on {host}:{port}: {error.strerror}",
                expected="a free port of this machine",
                fix=f"give another: python -m lmtune.ui --port {min(port + 1, 65535)}",
            )
        ) from error


def _serve(runs: TrackingUri, host: str, port: int) -> NoReturn:
    """Become the MLflow server: one process fewer, and signals reach it as they are."""
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1"]
    command += ["--host", host, "--port", str(port)]
    # Other users can read a process's arguments, and the address may hold a password.
    environment = {**_SERVER_SETTINGS, **os.environ, "MLFLOW_BACKEND_STORE_URI": runs.address}
    os.execve(command[0], command, environment)


if __name__ == "__main__":
    typer.run(main)
