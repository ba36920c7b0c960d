"""`python -m lmtune.run SPEC`: run a sweep, or what is left of it, and say what it found.

What is cheap to check is checked before torch, Ray or MLflow is imported.
"""

from __future__ import annotations

import gc
import importlib
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from lmtune.disk import disk_full
from lmtune.errors import LmtuneError, UserError
from lmtune.machine import is_disk_full
from lmtune.spec import read_sweep

if TYPE_CHECKING:  # the types alone: a wrong file is refused before these are loaded
    from lmtune.analysis.experiment import Experiment
    from lmtune.datasets import PreparedDatasets
    from lmtune.records import ExperimentFolder
    from lmtune.spec.sweep import SweepSpec
    from lmtune.tuning.cluster import ClusterConnection
    from lmtune.tuning.runner import SweepOutcome

DONE, FAILED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    spec: Annotated[Path, typer.Argument(help="The sweep file.", show_default=False)],
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="PATH=VALUE",
            help="Override a value of the file, such as base.model.size=small. Repeatable.",
        ),
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="Join the Ray cluster at this address.")
    ] = None,
    why: Annotated[
        str | None,
        typer.Option(metavar="TRIAL", help="Say why a trial is or is not run again, and stop."),
    ] = None,
    fresh: Annotated[
        bool,
        typer.Option("--fresh", help="Move the experiment aside (nothing is deleted), start anew."),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Run a sweep. The same command again goes on where it ended, and runs only what is missing."""
    try:
        if why is not None:
            code = _explain(spec, overrides or [], why)
        else:
            code = _run_while_there_is_room(spec, overrides or [], address, fresh, Console())
    except LmtuneError as error:
        if debug:
            raise
        print(error, file=sys.stderr)  # noqa: T201 - the front door
        code = WRONG_INPUT if isinstance(error, UserError) else FAILED
    except (KeyboardInterrupt, SystemExit) as error:
        # SystemExit is what Ray makes of SIGTERM while the runner does not handle it.
        if isinstance(error, SystemExit) and error.code != signal.SIGTERM:
            raise
        print("Interrupted. The same command goes on from here.", file=sys.stderr)  # noqa: T201
        code = INTERRUPTED
    gc.freeze()  # else a second goes into collecting what ends with the process anyway
    raise typer.Exit(code)


def _run_while_there_is_room(
    spec: Path, overrides: list[str], address: str | None, fresh: bool, console: Console
) -> int:
    try:
        return run(spec, overrides, address=address, fresh=fresh, console=console)
    except OSError as error:
        if not is_disk_full(error):
            raise
        raise disk_full(error, Path.cwd()) from error


def _explain(spec: Path, overrides: list[str], trial_id: str) -> int:
    sweep = read_sweep(spec, overrides)
    from lmtune.records import ExperimentFolder  # deferred: a mistake in the file is said sooner
    from lmtune.why import why

    print(why(sweep, ExperimentFolder(Path.cwd() / "experiments" / sweep.name), trial_id))  # noqa: T201
    return DONE


def run(
    spec: Path, overrides: list[str], *, address: str | None, console: Console, fresh: bool = False
) -> int:
    """Run a sweep in the current directory; the exit code.

    Args:
        spec: the sweep file.
        overrides: of its values.
        address: of a Ray cluster; a Ray of its own if None.
        console: where progress is shown.
        fresh: move what the sweep has done already aside first.

    Raises:
        UserError: something in the input is wrong; nothing was started.
        SweepError: the sweep as a whole broke.
        OSError: the disk is full; what was written before is whole.
    """
    started_s = time.monotonic()
    project = Path.cwd()
    sweep = read_sweep(spec, overrides)
    # deferred, each as late as it can be: numpy; then Ray; then torch and pandas
    from lmtune.preflight import check_surroundings, prepare_datasets
    from lmtune.progress_bars import progress_bars

    check_surroundings(sweep, spec, project, is_local=address is None)
    with progress_bars(Console(stderr=True)):
        prepared = prepare_datasets(sweep, spec, project)
    if sweep.match is not None:
        from lmtune.matching import describe_match, match_widths  # loads torch

        sweep = match_widths(sweep, prepared, spec)
        for line in describe_match(sweep):
            console.print(line, highlight=False, markup=False, soft_wrap=True)
    from lmtune.records import ExperimentFolder
    from lmtune.terminal import describe
    from lmtune.tuning.ray_settings import stay_on_this_machine

    if address is None:
        stay_on_this_machine()
    from lmtune.tuning.cluster import ClusterConnection

    folder = ExperimentFolder(project / "experiments" / sweep.name)
    if fresh and folder.path.exists():
        aside = folder.move_aside()
        console.print(f"What was there is in {aside.relative_to(project)}.", highlight=False)
        if spec.resolve() == folder.sweep_yaml.resolve():
            spec = ExperimentFolder(aside).sweep_yaml
    with folder.hold(), ClusterConnection(address) as connection:
        if not folder.summary_json.exists():  # else there may be nothing left to run
            console.print(f"{describe(sweep)}. Starting Ray ...", highlight=False, markup=False)
            with _importing("lmtune.driver"):  # for seconds, as starting Ray takes: both at once
                _ = connection.cluster
        from lmtune.ending import print_ending

        outcome, experiment = _drive(
            sweep,
            spec,
            project,
            folder,
            prepared,
            connection,
            console,
            is_local=address is None,
            started_s=started_s,
        )
        print_ending(experiment, outcome, console)
    if outcome.signal is not None:
        return INTERRUPTED
    return FAILED if outcome.num_failed else DONE


def _drive(
    sweep: SweepSpec,
    spec: Path,
    project: Path,
    folder: ExperimentFolder,
    prepared: PreparedDatasets,
    connection: ClusterConnection,
    console: Console,
    *,
    is_local: bool,
    started_s: float,
) -> tuple[SweepOutcome, Experiment]:
    """Say what the sweep will do and cost, and run what is left of it."""
    from lmtune.driver import drive  # deferred with torch
    from lmtune.planned import plan_run

    plan_run(
        sweep,
        spec=spec,
        prepared=prepared,
        project=project,
        folder=folder,
        console=console,
        is_local=is_local,
    )
    return drive(
        sweep,
        spec=spec,
        folder=folder,
        project=project,
        prepared=prepared,
        connection=connection,
        console=console,
        started_s=started_s,
    )


@contextmanager
def _importing(module: str) -> Iterator[None]:
    """Import a module in a thread while the block runs; an error shows at the next import."""
    thread = threading.Thread(target=importlib.import_module, args=(module,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join()


if __name__ == "__main__":
    app()
