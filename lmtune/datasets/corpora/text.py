"""The user's own files.

Text is taken as it stands: line ends, control characters and Unicode forms are not touched. Only
a byte order mark at the start of a file is dropped, since it names the encoding and is no text.

Where a validation file is given, the training file is used whole, and there is a test split only
where there is a test file. Where none is given, the end of the training file is cut off for it:
90/5/5 percent for training, validation and test, or 95/5 beside a test file.
"""

from __future__ import annotations

import shlex
import stat
from pathlib import Path

from lmtune.datasets.corpora import CorpusText, split_positions
from lmtune.errors import DataError, Problem
from lmtune.spec.dataset import TextCorpus

_EXPECTED = "a UTF-8 text file"
_BYTE_ORDER_MARK = "\ufeff"


def check(config: TextCorpus, *, project: Path, where: str) -> list[Problem]:
    """Find files that are missing, empty, or no files."""
    checked = [
        _check_file(path, f"{where}.{name}") for name, path in _paths(config, project).items()
    ]
    return [problem for problem in checked if problem]


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
    return _cut(texts["train"], texts.get("validation"), texts.get("test"))


def _cut(train: str, validation: str | None, test: str | None) -> CorpusText:
    if validation is not None:
        return CorpusText(train, validation, test)
    if test is not None:
        _, cut = split_positions(len(train))
        return CorpusText(train[:cut], train[cut:], test)
    return CorpusText.cut(train)


def _paths(config: TextCorpus, project: Path) -> dict[str, Path]:
    names = {
        "train": config.train,
        "validation": config.validation,
        "test": config.test,
    }
    return {split: project / name for split, name in names.items() if name is not None}


def _check_file(path: Path, where: str) -> Problem | None:
    # By status and before opening: opening a FIFO would wait for ever.
    try:
        status = path.stat()
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        return _unreadable(path, where, error)
    if stat.S_ISDIR(status.st_mode):
        return Problem(where, f"{path} is a directory", _EXPECTED, "name one file")
    if not stat.S_ISREG(status.st_mode):
        what = f"{path} is a pipe, socket or device"
        return Problem(where, what, _EXPECTED, "save its text to a file and name that")
    if status.st_size == 0:
        return Problem(where, f"{path} is empty", _EXPECTED, "put text into it")
    return None


def _read_file(path: Path, where: str) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(_unreadable(path, where, error)) from error
    if (offset := content.find(b"\0")) >= 0:
        what = f"{path} is a binary file: NUL at byte {offset}"
        raise DataError(Problem(where, what, _EXPECTED, _conversion(path, "UTF-16")))
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        what = f"{path} is not UTF-8: 0x{content[error.start]:02x} at byte {error.start}"
        raise DataError(Problem(where, what, _EXPECTED, _conversion(path, "LATIN1"))) from error
    return text.removeprefix(_BYTE_ORDER_MARK)


def _unreadable(path: Path, where: str, error: OSError | ValueError) -> Problem:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return Problem(
        where,
        f"{path} cannot be read: {reason}",
        f"{_EXPECTED}; a relative path starts from the project folder",
        "correct the path, or put a readable file there",
    )


def _conversion(path: Path, encoding: str) -> str:
    source, target = shlex.quote(str(path)), shlex.quote(f"{path}.utf8")
    return f"if it is {encoding} text: iconv -f {encoding} -t UTF-8 {source} > {target}"
