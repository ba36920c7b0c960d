"""Corpora of pairs: where sources and targets come from, and how they are cut into splits.

A corpus of pairs is a file in `corpora/`, named like the `type` of its config, with three
functions:

    check(config, *, project, where) -> list[Problem]      what can be said without reading it all
    load_files(config, *, project, where) -> PairFileContents
        all that the pairs are made from, beside the config; called when `check` found nothing
    read(config, files, *, project, where) -> PairTexts    decided by `config` and `files` alone

The second is fast: by what it returns, pairs that were tokenized before are found again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np

from lmtune.datasets.corpora import split_positions
from lmtune.spec.dataset import CorpusConfig

PairFileContents = Mapping[str, bytes]
"""The content of each file, by a name that says which one it is."""


@dataclass(frozen=True)
class TextPairs:
    """Sources, and as many targets."""

    sources: Sequence[str]
    targets: Sequence[str]

    def __len__(self) -> int:
        return len(self.sources)

    def part(self, rows: slice) -> TextPairs:
        """Some pairs that follow each other."""
        return TextPairs(self.sources[rows], self.targets[rows])


@dataclass(frozen=True)
class PairTexts:
    """The pairs of each split.

    Attributes:
        test: None where the user gave validation pairs and no test pairs.
    """

    train: TextPairs
    validation: TextPairs
    test: TextPairs | None

    @classmethod
    def cut(cls, pairs: TextPairs, test: TextPairs | None = None) -> PairTexts:
        """Cut pairs into splits by position: 90/5/5 percent, or 95/5 beside a test split."""
        validation, end = split_positions(len(pairs))
        if test is not None:
            return cls(pairs.part(slice(end)), pairs.part(slice(end, None)), test)
        return cls(
            pairs.part(slice(validation)),
            pairs.part(slice(validation, end)),
            pairs.part(slice(end, None)),
        )

    @property
    def splits(self) -> dict[str, TextPairs]:
        """The splits that exist, by name."""
        splits = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: pairs for name, pairs in splits.items() if pairs is not None}


def load_pair_files(config: CorpusConfig, *, project: Path, where: str) -> PairFileContents:
    """Return all that the pairs of a corpus are made from, beside its config.

    Raises:
        DataError: a file cannot be read.
    """
    files: PairFileContents = _module(config).load_files(config, project=project, where=where)
    return files


def read_pair_texts(
    config: CorpusConfig, files: PairFileContents, *, project: Path, where: str
) -> PairTexts:
    """Read or generate the pairs of a corpus.

    Args:
        config: the `corpus` section.
        files: what `load_pair_files` returned.
        project: the folder that relative paths start from.
        where: place of the corpus in the sweep file, for the messages.

    Raises:
        DataError: with all lines that are no pairs.
    """
    pairs: PairTexts = _module(config).read(config, files, project=project, where=where)
    return pairs


def shuffled(pairs: TextPairs, generator: np.random.Generator) -> TextPairs:
    """The same pairs in another order."""
    order = generator.permutation(len(pairs)).tolist()
    return TextPairs([pairs.sources[row] for row in order], [pairs.targets[row] for row in order])


def _module(config: CorpusConfig) -> ModuleType:
    return import_module(f"lmtune.datasets.corpora.{config.type}")
