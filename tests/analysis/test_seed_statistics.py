from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lmtune.analysis.statistics import compare, estimate, holm

BASE = {1: 1.50, 2: 1.53, 3: 1.49, 4: 1.51}
OTHER = {1: 1.47, 2: 1.51, 3: 1.48, 4: 1.46}


@pytest.mark.parametrize("n", [2, 3, 5, 30])
def test_estimate_equals_scipy_t_interval(n: int) -> None:
    values = np.random.default_rng(n).normal(3.0, 2.0, n)
    expected = stats.t.interval(0.95, n - 1, loc=values.mean(), scale=stats.sem(values))
    found = estimate(values.tolist())
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == pytest.approx(expected, rel=1e-12)
    assert found.deviation == pytest.approx(values.std(ddof=1), rel=1e-12)


def test_estimate_of_three_values_equals_the_table_in_a_textbook() -> None:
    found = estimate([1.0, 2.0, 3.0])  # t(0.975, 2) = 4.303, deviation 1
    assert found.mean == 2.0
    assert found.interval is not None
    assert found.interval.high == pytest.approx(2.0 + 4.303 / math.sqrt(3), abs=2e-3)


def test_estimate_of_few_values_has_no_interval() -> None:
    assert math.isnan(estimate([]).mean)
    assert (estimate([]).n, estimate([]).interval) == (0, None)
    assert (estimate([1.5]).mean, estimate([1.5]).interval) == (1.5, None)


def test_estimate_of_equal_values_has_an_interval_without_width() -> None:
    found = estimate([0.1] * 7)
    assert found.interval is not None
    assert found.deviation == 0.0
    assert found.interval.low == found.interval.high == found.mean


def test_compare_equals_scipy_paired_t_test() -> None:
    expected = stats.ttest_rel(list(OTHER.values()), list(BASE.values()))
    (found,) = compare(BASE, [OTHER], "minimize")
    interval = expected.confidence_interval(0.95)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-10)
    assert found.p_holm == found.p
    assert found.difference.interval is not None
    assert found.difference.interval.low == pytest.approx(interval.low, rel=1e-10)
    assert found.difference.interval.high == pytest.approx(interval.high, rel=1e-10)
    assert found.verdict == "better"


def test_compare_equals_a_t_test_by_hand() -> None:
    """Differences 1, 2, 3: mean 2, deviation 1, t = 2 sqrt 3; by t's distribution at 2 degrees of
    freedom p = 1 - t / sqrt(t^2 + 2) = 1 - sqrt(12 / 14)."""
    (found,) = compare({1: 0.0, 2: 0.0, 3: 0.0}, [{1: 1.0, 2: 2.0, 3: 3.0}], "minimize")
    assert found.difference.mean == 2.0
    assert found.p == pytest.approx(1 - math.sqrt(12 / 14), rel=1e-12)
    assert found.verdict == "within noise"


def test_compare_pairs_by_seed_and_drops_seeds_that_one_lacks() -> None:
    shuffled = {9: 7.0, **dict(reversed(OTHER.items()))}
    assert compare({8: -3.0, **BASE}, [shuffled], "minimize") == compare(BASE, [OTHER], "minimize")


def test_compare_when_higher_is_better_turns_the_verdict_around() -> None:
    def verdicts(goal: str) -> list[str]:
        assert goal in ("minimize", "maximize")
        higher = {seed: value + 1 + 1e-3 * seed for seed, value in BASE.items()}
        lower = {seed: value - 1 - 1e-3 * seed for seed, value in BASE.items()}
        found = compare(BASE, [higher, lower], "minimize" if goal == "minimize" else "maximize")
        return [comparison.verdict for comparison in found]

    assert verdicts("minimize") == ["worse", "better"]
    assert verdicts("maximize") == ["better", "worse"]


@pytest.mark.parametrize("seeds", [(), (1,), (1, 2)])
def test_compare_under_three_shared_seeds_refuses_a_verdict(seeds: tuple[int, ...]) -> None:
    (found,) = compare(BASE, [{seed: 0.1 * seed for seed in seeds}], "minimize")
    assert found.verdict == "too few seeds"
    assert (found.p, found.p_holm, found.smallest_detectable) == (None, None, None)
    assert found.difference.n == len(seeds)


def test_compare_of_an_inert_change_is_exactly_zero_and_within_noise() -> None:
    (found,) = compare(BASE, [dict(BASE)], "minimize")
    assert found.difference.mean == 0.0
    assert found.difference.interval is not None
    assert (found.difference.interval.low, found.difference.interval.high) == (0.0, 0.0)
    assert (found.p, found.verdict) == (1.0, "within noise")


def test_compare_of_one_difference_at_every_seed_takes_it_as_free_of_noise() -> None:
    base = {1: 1.0, 2: 2.0, 3: 4.0}
    (found,) = compare(base, [{seed: value + 0.5 for seed, value in base.items()}], "minimize")
    assert (found.p, found.smallest_detectable, found.verdict) == (0.0, 0.0, "worse")


def test_compare_corrects_for_the_comparisons_that_were_asked_for() -> None:
    """p = 0.024 alone; four comparisons, two of which could not be made, take it above 0.05."""
    assert compare(BASE, [OTHER], "minimize")[0].verdict == "better"
    many = compare(BASE, [OTHER, BASE, {}, {}], "minimize")
    assert many[0].p == compare(BASE, [OTHER], "minimize")[0].p
    assert many[0].p_holm == pytest.approx(4 * (many[0].p or 0))
    assert many[0].verdict == "within noise"


def test_holm_equals_a_worked_example() -> None:
    """Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1, never falling."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_counts_comparisons_that_could_not_be_tested() -> None:
    assert holm([0.02, None, 0.5]) == [pytest.approx(0.06), None, 1.0]


def _holm_by_rejection(p_values: list[float], level: float) -> list[bool]:
    """Holm's own procedure: reject from the smallest on until one p exceeds level / left."""
    rejected = [False] * len(p_values)
    for rank, index in enumerate(np.argsort(p_values, kind="stable")):
        if p_values[index] > level / (len(p_values) - rank):
            break
        rejected[index] = True
    return rejected


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.001, 0.999))
def test_holm_rejects_what_the_stepwise_procedure_rejects(
    p_values: list[float], level: float
) -> None:
    adjusted = [p for p in holm(p_values) if p is not None]
    assert len(adjusted) == len(p_values)
    clear = [abs(p - level) > 1e-12 for p in adjusted]  # at the level itself, rounding decides
    expected = _holm_by_rejection(p_values, level)
    found = [p <= level for p in adjusted]
    assert [f for f, c in zip(found, clear, strict=True) if c] == [
        e for e, c in zip(expected, clear, strict=True) if c
    ]


@pytest.mark.parametrize("n", [3, 5, 10])
def test_interval_covers_the_true_mean_as_often_as_it_says(n: int) -> None:
    draws = np.random.default_rng(0).normal(0.7, 0.3, (3000, n)).tolist()
    intervals = [estimate(values).interval for values in draws]
    hits = [each is not None and each.low <= 0.7 <= each.high for each in intervals]
    assert 0.93 <= np.mean(hits) <= 0.97


@pytest.mark.parametrize("n", [3, 5])
def test_sweeps_without_any_difference_are_called_different_in_5_percent_at_most(n: int) -> None:
    """Four variants that differ from the base by noise alone, beside what a seed does to all.

    The verdicts are those of scipy's tests on the same draws, whose rate of false alarms is 4.86 %
    (n = 3) and 4.71 % (n = 5) over 400,000 sweeps; here it is known to three standard errors.
    """
    repetitions = 1000
    rng = np.random.default_rng(1)
    values = rng.normal(0, 0.02, (repetitions, 1, n)) + rng.normal(0, 0.006, (repetitions, 5, n))
    p_values = stats.ttest_rel(values[:, 1:], values[:, :1], axis=2).pvalue
    false_alarms = []
    for sweep in values.tolist():
        base, *others = (dict(enumerate(row)) for row in sweep)
        verdicts = {comparison.verdict for comparison in compare(base, others, "minimize")}
        false_alarms.append(verdicts != {"within noise"})
    assert false_alarms == (p_values.min(axis=1) < 0.05 / 4).tolist()
    assert np.mean(false_alarms) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / repetitions)


def test_smallest_detectable_difference_is_seen_as_often_as_the_power_says() -> None:
    """At the true spread; with the spread of a sample in its place it varies around this."""
    n, deviation = 10, 0.006
    scores = stats.norm.ppf((np.arange(n) + 0.5) / n)
    spread = dict(enumerate((scores / scores.std(ddof=1) * deviation).tolist()))
    (found,) = compare(dict.fromkeys(range(n), 0.0), [spread], "minimize")
    assert found.smallest_detectable == pytest.approx(
        (stats.t.ppf(0.975, n - 1) + stats.t.ppf(0.8, n - 1)) * deviation / math.sqrt(n)
    )
    assert found.smallest_detectable is not None
    draws = np.random.default_rng(2).normal(found.smallest_detectable, deviation, (4000, n))
    p_values = stats.ttest_1samp(draws, 0.0, axis=1).pvalue
    assert 0.77 <= np.mean(p_values < 0.05) <= 0.83
