"""`python -m lmtune.plan SPEC`: what a sweep will do, and what it will cost, before it runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from lmtune.errors import LmtuneError, Problem, ResourceError, UserError
from lmtune.spec import read_sweep

if TYPE_CHECKING:  # the types alone: a wrong file need not load torch
    from lmtune.planning.probes import Watch
    from lmtune.spec.plan import Plan

DONE, FAILED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    spec: Annotated[Path, typer.Argument(help="The sweep file.", show_default=False)],
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Override a value of the file."),
    ] = None,
    no_probe: Annotated[
        bool, typer.Option("--no-probe", help="Measure nothing: no time, memory and disk.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object and nothing else.")
    ] = False,
) -> None:
    """Count trials, parameters, tokens; measure a few steps, and say what the sweep will cost."""
    try:
        plan, problems = make(spec, overrides or [], Path.cwd(), is_probed=not no_probe)
        if as_json:
            content = plan.model_dump(mode="json")
            typer.echo(json.dumps({**content, "problems": [str(each) for each in problems]}))
        else:
            _print(plan)
        if problems:
            raise ResourceError(problems)
        code = DONE
    except LmtuneError as error:
        typer.echo(str(error), err=True)
        code = WRONG_INPUT if isinstance(error, UserError) else FAILED
    except KeyboardInterrupt:
        typer.echo("Interrupted.", err=True)
        code = INTERRUPTED
    raise typer.Exit(code)


def make(
    spec: Path, overrides: list[str], project: Path, *, is_probed: bool
) -> tuple[Plan, list[Problem]]:
    """Make the plan of a sweep file and keep it in the sweep's experiment folder.

    Args:
        spec: the file.
        overrides: as of `--set`.
        project: the folder that the sweep would be run in.
        is_probed: whether to measure what trials cost.

    Returns:
        The plan, and what of it is more than the budget or the machine has.

    Raises:
        UserError: the sweep could not be run here.
    """
    sweep = read_sweep(spec, overrides)
    # deferred, as in lmtune.run: a wrong file is refused before any of this is loaded
    from lmtune.preflight import check_surroundings, prepare_datasets
    from lmtune.progress_bars import progress_bars

    check_surroundings(sweep, spec, project, is_local=True)
    with progress_bars(Console(stderr=True)):
        prepared = prepare_datasets(sweep, spec, project)
    from lmtune.disk_use import check_disk
    from lmtune.matching import match_widths
    from lmtune.planning.limits import over_limits
    from lmtune.planning.make import make_plan
    from lmtune.records import ExperimentFolder

    sweep = match_widths(sweep, prepared, spec)
    with probe_bar(Console(stderr=True)) as watch:
        plan = make_plan(sweep, prepared, project, probe=watch if is_probed else None)
    folder = ExperimentFolder(project / "experiments" / sweep.name)
    if plan.forecast is not None:
        folder.write_plan(plan)
    problems = over_limits(plan, sweep, str(spec))
    try:
        check_disk(sweep, prepared, folder, spec)
    except ResourceError as error:
        problems += error.problems
    return plan, problems


@contextmanager
def probe_bar(console: Console) -> Iterator[Watch]:
    """Show how many shapes are measured; nothing where the console is no terminal."""
    columns = (TextColumn("measuring"), BarColumn(), MofNCompleteColumn(), TextColumn("shapes"))
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bars:
        task = bars.add_task("measuring", total=None)

        def watch(done: int, total: int) -> None:
            bars.update(task, completed=done, total=total)

        yield watch


def _print(plan: Plan) -> None:
    from lmtune.plan_text import print_plan  # deferred with numpy

    console = Console()
    console.print(plan.name, style="bold", highlight=False, markup=False)
    console.print(plan.question, highlight=False, markup=False)
    print_plan(plan, console)
    if plan.forecast is None:
        console.print("Time, memory and disk were not measured.")


if __name__ == "__main__":
    app()
