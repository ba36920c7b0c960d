"""`python -m lmtune.report EXPERIMENT ...`: write reports anew from the records alone.

Several experiments are set side by side as well, as far as they compare.
"""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lmtune.errors import LmtuneError, UserError

if TYPE_CHECKING:  # the type alone: a wrong argument need not load what makes a report
    from lmtune.analysis.experiment import Experiment

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class PictureFormat(Enum):
    """How pictures are written."""

    SVG = "svg"
    PNG = "png"


@app.command()
def main(
    experiments: Annotated[
        list[Path], typer.Argument(help="Folders of experiments.", show_default=False)
    ],
    figures: Annotated[
        PictureFormat | None,
        typer.Option(help="Write every figure as a picture, too; needs kaleido and a Chrome."),
    ] = None,
    output: Annotated[
        Path, typer.Option(help="Where the page of several experiments is written.")
    ] = Path("comparison.html"),
) -> None:
    """Write an experiment's reports and tables anew; of several, compare them too."""
    try:
        # deferred: pandas, Optuna
        from lmtune.analysis import write_experiment
        from lmtune.analysis.experiment import read_experiment
        from lmtune.records import ExperimentFolder, write_tables

        found = [read_experiment(ExperimentFolder(path)) for path in experiments]
        for each in found:
            write_tables(each.folder, each.records)
            write_experiment(each)
        if figures is not None:
            _write_figures(found, figures)
        shown, page = _comparison(found, output) if len(found) > 1 else (found[0], None)
    except LmtuneError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2 if isinstance(error, UserError) else 1) from None
    _print(shown, found, page)


def _write_figures(experiments: list[Experiment], picture_format: PictureFormat) -> None:
    from lmtune.analysis.figures import build_figures  # deferred, as above
    from lmtune.analysis.figures.export import write_figures

    for each in experiments:
        write_figures(each.folder.figures, build_figures(each), picture_format.value)


def _comparison(experiments: list[Experiment], output: Path) -> tuple[Experiment, Path]:
    from lmtune.analysis.page import comparison_page  # deferred, as above
    from lmtune.analysis.side_by_side import side_by_side
    from lmtune.records.files import write_text

    merged = side_by_side(experiments)
    write_text(output, comparison_page(merged, experiments))
    return merged, output


def _print(shown: Experiment, experiments: list[Experiment], page: Path | None) -> None:
    """The answer and the table, and where the rest is."""
    from rich.console import Console  # deferred, as above

    from lmtune.analysis.side_by_side import flags
    from lmtune.printed_answer import print_answer

    console = Console()
    print_answer(shown.summary, console)
    if page is not None:
        for flag in flags(experiments):
            console.print(flag, style="yellow", markup=False, highlight=False)
        console.print(f"Comparison  {page}", markup=False, highlight=False)
    for each in experiments:
        console.print(f"Report      {each.folder.report_html}", markup=False, highlight=False)


if __name__ == "__main__":
    sys.exit(app())
