"""Functions of the standard library, and the first sentence of what their docstring says.

A source is a function's signature and body without decorators, docstring and blank lines. Left
out are functions that have nothing but a docstring, and sentences that are none: too short, too
long, an example or a bare signature. Each source and each target is used once, where it first
stands, and no module is in two splits, so that nothing of a test can be known by heart.
"""

from __future__ import annotations

import ast
import hashlib
import re
import sysconfig
import warnings
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path

from lmtune.datasets.corpora import split_positions
from lmtune.datasets.corpora.python_stdlib import source_files
from lmtune.datasets.pair_texts import PairFileContents, PairTexts, TextPairs
from lmtune.datasets.progress import tell
from lmtune.errors import DataError, Problem
from lmtune.spec.dataset import DocstringsPairs

_SENTENCE_END = re.compile(r"(?<!e\.g)(?<!i\.e)(?<!etc)(?<! vs)(?<!cf)[.!?](?=\s|$)")
_MIN_WORDS, _MAX_WORDS = 4, 30
_MAX_TARGET_CHARS = 160
_MAX_SHARE = 1 / 40
"""Of all pairs: a module with more is trained on, so that no other split is that one's style."""

_BLOCKS = ("body", "handlers", "orelse", "finalbody", "cases")
"""Where statements keep others, in the order of their lines."""

Function = ast.FunctionDef | ast.AsyncFunctionDef
Pair = tuple[str, str]


def check(config: DocstringsPairs, *, project: Path, where: str) -> list[Problem]:
    """Say so where the standard library is not a folder of sources (a zip file, say)."""
    root = _root()
    if (root / "os.py").is_file():
        return []
    return [
        Problem(
            where,
            f"{root} does not hold the sources of the standard library",
            "a Python whose standard library is a folder of .py files",
            "use another Python, or another corpus such as number_words",
        )
    ]


def load_files(config: DocstringsPairs, *, project: Path, where: str) -> PairFileContents:
    """Return the modules of the standard library by their paths in it.

    Raises:
        DataError: one of them cannot be read.
    """
    root = _root()
    try:
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in source_files(root)}
    except OSError as error:
        what = f"{error.filename} cannot be read: {error.strerror}"
        fix = "make it readable, or use another Python"
        raise DataError(Problem(where, what, fix=fix)) from error


def read(
    config: DocstringsPairs, files: PairFileContents, *, project: Path, where: str
) -> PairTexts:
    """Collect the pairs of each module and share out the modules."""
    modules: dict[str, list[Pair]] = {}
    seen: set[str] = set()
    for number, (name, content) in enumerate(files.items(), 1):
        tell("reading modules", number, len(files))
        for source, target in module_pairs(content, config.max_source_chars):
            if source not in seen and target not in seen:
                seen |= {source, target}
                modules.setdefault(name, []).append((source, target))
    return _share_out(modules)


def module_pairs(content: bytes, max_source_chars: int) -> Iterator[Pair]:
    """Yield the function and sentence of each documented function of a module, in its order.

    A module that is not UTF-8, or that this Python cannot parse, has none.
    """
    try:
        text = content.decode("utf-8")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of invalid escapes, which are the module's business
            tree = ast.parse(text)
    except (UnicodeDecodeError, SyntaxError):
        return
    # As Python counts lines: a form feed ends none.
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for function in _functions(tree.body):
        docstring = ast.get_docstring(function)
        target = first_sentence(docstring) if docstring else None
        source = _without_docstring(function, lines) if target else None
        if target and source:
            yield source[:max_source_chars].rstrip(), target


def first_sentence(docstring: str) -> str | None:
    """Return the first sentence of a docstring in one line; None where there is no proper one."""
    sentence = " ".join(docstring.split("\n\n")[0].split())
    if end := _SENTENCE_END.search(sentence):
        sentence = sentence[: end.end()]
    is_prose = sentence[:1].isalpha() and ">>>" not in sentence and "->" not in sentence
    num_words = len(sentence.split())
    is_long_enough = _MIN_WORDS <= num_words <= _MAX_WORDS and len(sentence) <= _MAX_TARGET_CHARS
    return sentence if is_prose and is_long_enough and sentence.isascii() else None


def _functions(statements: Sequence[ast.AST]) -> Iterator[Function]:
    """All functions in the order of their lines, those inside others too."""
    # Statements alone are looked into: expressions hold none, and are most of a tree.
    for statement in statements:
        if isinstance(statement, Function):
            yield statement
        for block in _BLOCKS:
            yield from _functions(getattr(statement, block, ()))


def _without_docstring(function: Function, lines: list[str]) -> str | None:
    """The lines of a documented function, with no indentation of its own; None where not apart."""
    if len(function.body) < 2:
        return None
    docstring, following = function.body[:2]
    first, last = docstring.lineno - 1, docstring.end_lineno
    assert last is not None
    begins_a_line = not lines[first][: docstring.col_offset].strip()
    if not begins_a_line or following.lineno <= last:
        return None
    kept = lines[function.lineno - 1 : first] + lines[last : function.end_lineno]
    indentation = " " * function.col_offset
    return "\n".join(line.removeprefix(indentation).rstrip() for line in kept if line.strip())


def _share_out(modules: dict[str, list[Pair]]) -> PairTexts:
    """Give each module to a split: large ones to training, the rest by a hash of their names."""
    total = sum(map(len, modules.values()))
    order = sorted(
        modules,
        key=lambda name: (
            len(modules[name]) <= total * _MAX_SHARE,
            hashlib.sha256(name.encode()).digest(),
        ),
    )
    ends = [0, *accumulate(len(modules[name]) for name in order)]
    validation, test = (bisect_left(ends, position) for position in split_positions(total))
    return PairTexts(
        *(
            _joined([modules[name] for name in sorted(part)])
            for part in (order[:validation], order[validation:test], order[test:])
        )
    )


def _joined(modules: list[list[Pair]]) -> TextPairs:
    pairs = [pair for module in modules for pair in module]
    return TextPairs([source for source, _ in pairs], [target for _, target in pairs])


def _root() -> Path:
    return Path(sysconfig.get_path("stdlib"))
