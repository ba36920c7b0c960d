"""The best value that a search of n trials is expected to find, from the trials that it made."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import numpy as np

Goal = Literal["minimize", "maximize"]


def expected_best(values: Sequence[float], goal: Goal) -> list[float]:
    """The expected best of n trials drawn with replacement from those made, for n = 1 to all.

    Source: Dodge et al. 2019, eq. 7: the plug-in estimate with F^n. It is biased a little towards
    too good; `expected_best_unbiased` checks it.
    """
    ordered = np.array(sorted(values, reverse=goal == "maximize"))
    count = len(ordered)
    at_most = np.arange(count, -1, -1) / count  # the share of trials from each rank on
    return [float(ordered @ -np.diff(at_most**n)) for n in range(1, count + 1)]


def expected_best_unbiased(values: Sequence[float], goal: Goal) -> list[float]:
    """The same, drawn without replacement: unbiased, and of more variance.

    Source: Tang et al. 2020, with C(i, n) / C(N, n), each from the one before it.
    """
    ordered = np.array(sorted(values, reverse=goal == "maximize"))
    count = len(ordered)
    left = np.arange(count, 0, -1)
    means = []
    for n in range(1, count + 1):
        # P(the best is of a rank, none before it was) = n / those left, as long as n are left
        of_rank = np.minimum(n / left, 1.0)
        none_before = np.concatenate(([1.0], np.cumprod(1.0 - of_rank[:-1])))
        means.append(float(ordered @ (of_rank * none_before)))
    return means


def crossings(first: Sequence[float], second: Sequence[float], goal: Goal) -> list[int]:
    """The numbers of trials from which the other of two curves, from n = 1, is the better one."""
    sign = 1 if goal == "minimize" else -1
    leads = [sign * (a - b) < 0 for a, b in zip(first, second, strict=False)]
    return [n for n, (before, after) in enumerate(pairwise(leads), start=2) if before != after]
