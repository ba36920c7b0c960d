"""Random sequences of letters, to be written backwards: "b a d" and "d a b".

Letters stand apart, so that a letter is a word: to the `word` tokenizer, and to BLEU. Sequences
are distinct, and each length has its share as far as there are enough of it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lmtune.datasets.letters import draw_sequences
from lmtune.datasets.pair_texts import PairFileContents, PairTexts, TextPairs
from lmtune.datasets.strata import even_shares
from lmtune.errors import Problem
from lmtune.spec.dataset import ReversePairs


def check(config: ReversePairs, *, project: Path, where: str) -> list[Problem]:
    """Find more pairs than there are sequences."""
    available = sum(_sizes(config))
    if config.num_pairs <= available:
        return []
    what = (
        f"{config.num_pairs} distinct sequences of up to {config.max_length} out of "
        f"{config.symbols} symbols do not exist"
    )
    expected = f"num_pairs at most {available}, or more symbols or a greater max_length"
    return [Problem(f"{where}.num_pairs", what, expected, "raise max_length")]


def load_files(config: ReversePairs, *, project: Path, where: str) -> PairFileContents:
    """Return nothing: the sequences follow from the config."""
    return {}


def read(config: ReversePairs, files: PairFileContents, *, project: Path, where: str) -> PairTexts:
    """Draw distinct sequences and cut them into splits."""
    generator = np.random.default_rng(config.seed)
    sequences: list[list[str]] = []
    for length, count in enumerate(even_shares(config.num_pairs, _sizes(config)), start=1):
        sequences += draw_sequences(config.symbols, length, count, generator)
    order = generator.permutation(len(sequences)).tolist()
    sources = [" ".join(sequences[row]) for row in order]
    return PairTexts.cut(TextPairs(sources, [source[::-1] for source in sources]))


def _sizes(config: ReversePairs) -> list[int]:
    """How many sequences there are of each length from 1."""
    return [config.symbols**length for length in range(1, config.max_length + 1)]
