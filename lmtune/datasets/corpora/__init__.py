"""Corpora: where text comes from, and how it is cut into splits.

A corpus is a file here, named like the `type` of its config. All have

    check(config, *, project, where) -> list[Problem]     what can be said without reading it all

and those of one running text have

    read(config, *, project, where) -> CorpusText         called when `check` found nothing

while those of pairs have what `pair_texts.py` says. Text that comes in one piece is cut by
position, never by shuffled lines.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from lmtune.errors import DataError, Problem
from lmtune.spec.dataset import CorpusConfig


@dataclass(frozen=True)
class CorpusText:
    """The text of each split.

    Attributes:
        test: None where the user gave a validation text and no test text.
        entropy_rate: of the source that wrote the text, nats per character; None where unknown.
        source_loss: by split, mean negative log-likelihood under the source that wrote the text,
            nats per character after the first; empty where the source is unknown.
    """

    train: str
    validation: str
    test: str | None
    entropy_rate: float | None = None
    source_loss: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def cut(cls, train: str, validation: str | None = None, test: str | None = None) -> CorpusText:
        """Cut what is not given off the end of the training text, at exact character positions.

        Beside a validation text nothing is cut, and there is no test split without a test text.
        """
        if validation is not None:
            return cls(train, validation, test)
        validation_at, test_at = split_positions(len(train))
        if test is not None:
            return cls(train[:test_at], train[test_at:], test)
        return cls(train[:validation_at], train[validation_at:test_at], train[test_at:])

    @property
    def splits(self) -> dict[str, str]:
        """The splits that exist, by name."""
        splits = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: text for name, text in splits.items() if text is not None}


def split_positions(length: int) -> tuple[int, int]:
    """Where the validation and the test split begin: 90, 5 and 5 percent of `length`."""
    return length * 90 // 100, length * 95 // 100


def check_corpus(config: CorpusConfig, *, project: Path, where: str) -> list[Problem]:
    """Find what is wrong with a corpus without reading it all.

    Args:
        config: the `corpus` section.
        project: the folder that relative paths start from.
        where: place of the corpus in the sweep file, for the messages.
    """
    module = import_module(f"{__name__}.{config.type}")
    problems: list[Problem] = module.check(config, project=project, where=where)
    return problems


def read_corpus(config: CorpusConfig, *, project: Path, where: str) -> CorpusText:
    """Read, download or generate one running text.

    Args:
        config: the `corpus` section.
        project: the folder that relative paths start from.
        where: place of the corpus in the sweep file, for the messages.

    Raises:
        DataError: with all that `check_corpus` finds, or what reading brought to light.
    """
    if problems := check_corpus(config, project=project, where=where):
        raise DataError(problems)
    module = import_module(f"{__name__}.{config.type}")
    corpus: CorpusText = module.read(config, project=project, where=where)
    return corpus
