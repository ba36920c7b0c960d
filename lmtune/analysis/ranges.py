"""Searched ranges: where the best values lie in them, and wider ones where that is an edge."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from lmtune.analysis.summary import Summary
from lmtune.errors import SpecError
from lmtune.spec.search import Distribution, FloatRange, IntRange, QuantizedRange
from lmtune.spec.sweep import Variant
from lmtune.spec.trial import Scalar

EDGE = 0.1
"""A best value in this outer part of its range, on its own scale, may have been cut off by it."""

WIDER = 0.5
"""By this share of its extent, on its own scale, a range is widened at an edge."""


@dataclass(frozen=True)
class Edge:
    """A variant's best value at an end of its range.

    Attributes:
        variant: its name.
        path: what was searched.
        value: the best.
        end: at which end it lies.
        wider: the range to search next; None where no wider one is allowed.
    """

    variant: str
    path: str
    value: Scalar
    end: Literal["lower", "upper"]
    wider: FloatRange | IntRange | QuantizedRange | None

    @property
    def yaml(self) -> str | None:
        """The wider range as an entry of `parameters`."""
        if self.wider is None:
            return None
        entries = {"distribution": self.wider.distribution, "min": self.wider.min}
        entries["max"] = self.wider.max
        if isinstance(self.wider, QuantizedRange):
            entries["q"] = self.wider.q
        written = ", ".join(f"{key}: {_written(value)}" for key, value in entries.items())
        return f"{self.path}: {{{written}}}"


def range_position(distribution: Distribution, value: Scalar) -> float | None:
    """Where in its range a value lies, from 0 to 1 on its scale; None where there is no range."""
    if not isinstance(distribution, FloatRange | IntRange | QuantizedRange):
        return None
    if not isinstance(value, int | float):
        return None
    low, high, at = float(distribution.min), float(distribution.max), float(value)
    if distribution.is_logarithmic:
        low, high, at = math.log(low), math.log(high), math.log(at)
    return (at - low) / (high - low)


def range_edges(summary: Summary) -> Iterator[Edge]:
    """The best values of all variants that lie at an edge, by variant in the sweep's order."""
    for each in summary.variants:
        parameters = each.answer.parameters if each.answer else {}
        for path, distribution in each.variant.parameters.items():
            if path not in parameters:
                continue
            value = parameters[path]
            position = range_position(distribution, value)
            if position is None or EDGE <= position <= 1 - EDGE:
                continue
            assert isinstance(distribution, FloatRange | IntRange | QuantizedRange)
            end: Literal["lower", "upper"] = "lower" if position < EDGE else "upper"
            wider = _widened(each.variant, path, distribution, end)
            yield Edge(each.variant.name, path, value, end, wider)


def _widened(
    variant: Variant,
    path: str,
    distribution: FloatRange | IntRange | QuantizedRange,
    end: Literal["lower", "upper"],
) -> FloatRange | IntRange | QuantizedRange | None:
    """The range, longer at one end, as far as the field allows its values."""
    low, high = float(distribution.min), float(distribution.max)
    if distribution.is_logarithmic:
        factor = (high / low) ** WIDER
        new = low / factor if end == "lower" else high * factor
    else:
        step = WIDER * (high - low)
        new = low - step if end == "lower" else high + step
    limit = _allowed(variant, path, distribution, new, low if end == "lower" else high)
    if limit is None:
        return None
    changed = {"min": limit} if end == "lower" else {"max": limit}
    return distribution.model_copy(update=changed)


def _allowed(
    variant: Variant,
    path: str,
    distribution: FloatRange | IntRange | QuantizedRange,
    new: float,
    old: float,
) -> float | int | None:
    """The new end, or half and half again as far, until the variant can be built with it."""
    for _ in range(4):
        end = _on_grid(distribution, new, old)
        try:
            variant.trial_config({path: end})
        except SpecError:
            new = (new + old) / 2
            continue
        return None if end == old else end
    return None


def _on_grid(
    distribution: FloatRange | IntRange | QuantizedRange, new: float, old: float
) -> float | int:
    if isinstance(distribution, IntRange):
        return round(new)
    if isinstance(distribution, QuantizedRange):
        end = old + round((new - old) / distribution.q) * distribution.q
        return int(end) if distribution.is_whole else end
    return float(f"{new:.2g}")


def _written(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
