"""A text dataset of the Hugging Face hub, or a local folder that their library can read.

Rows follow each other in their order, each ended by a line end if it has none; the empty rows that
stand for blank lines in some datasets become blank lines again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lmtune.datasets.corpora import CorpusText
from lmtune.datasets.progress import tell
from lmtune.errors import DataError, Problem
from lmtune.spec.dataset import HuggingFaceCorpus

_LIBRARY = "datasets"
_MAX_FILES = 2_000
"""In a local folder: the library looks at each of them; with `path: /` it would take for ever."""


def check(config: HuggingFaceCorpus, *, project: Path, where: str) -> list[Problem]:
    """Say so where the library is not installed, or what is given is no folder of a dataset."""
    spec = find_spec(_LIBRARY)
    if spec is None or spec.origin is None:  # no origin: a folder that is called like the library
        return [
            Problem(
                where,
                f"the library `{_LIBRARY}` is not installed",
                "the optional part lmtune[huggingface]",
                f'python -m pip install "{_LIBRARY}>=5,<6"',
            )
        ]
    if (project / config.path).is_file():
        what = f"{project / config.path} is a file"
        fix = "name the folder that it lies in, or use {type: text, train: ...}"
        return [Problem(f"{where}.path", what, "a folder, or a name on the hub", fix)]
    if _has_many_files(project / config.path):
        what = f"{project / config.path} holds more than {_MAX_FILES} files"
        fix = "name the folder of the dataset alone"
        return [Problem(f"{where}.path", what, "a folder with the files of one dataset", fix)]
    return []


def _has_many_files(folder: Path) -> bool:
    num_files = 0
    for _, folders, files in os.walk(folder):
        num_files += len(folders) + len(files)
        if num_files > _MAX_FILES:
            return True
    return False


def read(config: HuggingFaceCorpus, *, project: Path, where: str) -> CorpusText:
    """Read a column of some splits, downloaded first where they are not there yet.

    Raises:
        DataError: the dataset, a split or the column is not there, or holds no text.
    """
    # Read when the library is imported.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    # Deferred: it takes seconds to import, and may not be installed.
    library = import_module(_LIBRARY)
    library.disable_progress_bars()  # ours may be on the same lines
    names = {"train": config.train, "validation": config.validation, "test": config.test}
    given = {split: name for split, name in names.items() if name is not None}
    folder = project / config.path
    tell(f"reading {config.path}", 0, None)
    try:
        loaded = library.load_dataset(
            str(folder) if folder.is_dir() else config.path,
            config.name,
            revision=config.revision,
            split=list(given.values()),
            cache_dir=str(project / "data" / "huggingface"),
        )
    except Exception as error:  # its readers of forty formats raise what they like
        raise DataError(_unreadable(config, error, where)) from error
    texts = {split: _text(rows, config, where) for split, rows in zip(given, loaded, strict=True)}
    return CorpusText.cut(texts["train"], texts.get("validation"), texts.get("test"))


def _text(rows: Any, config: HuggingFaceCorpus, where: str) -> str:  # noqa: ANN401 - untyped library
    """The column of a split as one text."""
    columns: list[str] = rows.column_names
    if config.column not in columns:
        what = f"{config.path} has no column `{config.column}`"
        fix = f"write column: {columns[0]}" if columns else "use another dataset"
        expected = f"one of: {', '.join(columns)}"
        raise DataError(Problem(f"{where}.column", what, expected, fix))
    cells: Iterable[object] = rows[config.column]
    lines = []
    for number, cell in enumerate(cells, 1):
        if not isinstance(cell, str):
            what = f"row {number} of the column `{config.column}` holds no text: {cell!r:.60}"
            fix = "name a column of texts"
            raise DataError(Problem(f"{where}.column", what, "a text in each row", fix))
        lines.append(cell if cell.endswith("\n") else f"{cell}\n")
    return "".join(lines)


def _unreadable(config: HuggingFaceCorpus, error: Exception, where: str) -> Problem:
    reason = f"{error.__cause__ or error}"
    return Problem(
        where,
        f"{config.path} cannot be read: {reason}",
        "a dataset of the hub or a local folder, with the splits that are named",
        "correct path, name, revision or splits; for the hub, see that it can be reached",
    )
