"""The user's own files.

Where a validation file is given, the training file is used whole, and there is a test split only
where there is a test file. Where none is given, the end of the training file is cut off for it:
90/5/5 percent for training, validation and test, or 95/5 beside a test file.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

from lmtune.datasets.corpora import CorpusText
from lmtune.datasets.utf8 import EXPECTED, decode_utf8
from lmtune.errors import DataError, Problem
from lmtune.machine import available_memory
from lmtune.spec.dataset import TextCorpus

_MEMORY_PER_BYTE = 6
"""What preparing a file takes at least: its text, its tokens, and what they are compared by."""


def check(config: TextCorpus, *, project: Path, where: str) -> list[Problem]:
    """Find files that are missing, empty, no files, or given for two splits."""
    paths = _paths(config, project)
    checked = [check_file(path, f"{where}.{name}") for name, path in paths.items()]
    return [problem for problem in checked if problem] or _check_distinct(paths, where)


def read(config: TextCorpus, *, project: Path, where: str) -> CorpusText:
    """Read the files, and cut what has no file of its own from the end of the training text.

    Raises:
        DataError: a file is binary, is not UTF-8, or cannot be read; with all such files.
    """
    texts: dict[str, str] = {}
    problems: list[Problem] = []
    for name, path in _paths(config, project).items():
        try:
            texts[name] = _read_file(path, f"{where}.{name}")
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(problems)
    return CorpusText.cut(texts["train"], texts.get("validation"), texts.get("test"))


def _paths(config: TextCorpus, project: Path) -> dict[str, Path]:
    names = {
        "train": config.train,
        "validation": config.validation,
        "test": config.test,
    }
    return {split: project / name for split, name in names.items() if name is not None}


def check_file(path: Path, where: str) -> Problem | None:
    """Find a file that is missing, empty, too large, or no file, without opening it."""
    # By status and before opening: opening a FIFO would wait for ever.
    try:
        status = path.stat()
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        return unreadable(path, where, error)
    if stat.S_ISDIR(status.st_mode):
        return Problem(where, f"{path} is a directory", EXPECTED, "name one file")
    if not stat.S_ISREG(status.st_mode):
        what = f"{path} is a pipe, socket or device"
        return Problem(where, what, EXPECTED, "save its text to a file and name that")
    if status.st_size == 0:
        return Problem(where, f"{path} is empty", EXPECTED, "put text into it")
    return _check_size(path, status.st_size, where)


def _check_size(path: Path, size: int, where: str) -> Problem | None:
    memory = available_memory()
    if memory is None or size * _MEMORY_PER_BYTE <= memory:
        return None
    return Problem(
        where,
        f"{path} has {size >> 20:,} MiB, and {memory >> 20:,} MiB of memory are free",
        f"at most {memory // _MEMORY_PER_BYTE >> 20:,} MiB: preparing a file takes about "
        f"{_MEMORY_PER_BYTE} times its size",
        "use a part of it, or a machine with more memory",
    )


def _check_distinct(paths: Mapping[str, Path], where: str) -> list[Problem]:
    """Find a file that is given for two splits, under whatever name."""
    return [
        Problem(
            f"{where}.{other}",
            f"{other_path} is the {name} file, too",
            "a file of its own for each split",
            f"name another file, or leave {other} out",
        )
        for (name, path), (other, other_path) in combinations(paths.items(), 2)
        if path.samefile(other_path)
    ]


def _read_file(path: Path, where: str) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(unreadable(path, where, error)) from error
    return decode_utf8(content, path, where)


def unreadable(path: Path, where: str, error: OSError | ValueError) -> Problem:
    """What is wrong where a path could not be read."""
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return Problem(
        where,
        f"{path} cannot be read: {reason}",
        f"{EXPECTED}; a relative path starts from the project folder",
        "correct the path, or put a readable file there",
    )
