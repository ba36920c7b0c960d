"""A bar for the data that is being prepared, on a terminal and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn
from rich.progress import TimeRemainingColumn as Remaining

from lmtune.datasets import watched_by


@contextmanager
def progress_bars(console: Console) -> Iterator[None]:
    """Show how far downloading, tokenizing and counting inside the block have come.

    Args:
        console: nothing is shown where it is no terminal, and nothing is left on it.
    """
    if not console.is_terminal:
        yield
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), Remaining())
    with Progress(*columns, console=console, transient=True) as bars:
        task: TaskID | None = None
        shown = ""

        def watch(what: str, done: int, total: int | None) -> None:
            nonlocal task, shown
            if task is None or what != shown:
                if task is not None:
                    bars.remove_task(task)
                task, shown = bars.add_task(what, total=total), what
            bars.update(task, completed=done, total=total)

        with watched_by(watch):
            yield
