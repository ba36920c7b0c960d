"""Is a difference more than luck: Student's t over seeds, Holm over comparisons, verdicts.

Seeds are few (three to ten), where percentile bootstraps cover far less than they claim and the
t interval covers what it says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Literal

from scipy.special import stdtr, stdtrit

Verdict = Literal["better", "worse", "within noise", "too few seeds", "not comparable"]

CONFIDENCE = 0.95
"""Of every interval; a verdict may be wrong as often as an interval may miss."""

POWER = 0.80
"""How often a difference of the smallest detectable size would be seen."""

MIN_SEEDS = 3
"""Below this many seeds in pairs there is no verdict."""

FEW_SEEDS = 5
"""Below this many seeds in pairs a verdict rests on little, and is shown with a caution."""

MAX_SEEDS = 1000
"""More seeds than anybody trains: so many are not told apart."""


@dataclass(frozen=True)
class Interval:
    """A confidence interval; both ends belong to it."""

    low: float
    high: float


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds.

    Attributes:
        n: seeds.
        mean: NaN without a seed.
        deviation: sample standard deviation; None under two seeds.
        interval: Student's t interval of the mean; None under two seeds.
    """

    n: int
    mean: float
    deviation: float | None = None
    interval: Interval | None = None


@dataclass(frozen=True)
class Comparison:
    """A variant's difference to the base, over the seeds that both completed.

    Attributes:
        difference: variant minus base, the mean of the pairs.
        p: two-sided, of the paired t test; None where there are too few seeds.
        p_holm: adjusted for all comparisons of the sweep; what the verdict rests on.
        smallest_detectable: the true difference that this many seeds would show with the chance
            `POWER`, at the spread that was seen and without Holm's adjustment; None as for `p`.
        verdict: what may be said.
        reason: why nothing may be said, for `not comparable`.
    """

    difference: Estimate
    p: float | None
    p_holm: float | None
    smallest_detectable: float | None
    verdict: Verdict
    reason: str = ""

    @property
    def is_cautioned(self) -> bool:
        """Whether the verdict rests on so few seeds that it should be read with care."""
        return self.p is not None and self.difference.n < FEW_SEEDS


def estimate(values: Sequence[float]) -> Estimate:
    """The mean of finite values, one a seed, with its t interval.

    Equal values give an interval of no width: as far as the seeds tell, there is no noise.
    """
    n = len(values)
    if n == 0:
        return Estimate(n=0, mean=math.nan)
    mean = fmean(values)
    if n == 1:
        return Estimate(n=1, mean=mean)
    deviation = stdev(values)
    half_width = _t_quantile((1 + CONFIDENCE) / 2, n) * deviation / math.sqrt(n)
    return Estimate(n, mean, deviation, Interval(mean - half_width, mean + half_width))


def compare(
    base: Mapping[int, float],
    others: Sequence[Mapping[int, float]],
    goal: Literal["minimize", "maximize"],
) -> list[Comparison]:
    """Compare variants with the base, each over the seeds that it shares with the base.

    Args:
        base: finite values by seed.
        others: the same for each other variant of the sweep, those without values too: a
            comparison that was asked for counts in Holm's adjustment even if it cannot be made.
        goal: which direction is better.
    """
    pairs = [_differences(base, other) for other in others]
    p_values = [_p_value(differences) for differences in pairs]
    return [
        Comparison(
            difference=difference,
            p=p,
            p_holm=p_holm,
            smallest_detectable=_smallest_detectable(difference),
            verdict=_verdict(difference.mean, p_holm, goal),
        )
        for difference, p, p_holm in zip(
            map(estimate, pairs), p_values, holm(p_values), strict=True
        )
    ]


def refused(reason: str) -> Comparison:
    """A comparison that would mislead, so that it is not made, nor counted by Holm."""
    return Comparison(
        difference=estimate([]),
        p=None,
        p_holm=None,
        smallest_detectable=None,
        verdict="not comparable",
        reason=reason,
    )


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjust p values so that the chance of any false "different" stays below the level.

    Args:
        p_values: of all comparisons asked for; None for one that could not be tested, which
            counts as the largest.

    Source: Holm 1979, in the step-down form of adjusted p values.
    """
    tested = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, index) in enumerate(tested):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p))
        adjusted[index] = largest
    return adjusted


def _differences(base: Mapping[int, float], other: Mapping[int, float]) -> list[float]:
    return [other[seed] - base[seed] for seed in sorted(base.keys() & other.keys())]


def _p_value(differences: Sequence[float]) -> float | None:
    """Two-sided p of a paired t test; None under `MIN_SEEDS`.

    Where all differences are equal the t statistic has no value. All zero is no difference
    (p = 1); all the same and not zero is a difference without any noise (p = 0).
    """
    n = len(differences)
    if n < MIN_SEEDS:
        return None
    mean, deviation = fmean(differences), stdev(differences)
    if deviation == 0:
        return 1.0 if mean == 0 else 0.0
    return float(2 * stdtr(n - 1, -abs(mean) / (deviation / math.sqrt(n))))


def seeds_to_resolve(difference: Estimate, size: float) -> int | None:
    """How many seeds would show a true difference of a size with the chance `POWER`.

    At the spread that was seen, which few seeds know only roughly, and without Holm's adjustment.

    Args:
        difference: of the pairs that there are.
        size: what should not go unseen; its sign does not matter.

    Returns:
        `MIN_SEEDS` or more; None where the spread is not known, or `MAX_SEEDS` would not do.
    """
    if difference.deviation is None or difference.n < MIN_SEEDS:
        return None
    counts = range(MIN_SEEDS, MAX_SEEDS + 1)
    deviation = difference.deviation
    return next((n for n in counts if _detectable(deviation, n) <= abs(size)), None)


def _smallest_detectable(difference: Estimate) -> float | None:
    if difference.deviation is None or difference.n < MIN_SEEDS:
        return None
    return _detectable(difference.deviation, difference.n)


def _detectable(deviation: float, n: int) -> float:
    quantiles = _t_quantile((1 + CONFIDENCE) / 2, n) + _t_quantile(POWER, n)
    return quantiles * deviation / math.sqrt(n)


def _verdict(
    mean_difference: float, p_holm: float | None, goal: Literal["minimize", "maximize"]
) -> Verdict:
    if p_holm is None:
        return "too few seeds"
    if p_holm >= 1 - CONFIDENCE:
        return "within noise"
    return "better" if (mean_difference < 0) == (goal == "minimize") else "worse"


def _t_quantile(probability: float, n: int) -> float:
    return float(stdtrit(n - 1, probability))
