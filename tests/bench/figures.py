"""What was measured: medians beside the raw figures, as a table and as JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

RATIO = "x"
MAX_SHOWN = 8


@dataclass(frozen=True)
class Figure:
    """One thing, measured several times.

    Attributes:
        name: what it is.
        unit: of the values; a ratio's is "x".
        values: in the order in which they were measured.
    """

    name: str
    unit: str
    values: Sequence[float]


def ratio(name: str, above: Sequence[float], below: Sequence[float]) -> Figure:
    """The ratio of two things that took turns, pair by pair."""
    return Figure(name, RATIO, [a / b for a, b in zip(above, below, strict=True)])


def print_table(title: str, figures: Sequence[Figure]) -> None:
    """Print medians, extremes and the figures that they come from."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("measured", overflow="fold")
    for name in ("median", "min", "max", "unit", "values"):
        table.add_column(name, justify="left" if name in ("unit", "values") else "right")
    for figure in figures:
        values = figure.values
        shown = [_format(value) for value in values[:MAX_SHOWN]]
        shown += [f"... ({len(values)})"] if len(values) > MAX_SHOWN else []
        extremes = [_format(value) for value in (median(values), min(values), max(values))]
        table.add_row(figure.name, *extremes, figure.unit, " ".join(shown))
    Console(width=None if Console().is_terminal else 180).print(table)


def write_json(
    path: Path, settings: Mapping[str, Any], figures: Mapping[str, Sequence[Figure]]
) -> None:
    """Write settings, machine and every raw figure, by part."""
    content = {
        "settings": dict(settings),
        "machine": _describe_machine(),
        "figures": {
            part: [{**asdict(figure), "median": median(figure.values)} for figure in measured]
            for part, measured in figures.items()
        },
    }
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _describe_machine() -> dict[str, Any]:
    return {
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def _format(value: float) -> str:
    """Three significant digits, or all before the point."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
