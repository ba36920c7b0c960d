"""What a person reads when a sweep ends: the answer, the table, and where the rest is."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from lmtune.analysis import Summary, answer, floor_lines, variants_header, variants_rows
from lmtune.analysis.statistics import Verdict
from lmtune.records import ExperimentFolder
from lmtune.tuning.runner import SweepOutcome

_STYLES: dict[Verdict, str] = {"better": "green", "worse": "red", "within noise": "dim"}
_DROPPED_FIRST = (
    *("tokens/s", "FLOPs", "completed", "tune trials", "diverged", "detectable", "p (", "seeds"),
    *("parameters", "95%", "tuned", "its"),
)


def print_ending(
    summary: Summary, outcome: SweepOutcome, folder: ExperimentFolder, console: Console
) -> None:
    """Print how the run ended, what the sweep found and where to read on.

    Args:
        summary: of the records as they now are.
        outcome: of this run.
        folder: the records.
        console: where to.
    """
    console.print(Text(_how_it_ended(outcome)))
    _print_failures(outcome, folder, console)
    console.print()
    console.print(Text(summary.sweep.question, style="bold"))
    console.print(Text(answer(summary)))
    console.print(variants_table(summary, console))
    for line in floor_lines(summary):
        console.print(Text(line, style="dim"))
    console.print(Text(f"Report   {_shown(folder.report_md)}"))
    console.print(Text(f"Records  {_shown(folder.path)}"))
    if summary.sweep.tracking.mlflow is not None:
        console.print(Text("MLflow   make ui, or python -m lmtune.ui"))


def _how_it_ended(outcome: SweepOutcome) -> str:
    if outcome.is_finished and not outcome.num_run:
        return "Nothing was left to run."
    ended = f"{_trials(outcome.num_run)} ended in this run"
    if outcome.is_finished:
        return f"{ended}; the sweep is finished."
    reason = "The time budget is spent" if outcome.time_is_up else "Interrupted"
    return f"{reason}: {ended}, and what is under way is saved. The same command goes on from here."


def _print_failures(outcome: SweepOutcome, folder: ExperimentFolder, console: Console) -> None:
    failed = [result for result in outcome.results.values() if result.status == "failed"]
    if not failed:
        return
    first = failed[0]
    which = first.trial_id if len(failed) == 1 else f"the first of them {first.trial_id}"
    console.print(Text(f"{_trials(len(failed))} failed, {which}:"))
    console.print(Text(first.message), style="red", soft_wrap=True)  # paths in it stay whole
    console.print(Text(f"The records are in {_shown(folder.trial(first.trial_id).path.parent)}."))
    console.print(Text(f"The same command tries {'them' if len(failed) > 1 else 'it'} again."))


def _trials(count: int) -> str:
    return "1 trial" if count == 1 else f"{count} trials"


def variants_table(summary: Summary, console: Console) -> Table:
    """The variants table, without the columns that do not fit; the report has all of them."""
    titles = list(variants_header(summary))
    while True:
        table = _build_table(summary, titles)
        droppable = [title for title in titles if title.startswith(_DROPPED_FIRST)]
        unbounded = console.options.update(max_width=10_000)
        if not droppable or Measurement.get(console, unbounded, table).maximum <= console.width:
            return table
        titles.remove(min(droppable, key=_drop_rank))


def _drop_rank(title: str) -> int:
    return next(rank for rank, start in enumerate(_DROPPED_FIRST) if title.startswith(start))


def _build_table(summary: Summary, titles: list[str]) -> Table:
    header = variants_header(summary)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, title in enumerate(titles):
        table.add_column(Text(title), justify="right" if number else "left")
    for row in variants_rows(summary):
        cells = dict(zip(header, row.cells, strict=True))
        style = _STYLES.get(row.verdict, "") if row.verdict else ""
        table.add_row(*(Text(cells[title]) for title in titles), style=style)
    return table


def _shown(path: Path) -> str:
    """Relative to where the user stands, where it is below."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
