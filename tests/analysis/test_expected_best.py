from __future__ import annotations

import itertools
from statistics import fmean

import numpy as np
import pytest

from lmtune.analysis.expected_best import Goal, crossings, expected_best, expected_best_unbiased

VALUES = [2.0, 1.5, 3.0, 1.7]


@pytest.mark.parametrize("goal", ["minimize", "maximize"])
def test_expected_best_equals_the_mean_over_all_draws(goal: Goal) -> None:
    """Every sequence of n of them, with replacement and without."""
    best = min if goal == "minimize" else max
    for n in range(1, len(VALUES) + 1):
        drawn = fmean(best(each) for each in itertools.product(VALUES, repeat=n))
        assert expected_best(VALUES, goal)[n - 1] == pytest.approx(drawn)
        without = fmean(best(each) for each in itertools.combinations(VALUES, n))
        assert expected_best_unbiased(VALUES, goal)[n - 1] == pytest.approx(without)


def test_expected_best_of_a_uniform_search_falls_as_one_over_n() -> None:
    """Of n uniform draws the least is 1 / (n + 1) on average."""
    values = np.random.default_rng(0).uniform(0, 1, 1000).tolist()
    found = expected_best_unbiased(values, "minimize")
    assert found[:10] == pytest.approx([1 / (n + 1) for n in range(1, 11)], abs=0.03)


def test_crossings_are_where_the_lead_changes() -> None:
    assert crossings([3.0, 2.0, 1.0], [2.5, 2.2, 0.5], "minimize") == [2, 3]
    assert crossings([3.0, 2.0], [4.0, 3.0], "minimize") == []
