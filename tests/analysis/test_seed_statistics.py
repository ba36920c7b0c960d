from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lmtune.analysis.statistics import (
    FEW_SEEDS,
    MAX_SEEDS,
    compare,
    estimate,
    holm,
    seeds_to_resolve,
)

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


def test_verdict_under_five_shared_seeds_is_cautioned() -> None:
    def is_cautioned(n: int) -> bool:
        (found,) = compare(dict.fromkeys(range(n), 0.0), [dict.fromkeys(range(n), 1.0)], "minimize")
        return found.is_cautioned

    assert [is_cautioned(n) for n in (3, 4, FEW_SEEDS, 10)] == [True, True, False, False]
    assert not is_cautioned(2)  # refused, which says more


@pytest.mark.parametrize("n", [3, 5, 10])
def test_interval_of_a_difference_covers_the_true_one_as_often_as_it_says(n: int) -> None:
    """Paired: what a seed does to both is larger than the difference, and cancels out."""
    rng = np.random.default_rng(0)
    base = rng.normal(2.0, 0.3, (4000, n))
    other = base + rng.normal(0.01, 0.006, (4000, n))
    hits = []
    for first, second in zip(base.tolist(), other.tolist(), strict=True):
        (found,) = compare(dict(enumerate(first)), [dict(enumerate(second))], "minimize")
        interval = found.difference.interval
        hits.append(interval is not None and interval.low <= 0.01 <= interval.high)
    print(f"{n} seeds: 95% intervals covered the true difference in {np.mean(hits):.2%} of 4,000")  # noqa: T201 - shown by -s
    assert 0.93 <= np.mean(hits) <= 0.97


@pytest.mark.parametrize("n", [3, 5])
def test_sweeps_without_any_difference_are_called_different_in_5_percent_at_most(n: int) -> None:
    """Four variants that differ from the base by noise alone, beside what a seed does to all.

    The verdicts are those of scipy's tests on the same draws; how often those raise a false alarm
    is known from many more.
    """
    num_sweeps, num_compared = 100_000, 1000
    rng = np.random.default_rng(1)
    values = rng.normal(0, 0.006, (num_sweeps, 5, n))
    values += rng.normal(0, 0.02, (num_sweeps, 1, n))
    differences = values[:, 1:] - values[:, :1]
    t = differences.mean(axis=2) / (differences.std(axis=2, ddof=1) / math.sqrt(n))
    expected = 2 * stats.t.sf(np.abs(t).max(axis=1), n - 1) < 0.05 / 4
    found = []
    for sweep in values[:num_compared].tolist():
        base, *others = (dict(enumerate(row)) for row in sweep)
        verdicts = {comparison.verdict for comparison in compare(base, others, "minimize")}
        found.append(verdicts != {"within noise"})
    assert found == expected[:num_compared].tolist()
    print(f"{n} seeds: a false difference in {expected.mean():.2%} of {num_sweeps:,} A/A sweeps")  # noqa: T201 - shown by -s
    assert expected.mean() <= 0.05


def test_seeds_to_resolve_are_the_fewest_that_detect_the_size() -> None:
    """By scipy's quantiles, one count at a time."""
    (found,) = compare(BASE, [OTHER], "minimize")
    deviation = np.std([OTHER[seed] - BASE[seed] for seed in BASE], ddof=1)

    def detectable(n: int) -> float:
        quantiles = stats.t.ppf(0.975, n - 1) + stats.t.ppf(0.8, n - 1)
        return float(quantiles * deviation / math.sqrt(n))

    for size in (0.5, 0.05, 0.02, -0.005):
        n = seeds_to_resolve(found.difference, size)
        assert n is not None
        assert detectable(n) <= abs(size)
        assert n == 3 or detectable(n - 1) > abs(size)


def test_seeds_to_resolve_see_a_difference_of_that_size_as_often_as_the_power_says() -> None:
    """At the true spread, which the seeds that there are happen to have."""
    deviation = 0.006
    spread = {1: -deviation, 2: 0.0, 3: deviation}
    (found,) = compare(dict.fromkeys(spread, 0.0), [spread], "minimize")
    n = seeds_to_resolve(found.difference, 0.005)
    assert n is not None
    draws = np.random.default_rng(3).normal(0.005, deviation, (4000, n))
    seen = np.mean(stats.ttest_1samp(draws, 0.0, axis=1).pvalue < 0.05)
    print(f"{n} seeds to resolve 0.83 deviations: seen in {seen:.1%} of 4,000")  # noqa: T201 - shown by -s
    assert 0.77 <= seen <= 0.85


def test_seeds_to_resolve_without_a_spread_or_beyond_any_count_are_none() -> None:
    (few,) = compare(BASE, [{1: 0.0, 2: 0.0}], "minimize")
    assert seeds_to_resolve(few.difference, 0.1) is None
    (found,) = compare(BASE, [OTHER], "minimize")
    assert seeds_to_resolve(found.difference, 0.0) is None
    assert seeds_to_resolve(found.difference, (found.difference.deviation or 0) / MAX_SEEDS) is None


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
