"""A letter and noise after it, "c a b b", whose first letter is to be written: "c".

Letters stand apart, as in `reverse`; sequences are distinct.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lmtune.datasets.letters import draw_sequences
from lmtune.datasets.pair_texts import PairFileContents, PairTexts, TextPairs
from lmtune.errors import Problem
from lmtune.spec.dataset import LatchPairs


def check(config: LatchPairs, *, project: Path, where: str) -> list[Problem]:
    """Find more pairs than there are sequences."""
    available = config.symbols ** (1 + config.noise_length)
    if config.num_pairs <= available:
        return []
    what = (
        f"{config.num_pairs} distinct sequences of {1 + config.noise_length} out of "
        f"{config.symbols} symbols do not exist"
    )
    expected = f"num_pairs at most {available}, or more symbols or a greater noise_length"
    return [Problem(f"{where}.num_pairs", what, expected, "raise noise_length")]


def load_files(config: LatchPairs, *, project: Path, where: str) -> PairFileContents:
    """Return nothing: the sequences follow from the config."""
    return {}


def read(config: LatchPairs, files: PairFileContents, *, project: Path, where: str) -> PairTexts:
    """Draw distinct sequences and cut them into splits."""
    generator = np.random.default_rng(config.seed)
    sequences = draw_sequences(config.symbols, 1 + config.noise_length, config.num_pairs, generator)
    sources = [" ".join(letters) for letters in sequences]
    return PairTexts.cut(TextPairs(sources, [letters[0] for letters in sequences]))
