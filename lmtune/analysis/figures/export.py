"""Figures as pictures, for papers and slides: with kaleido and a Chrome, where both are there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from lmtune.analysis.figures.figure import Absent, Figure
from lmtune.analysis.figures.theme import plotly_json
from lmtune.errors import Problem, UserError

Format = Literal["svg", "png"]

WIDTH_PX = 860
SCALE = 2.0
"""Pixels of a picture a pixel of the figure."""


def write_figures(
    folder: Path, figures: Sequence[Figure | Absent], picture_format: Format
) -> list[Path]:
    """Write every view of every figure as a picture; the paths.

    Raises:
        UserError: kaleido or a Chrome is not installed.
    """
    try:
        import kaleido  # noqa: F401 - what plotly draws with
        from choreographer.errors import ChromeNotFoundError
    except ImportError as error:
        raise _cannot("kaleido is not installed", "pip install kaleido") from error
    import plotly.io  # deferred: only those who want pictures wait for it

    wanted = [
        (view, folder / f"{_file_name(figure, word)}.{picture_format}", figure)
        for figure in figures
        if isinstance(figure, Figure)
        for word, view in figure.views.items()
    ]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        plotly.io.write_images(
            [plotly_json(figure, view, "light", is_titled=True) for view, _, figure in wanted],
            [str(path) for _, path, _ in wanted],
            width=WIDTH_PX,
            height=[figure.height for *_, figure in wanted],
            scale=SCALE,
        )
    except (ChromeNotFoundError, RuntimeError) as error:
        raise _cannot(
            f"no Chrome was found ({_first_line(error)})", "kaleido_get_chrome"
        ) from error
    return [path for _, path, _ in wanted]


def _file_name(figure: Figure, word: str) -> str:
    words = "".join(letter if letter.isalnum() else "_" for letter in word).strip("_").lower()
    return f"{figure.name}_{words}" if words else figure.name


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "no reason")


def _cannot(what: str, command: str) -> UserError:
    return UserError(
        Problem(
            "--figures",
            what,
            "kaleido and a Chrome or Chromium, which draw the pictures",
            f"{command}, or leave --figures out: report.html has all figures",
        )
    )
