"""Distinct random sequences of letters."""

from __future__ import annotations

import math
import string

import numpy as np

_NUMBER_BITS = 62


def draw_sequences(
    symbols: int, length: int, count: int, generator: np.random.Generator
) -> list[list[str]]:
    """Draw sequences of the alphabet's first letters, each one once.

    Args:
        symbols: size of the alphabet.
        length: of each sequence.
        count: at most as many as there are.
        generator: draws them.
    """
    # Heads are drawn as numbers, which makes them distinct; a tail may be anything.
    head = min(length, int(_NUMBER_BITS / math.log2(symbols)))
    numbers = generator.choice(symbols**head, size=count, replace=False)
    heads = numbers[:, np.newaxis] // symbols ** np.arange(head) % symbols
    tails = generator.integers(symbols, size=(count, length - head))
    letters = np.array([*string.ascii_lowercase])
    drawn: list[list[str]] = letters[np.concatenate([heads, tails], axis=1)].tolist()
    return drawn
