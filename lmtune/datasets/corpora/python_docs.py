"""English prose: the language reference that every CPython carries for its `help()`.

The topics follow each other in the order of their keys. Many quote whole sections of others
(`with` is part of `compound`), so a long paragraph is kept only where it first stands: otherwise
a sixth of the test split would be training text.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from lmtune.datasets.corpora import CorpusText
from lmtune.errors import Problem
from lmtune.spec.dataset import PythonDocsCorpus

_TOPICS_MODULE = "pydoc_data.topics"
_MIN_REPEAT_CHARS = 60
"""Shorter paragraphs ("For example:") may stand as often as the prose wants them."""


def check(config: PythonDocsCorpus, *, project: Path, where: str) -> list[Problem]:
    """Say so where this Python was installed without its reference."""
    try:
        import_module(_TOPICS_MODULE)
    except ModuleNotFoundError:
        return [
            Problem(
                where,
                f"this Python was installed without the module {_TOPICS_MODULE}",
                "a CPython with its complete standard library",
                "use another Python, or another corpus such as python_stdlib",
            )
        ]
    return []


def read(config: PythonDocsCorpus, *, project: Path, where: str) -> CorpusText:
    """Join the topics into one text and cut it by position."""
    topics: dict[str, str] = import_module(_TOPICS_MODULE).topics
    text = "\n\n".join(topics[key].strip("\n") for key in sorted(topics))
    return CorpusText.cut("\n\n".join(_without_repeats(text.split("\n\n"))) + "\n")


def _without_repeats(paragraphs: list[str]) -> list[str]:
    """Drop each long paragraph that stood before."""
    seen: set[str] = set()
    kept = []
    for paragraph in paragraphs:
        if paragraph not in seen:
            kept.append(paragraph)
        if len(paragraph) >= _MIN_REPEAT_CHARS:
            seen.add(paragraph)
    return kept
