"""The best value that a search of n trials is expected to find, from the trials that it made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

Goal = Literal["minimize", "maximize"]


def expected_best(values: Sequence[float], goal: Goal) -> list[float]:
    """The expected best of n trials drawn with replacement from those made, for n = 1 to all.

    Source: Dodge et al. 2019, eq. 7: the plug-in estimate with F^n. It is biased a little towards
    too good; `expected_best_unbiased` checks it.
    """
    ordered = sorted(values, reverse=goal == "maximize")
    count = len(ordered)
    # P(best of n is the k-th best) = ((N - k + 1) / N)^n - ((N - k) / N)^n
    return [
        sum(
            value * (((count - rank) / count) ** n - ((count - rank - 1) / count) ** n)
            for rank, value in enumerate(ordered)
        )
        for n in range(1, count + 1)
    ]


def expected_best_unbiased(values: Sequence[float], goal: Goal) -> list[float]:
    """The same, drawn without replacement: unbiased, and of more variance.

    Source: Tang et al. 2020, with C(i, n) / C(N, n).
    """
    ordered = sorted(values, reverse=goal == "maximize")
    count = len(ordered)
    return [
        sum(
            value * math.comb(count - rank - 1, n - 1) / math.comb(count, n)
            for rank, value in enumerate(ordered)
        )
        for n in range(1, count + 1)
    ]


def crossings(first: Sequence[float], second: Sequence[float], goal: Goal) -> list[int]:
    """The numbers of trials from which the other of two curves, from n = 1, is the better one."""
    sign = 1 if goal == "minimize" else -1
    leads = [sign * (a - b) < 0 for a, b in zip(first, second, strict=False)]
    return [n for n, (before, after) in enumerate(pairwise(leads), start=2) if before != after]
