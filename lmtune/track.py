"""`python -m lmtune.track EXPERIMENT`: bring MLflow up to date from the records alone."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from lmtune.errors import LmtuneError, Problem, SweepError, TrackingError, UserError
from lmtune.records import ExperimentFolder
from lmtune.spec.sweep import MlflowTracking
from lmtune.tracking import MlflowObserver, TrackedSweep, check_uri, resolve_uri, tracked_files

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    experiment: Annotated[
        Path, typer.Argument(help="The experiment's folder.", file_okay=False, show_default=False)
    ],
    uri: Annotated[
        str | None,
        typer.Option(help="Where MLflow keeps the runs; as the sweep has it if left out."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object and nothing else.")
    ] = False,
) -> None:
    """Write to MLflow what it lacks of a sweep. A second time it finds nothing to write."""
    try:
        name, where, tracked = track(ExperimentFolder(experiment), uri)
    except LmtuneError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2 if isinstance(error, UserError) else 1) from None
    if as_json:
        content = {
            "experiment": name,
            "parent_run_id": tracked.parent_run_id,
            "runs": tracked.num_runs,
            "added": tracked.num_added,
        }
        typer.echo(json.dumps(content))
    else:
        runs = "run" if tracked.num_runs == 1 else "runs"
        typer.echo(f"{where}: {tracked.num_runs} {runs} of {name}, {tracked.num_added} added")


def track(folder: ExperimentFolder, uri: str | None) -> tuple[str, str, TrackedSweep]:
    """Make the runs that MLflow lacks, and bring the others to what the records say.

    Args:
        folder: the experiment, `experiments/<name>` of a project.
        uri: of MLflow; None for the sweep's own, or the default where the sweep has none.

    Returns:
        The sweep's name, where its runs are, and what is there.

    Raises:
        UserError: there is no experiment, a command works in it, or the URI is wrong.
        SweepError: not all could be written.
    """
    sweep = folder.read_sweep()
    project = folder.path.resolve().parent.parent
    config = MlflowTracking(uri=uri) if uri else sweep.tracking.mlflow or MlflowTracking()
    if problems := check_uri(config.uri, project):
        raise TrackingError([_in_option(each) for each in problems] if uri else problems)
    with _held(folder):
        observer = MlflowObserver(
            config,
            project=project,
            experiment=folder,
            sweep=sweep,
            git_commit=folder.read_environment().get("git_commit"),
        )
        observer.sweep_ended(_is_finished(folder))
        observer.log_artifacts(tracked_files(folder))
    if observer.problems or observer.tracked is None:
        raise SweepError("\n".join(map(str, observer.problems)))
    return sweep.name, str(resolve_uri(config.uri, project)), observer.tracked


def _in_option(problem: Problem) -> Problem:
    return replace(problem, where="--uri", fix=f"give another, such as {MlflowTracking().uri}")


@contextmanager
def _held(folder: ExperimentFolder) -> Iterator[None]:
    """Hold the folder; a command that runs in it writes to MLflow itself."""
    with ExitStack() as stack:
        try:
            stack.enter_context(folder.hold())
        except UserError as error:
            fix = "leave it to that command, which brings MLflow up to date itself"
            raise UserError([replace(each, fix=fix) for each in error.problems]) from None
        yield


def _is_finished(folder: ExperimentFolder) -> bool:
    """Whether the sweep had nothing left to run, as its report has it."""
    from lmtune.analysis import summarize  # deferred: loads scipy

    try:
        return summarize(folder).finished
    except UserError:  # a record that cannot be read; said when its run is written
        return False


if __name__ == "__main__":
    sys.exit(app())
