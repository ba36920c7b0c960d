"""Source code: the standard library of the Python that runs.

Files follow each other in the order of their paths, a blank line between two, and are never cut:
a split begins with a file. Left out are tests, installed packages, what the build of this Python
generated (it would differ from machine to machine), the prose of `python_docs`, and files that
are not UTF-8.
"""

from __future__ import annotations

import os
import sysconfig
from bisect import bisect_left
from itertools import accumulate
from pathlib import Path

from lmtune.datasets.corpora import CorpusText, split_positions
from lmtune.errors import Problem
from lmtune.spec.dataset import PythonStdlibCorpus

_SKIPPED_FOLDERS = frozenset(
    [
        "__pycache__",
        "dist-packages",
        "idle_test",
        "pydoc_data",
        "site-packages",
        "test",
        "tests",
    ]
)
_GENERATED_PREFIXES = ("_sysconfigdata", "config-")
_SEPARATOR = "\n"


def check(config: PythonStdlibCorpus, *, project: Path, where: str) -> list[Problem]:
    """Say so where the standard library is not a folder of sources (a zip file, say)."""
    root = _root()
    if (root / "os.py").is_file():
        return []
    return [
        Problem(
            where,
            f"{root} does not hold the sources of the standard library",
            "a Python whose standard library is a folder of .py files",
            "use another Python, or another corpus such as python_docs",
        )
    ]


def read(config: PythonStdlibCorpus, *, project: Path, where: str) -> CorpusText:
    """Join the files into splits; each ends with the first file that fills its share."""
    files = [text for path in source_files(_root()) if (text := _decoded(path))]
    ends = list(accumulate(len(text) + len(_SEPARATOR) for text in files))
    validation, test = (bisect_left(ends, at) + 1 for at in split_positions(ends[-1]))
    return CorpusText(
        _SEPARATOR.join(files[:validation]),
        _SEPARATOR.join(files[validation:test]),
        _SEPARATOR.join(files[test:]),
    )


def source_files(root: Path) -> list[Path]:
    """All .py files of a standard library that belong to the corpus, ordered by path."""
    paths = []
    for folder, subfolders, names in os.walk(root):
        # Pruned, not filtered afterwards: site-packages alone may hold a million files.
        subfolders[:] = [name for name in subfolders if _belongs(name)]
        paths += [Path(folder, name) for name in names if name.endswith(".py") and _belongs(name)]
    return sorted(paths, key=lambda path: path.relative_to(root).parts)


def _belongs(name: str) -> bool:
    return name not in _SKIPPED_FOLDERS and not name.startswith(_GENERATED_PREFIXES)


def _decoded(path: Path) -> str:
    """The text of a file; empty where it is not UTF-8."""
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        return ""


def _root() -> Path:
    return Path(sysconfig.get_path("stdlib"))
