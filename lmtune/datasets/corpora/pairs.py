"""The user's own pairs, one a line.

A split is one .tsv file (source, tab, target), one .jsonl file ({"source": ..., "target": ...},
other keys are left alone), or two files of as many lines. A line ends with LF or CRLF; whatever
else stands in a text is taken as it is, but a byte order mark at the start of a file. Splits
without a file of their own are cut off the end of the training pairs, as for `text`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import TypeVar

from lmtune.datasets.corpora.text import check_file, unreadable
from lmtune.datasets.pair_texts import PairFileContents, PairTexts, TextPairs
from lmtune.datasets.utf8 import decode_utf8
from lmtune.errors import DataError, Problem
from lmtune.spec.dataset import PairFiles, PairsCorpus

_FORMS = (
    'a .tsv file (source, tab, target), a .jsonl file ({"source": ..., "target": ...}), '
    "or {source: FILE, target: FILE}"
)
_MAX_WRONG_LINES = 5
"""Of a file: more are counted, not shown."""
_MAX_COUNTED_LINES = 10_000
"""Of a file with more wrong lines than that, the rest is let be."""

T = TypeVar("T")
Pair = tuple[str, str]


@dataclass(frozen=True)
class _File:
    """A file, and where the sweep file names it."""

    path: Path
    where: str
    content: bytes


class _WrongLine(ValueError):
    """A line that is no pair, or no half of one."""

    def __init__(self, what: str, expected: str, fix: str) -> None:
        super().__init__(what)
        self.what = what
        self.expected = expected
        self.fix = fix


def check(config: PairsCorpus, *, project: Path, where: str) -> list[Problem]:
    """Find files of an unknown form, and files that are missing, empty, or no files."""
    problems = []
    for split, given in _given(config).items():
        if isinstance(given, str) and Path(given).suffix.lower() not in _PARSERS:
            what = f"the name {given} does not say how the file holds its pairs"
            fix = "convert the file, and name it so"
            problems.append(Problem(f"{where}.{split}", what, _FORMS, fix))
        else:
            paths = _paths(split, given, project)
            checked = [check_file(path, f"{where}.{place}") for place, path in paths.items()]
            problems += [problem for problem in checked if problem]
    return problems


def load_files(config: PairsCorpus, *, project: Path, where: str) -> PairFileContents:
    """Return the files by their places in the config.

    Raises:
        DataError: with all files that cannot be read.
    """
    files: dict[str, bytes] = {}
    problems: list[Problem] = []
    for split, given in _given(config).items():
        for place, path in _paths(split, given, project).items():
            try:
                files[place] = path.read_bytes()
            except OSError as error:
                problems.append(unreadable(path, f"{where}.{place}", error))
    if problems:
        raise DataError(problems)
    return files


def read(config: PairsCorpus, files: PairFileContents, *, project: Path, where: str) -> PairTexts:
    """Read the pairs, and cut what has no file of its own from the end of the training pairs.

    Raises:
        DataError: with the wrong lines of all files, or where two splits hold the same pairs.
    """
    splits: dict[str, TextPairs] = {}
    problems: list[Problem] = []
    for split, given in _given(config).items():
        named = {
            place: _File(path, f"{where}.{place}", files[place])
            for place, path in _paths(split, given, project).items()
        }
        try:
            splits[split] = (
                _one_file(named[split])
                if isinstance(given, str)
                else _two_files(named[f"{split}.source"], named[f"{split}.target"])
            )
        except DataError as error:
            problems += error.problems
    if problems := problems or _identical(splits, where):
        raise DataError(problems)
    return _cut(splits, where)


def _given(config: PairsCorpus) -> dict[str, PairFiles | str]:
    splits = {"train": config.train, "validation": config.validation, "test": config.test}
    return {split: given for split, given in splits.items() if given is not None}


def _paths(split: str, given: PairFiles | str, project: Path) -> dict[str, Path]:
    """The files of a split by their places in the config."""
    if isinstance(given, str):
        return {split: project / given}
    return {f"{split}.source": project / given.source, f"{split}.target": project / given.target}


def _one_file(file: _File) -> TextPairs:
    pairs = _parsed(file, _PARSERS[file.path.suffix.lower()])
    return TextPairs([source for source, _ in pairs], [target for _, target in pairs])


def _two_files(source: _File, target: _File) -> TextPairs:
    texts: list[list[str]] = []
    problems: list[Problem] = []
    for file, side in ((source, "source"), (target, "target")):
        try:
            texts.append(_parsed(file, partial(_text, side=side, fix=_REMOVE_BOTH)))
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(problems)
    pairs = TextPairs(*texts)
    if len(pairs.sources) != len(pairs.targets):
        raise DataError(_unequal(source, len(pairs.sources), target, len(pairs.targets)))
    return pairs


def _unequal(source: _File, num_sources: int, target: _File, num_targets: int) -> Problem:
    longer, shorter = (source, target) if num_sources > num_targets else (target, source)
    first = min(num_sources, num_targets) + 1
    return Problem(
        longer.where,
        f"{longer.path}:{first}: no line of {shorter.path} belongs to it; the sources have "
        f"{num_sources} lines and the targets {num_targets}",
        "as many sources as targets, line by line",
        "look for a line that is missing or one too many: what follows it is paired wrongly, too",
    )


def _parsed(file: _File, parse: Callable[[str], T]) -> list[T]:
    """What each line holds; raises DataError with the first wrong lines and their number."""
    parsed: list[T] = []
    problems: list[Problem] = []
    num_wrong = 0
    for number, line in enumerate(_lines(file), 1):
        try:
            parsed.append(parse(line))
        except _WrongLine as wrong:
            num_wrong += 1
            if num_wrong <= _MAX_WRONG_LINES:
                what = f"{file.path}:{number}: {wrong.what}"
                problems.append(Problem(file.where, what, wrong.expected, wrong.fix))
            if num_wrong == _MAX_COUNTED_LINES:
                break
    if more := num_wrong - len(problems):
        least = "at least " if num_wrong == _MAX_COUNTED_LINES else ""
        what = f"{file.path}: {least}{more} more lines are wrong, {least}{num_wrong} in all"
        problems.append(Problem(file.where, what, fix="mend them alike"))
    if problems:
        raise DataError(problems)
    return parsed


def _lines(file: _File) -> list[str]:
    try:
        text = decode_utf8(file.content, file.path, file.where)
    except DataError as error:
        if not isinstance(error.__cause__, UnicodeDecodeError):
            raise
        line = file.content.count(b"\n", 0, error.__cause__.start) + 1
        (problem,) = error.problems
        what = f"{file.path}:{line}: {problem.what}"
        raise DataError(replace(problem, what=what)) from error
    # Not splitlines: it also cuts at characters that may stand inside a text.
    lines = text.removesuffix("\n").split("\n")
    return [line.removesuffix("\r") for line in lines]


_REMOVE = "write it, or remove the line"
_REMOVE_BOTH = "write it, or remove the line from both files"


def _text(text: str, side: str, fix: str = _REMOVE) -> str:
    """A source or a target as it stands."""
    if not text.strip():
        raise _WrongLine(f"the {side} is empty", f"a {side} on each line", fix)
    return text


def _tsv_pair(line: str) -> Pair:
    columns = line.split("\t")
    if len(columns) != 2:
        what = "no tab" if len(columns) == 1 else f"{len(columns)} columns"
        fix = "put one tab between source and target; texts with tabs go into a .jsonl file"
        raise _WrongLine(what, "a source, one tab and a target on each line", fix)
    return _text(columns[0], "source"), _text(columns[1], "target")


def _jsonl_pair(line: str) -> Pair:
    expected = '{"source": "...", "target": "..."} on each line'
    try:
        content = json.loads(line)
    except json.JSONDecodeError as error:
        what = f"not JSON: {error.msg} at column {error.colno}"
        raise _WrongLine(what, expected, _REMOVE) from None
    except (ValueError, RecursionError) as error:  # a number too long, or too deep a nesting
        raise _WrongLine(f"JSON that cannot be read: {error}", expected, _REMOVE) from None
    if not isinstance(content, dict):
        raise _WrongLine("JSON, but no object", expected, _REMOVE)
    source, target = (_json_text(content, side, expected) for side in ("source", "target"))
    return source, target


def _json_text(content: Mapping[str, object], side: str, expected: str) -> str:
    text = content.get(side)
    if not isinstance(text, str):
        what = f"the {side} is no text" if side in content else f"no {side}"
        raise _WrongLine(what, expected, f'write "{side}": "..."')
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        what = f"the {side} holds half of a surrogate pair, which is no character"
        raise _WrongLine(what, "characters", "write the character itself") from None
    return _text(text, side)


_PARSERS: dict[str, Callable[[str], Pair]] = {".tsv": _tsv_pair, ".jsonl": _jsonl_pair}


def _identical(splits: Mapping[str, TextPairs], where: str) -> list[Problem]:
    """Splits that hold the same pairs, in whatever order."""
    contents = {
        split: set(zip(pairs.sources, pairs.targets, strict=True))
        for split, pairs in splits.items()
    }
    return [
        Problem(
            f"{where}.{other}",
            f"the {other} split holds the same pairs as the {split} split",
            "pairs of its own for each split",
            f"name another file, or leave {other} out",
        )
        for split, other in combinations(contents, 2)
        if contents[split] == contents[other]
    ]


def _cut(splits: Mapping[str, TextPairs], where: str) -> PairTexts:
    train, test = splits["train"], splits.get("test")
    if "validation" in splits:
        return PairTexts(train, splits["validation"], test)
    texts = PairTexts.cut(train, test)
    if not all(map(len, texts.splits.values())):
        what = f"{len(train)} pairs are too few to cut other splits off their end"
        fix = "give more pairs, or files of their own for validation and test"
        raise DataError(Problem(f"{where}.train", what, "a pair in each split", fix))
    return texts
