"""Numbers as every table and sentence shows them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable

from lmtune.analysis.statistics import Comparison, Interval
from lmtune.spec.trial import Scalar

NOTHING = "-"

MAX_DECIMALS = 8


def format_value(value: float) -> str:
    """A metric's value."""
    return f"{value:#.5g}"


def format_interval(interval: Interval | None) -> str:
    """An interval of a metric's value."""
    if interval is None:
        return NOTHING
    return f"[{format_value(interval.low)}, {format_value(interval.high)}]"


def format_parameters(parameters: dict[str, Scalar]) -> str:
    """Searched values by the last word of their path, which says enough in a row of a table."""
    named = {path.rpartition(".")[2]: value for path, value in parameters.items()}
    if len(named) < len(parameters):
        named = parameters
    return ", ".join(f"{name}={format_scalar(value)}" for name, value in named.items()) or NOTHING


def format_scalar(value: Scalar) -> str:
    """A configuration's value as a sweep file has it, floats to four digits."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def format_p(p: float) -> str:
    """A p value."""
    return f"{p:.3f}" if p >= 0.001 else "< 0.001"


def difference_decimals(comparisons: Iterable[Comparison | None]) -> int:
    """So many decimals that the most certain of some differences shows two digits of its spread.

    All differences of a table have as many, so that they stand below each other.
    """
    found = [each.difference for each in comparisons if each and each.difference.n]
    half_widths = [(each.interval.high - each.interval.low) / 2 for each in found if each.interval]
    sizes = [each for each in half_widths if each > 0] or [
        abs(each.mean) for each in found if each.mean
    ]
    if not sizes:
        return 3
    return min(MAX_DECIMALS, max(0, 1 - math.floor(math.log10(min(sizes)))))


def format_difference(difference: float, decimals: int) -> str:
    """A difference with its sign; 0 is exactly none."""
    return f"{difference:+.{decimals}f}" if difference else "0"


def format_difference_interval(interval: Interval | None, decimals: int) -> str:
    """An interval of a difference."""
    if interval is None:
        return NOTHING
    low, high = (format_difference(end, decimals) for end in (interval.low, interval.high))
    return f"[{low}, {high}]"
