"""English numbers in words and in digits: "three hundred and five" and "305".

Numbers are drawn so that each count of digits has its share: of all numbers below a million, nine
in ten have six digits, and a model would hardly ever see a short one. Those that have a word of
their own are always in the training split, so that no other split asks for a word that was never
shown.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lmtune.datasets.pair_texts import PairFileContents, PairTexts, TextPairs
from lmtune.datasets.strata import even_shares
from lmtune.errors import Problem
from lmtune.spec.dataset import NumberWordsPairs

_ONES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_TEENS = ["ten", "eleven", "twelve", "thirteen", "fourteen"]
_TEENS += ["fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
_SMALL = _ONES + _TEENS
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_GROUPS = ((1_000_000, "million"), (1_000, "thousand"))
_WITH_A_WORD = [*range(len(_SMALL)), *range(20, 100, 10)]


def number_words(number: int) -> str:
    """Write a number from 0 to 999,999,999 in English words, as the British do."""
    if number == 0:
        return _SMALL[0]
    parts = []
    for size, name in _GROUPS:
        group, number = divmod(number, size)
        if group:
            parts.append(f"{_below_thousand(group)} {name}")
    if number:
        # "one thousand and one", but "one thousand one hundred and one"
        conjunction = "and " if parts and number < 100 else ""
        parts.append(f"{conjunction}{_below_thousand(number)}")
    return " ".join(parts)


def check(config: NumberWordsPairs, *, project: Path, where: str) -> list[Problem]:
    """Find more pairs than there are numbers."""
    available = config.max_number + 1
    if config.num_pairs <= available:
        return []
    what = f"{config.num_pairs} distinct numbers do not exist up to {config.max_number}"
    expected = f"num_pairs at most {available}"
    return [Problem(f"{where}.num_pairs", what, expected, f"num_pairs: {available}")]


def load_files(config: NumberWordsPairs, *, project: Path, where: str) -> PairFileContents:
    """Return nothing: the numbers follow from the config."""
    return {}


def read(
    config: NumberWordsPairs, files: PairFileContents, *, project: Path, where: str
) -> PairTexts:
    """Draw distinct numbers and cut them into splits."""
    generator = np.random.default_rng(config.seed)
    drawn = generator.permutation(_draw(config.max_number, config.num_pairs, generator))
    numbers = _WITH_A_WORD + drawn[~np.isin(drawn, _WITH_A_WORD)].tolist()
    numbers = numbers[: config.num_pairs]
    words = [number_words(number) for number in numbers]
    digits = [str(number) for number in numbers]
    to_digits = config.direction == "to_digits"
    return PairTexts.cut(TextPairs(words, digits) if to_digits else TextPairs(digits, words))


def _draw(max_number: int, count: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Draw distinct numbers, of each count of digits as many as there are or as its share is."""
    powers = [10**digits for digits in range(1, len(str(max_number)))]
    bounds = [0, *powers, max_number + 1]
    sizes = np.diff(bounds).tolist()
    shares = even_shares(count, sizes)
    drawn = [
        low + generator.choice(size, size=share, replace=False)
        for low, size, share in zip(bounds[:-1], sizes, shares, strict=True)
    ]
    return np.concatenate(drawn)


def _below_thousand(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    words = [f"{_SMALL[hundreds]} hundred"] if hundreds else []
    if rest:
        words.append(_below_hundred(rest))
    return " and ".join(words)


def _below_hundred(number: int) -> str:
    if number < len(_SMALL):
        return _SMALL[number]
    tens, ones = divmod(number, 10)
    return _TENS[tens - 2] + (f"-{_SMALL[ones]}" if ones else "")
