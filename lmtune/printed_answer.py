"""The answer of a sweep in a terminal: the question, a few sentences and the variants table."""

from __future__ import annotations

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from lmtune.analysis import Summary, answer, floor_lines, variants_header, variants_rows
from lmtune.analysis.statistics import Verdict

_STYLES: dict[Verdict, str] = {"better": "green", "worse": "red", "within noise": "dim"}
_DROPPED_FIRST = (
    *("tokens/s", "FLOPs", "completed", "tune trials", "diverged", "detectable", "p (", "seeds"),
    *("parameters", "chrF", "BLEU", "95%", "tuned", "exact match", "its"),
)


def print_answer(summary: Summary, console: Console) -> None:
    """Print the question, the answer and the variants table."""
    console.print(Text(summary.sweep.question, style="bold"))
    console.print(Text(answer(summary)))
    console.print(variants_table(summary, console))
    for line in floor_lines(summary):
        console.print(Text(line, style="dim"))


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
