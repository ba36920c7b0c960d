"""What a careful reader should know before believing a sweep's numbers."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from typing import get_args

from lmtune.analysis.data_cautions import data_cautions
from lmtune.analysis.formats import format_scalar, format_value
from lmtune.analysis.statistics import FEW_SEEDS
from lmtune.analysis.summary import Summary, VariantSummary
from lmtune.analysis.variants_table import carries_state
from lmtune.spec.result import Status
from lmtune.spec.search import Distribution, FloatRange, IntRange, QuantizedRange
from lmtune.spec.trial import Phase, Scalar

EDGE = 0.1
"""A best value in this outer part of its range, on its own scale, may have been cut off by it."""

SIZE_MISMATCH = 0.1
"""Share by which the parameter counts of compared architectures may differ without a word."""

_LOST: tuple[Status, ...] = ("diverged", "failed")


def cautions(summary: Summary) -> list[str]:
    """Plain sentences, the weightiest first; none where there is nothing to be careful about."""
    return [
        *_few_seeds(summary),
        *_checkpoint_decides(summary),
        *_different_data(summary),
        *data_cautions(summary),
        *_different_sizes(summary),
        *_lost_trials(summary),
        *_range_edges(summary),
        *_picked(summary),
        *_flattered(summary),
        *_carried_state(summary),
    ]


def range_position(distribution: Distribution, value: Scalar) -> float | None:
    """Where in its range a value lies, from 0 to 1 on its scale; None where there is no range."""
    if not isinstance(distribution, FloatRange | IntRange | QuantizedRange):
        return None
    if not isinstance(value, int | float):
        return None
    low, high, at = float(distribution.min), float(distribution.max), float(value)
    if distribution.distribution in ("log_uniform_values", "int_log_uniform_values"):
        low, high, at = math.log(low), math.log(high), math.log(at)
    return (at - low) / (high - low)


def _few_seeds(summary: Summary) -> Iterator[str]:
    num_seeds = len(summary.sweep.seeds.confirm)
    if num_seeds < FEW_SEEDS:
        seeds = "one seed" if num_seeds == 1 else f"{num_seeds} seeds"
        yield (
            f"Only {seeds} a variant: with fewer than {FEW_SEEDS}, an interval is wide or missing, "
            "and only large differences can be told from luck."
        )


def _checkpoint_decides(summary: Summary) -> Iterator[str]:
    """Verdicts that the choice of the checkpoint makes."""
    for each in summary.variants:
        last, best = each.comparison, each.comparison_at_best
        if last and best and each.verdict_depends_on_checkpoint:
            yield (
                f"The verdict on {each.variant.name} depends on the checkpoint: {last.verdict} "
                f"after the last epoch, {best.verdict} at each trial's lowest val_loss."
            )


def _different_data(summary: Summary) -> Iterator[str]:
    fingerprints = {facts.fingerprint for facts in summary.datasets.values()}
    if len(fingerprints) > 1:
        yield (
            f"The variants were measured on {len(fingerprints)} different token sequences. Across "
            "tokenizers only val_bits_per_byte compares, and across corpora nothing does."
        )


def _different_sizes(summary: Summary) -> Iterator[str]:
    """Architectures of different sizes: their difference is of both."""
    found = {each.variant.name: each.answer for each in summary.variants if each.answer}
    counts = [answer.facts.num_parameters for answer in found.values()]
    types = {answer.config.model.type for answer in found.values()}
    if len(types) > 1 and max(counts) > (1 + SIZE_MISMATCH) * min(counts):
        sizes = [f"{name} {answer.facts.num_parameters:,}" for name, answer in found.items()]
        yield (
            f"The architectures differ in size as well ({', '.join(sizes)} parameters), so a "
            "difference between them is of both."
        )


def _lost_trials(summary: Summary) -> Iterator[str]:
    """Trials that gave no number: never dropped silently."""
    phases: tuple[Phase, ...] = get_args(Phase)
    for phase in phases:
        for status in _LOST:
            shares = [
                f"{variant.variant.name} {counts[status]} of {counts.total()}"
                for variant in summary.variants
                if (counts := variant.counts[phase])[status]
            ]
            if shares:
                excluded = "; the means leave them out" if phase == "confirm" else ""
                yield f"{status.capitalize()} {phase} trials: {', '.join(shares)}{excluded}."


def _range_edges(summary: Summary) -> Iterator[str]:
    found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for variant in summary.variants:
        parameters = variant.answer.parameters if variant.answer else {}
        for path in parameters.keys() & variant.variant.parameters.keys():
            position = range_position(variant.variant.parameters[path], parameters[path])
            if position is not None and not EDGE <= position <= 1 - EDGE:
                end = "lower" if position < EDGE else "upper"
                value = format_scalar(parameters[path])
                found[path, end].append(f"{variant.variant.name} ({value})")
    for (path, end), named in sorted(found.items()):
        yield (
            f"The best {path} lies at the {end} edge of its range for {', '.join(named)}. A wider "
            "range might hold a better one."
        )


def _picked(summary: Summary) -> Iterator[str]:
    num_confirmed = max(variant.num_confirmed for variant in summary.variants)
    if num_confirmed > 1:
        yield (
            f"A variant's number is the best of up to {num_confirmed} configurations on the same "
            "seeds, so it is a little better than new seeds would give."
        )


def _flattered(summary: Summary) -> Iterator[str]:
    """Searches whose winner owes its rank to luck: its interval over new seeds lies on one side."""
    for variant in summary.variants:
        if variant.tuned_value is not None and _is_flattered(summary, variant):
            yield (
                f"{variant.variant.name}: the search saw {format_value(variant.tuned_value)} where "
                f"new seeds give {format_value(variant.confirm.mean)}; part of what made it the "
                "winner was luck."
            )


def _is_flattered(summary: Summary, variant: VariantSummary) -> bool:
    interval = variant.confirm.interval
    if variant.tuned_value is None or interval is None:
        return False
    if summary.sweep.metric.goal == "minimize":
        return variant.tuned_value < interval.low
    return variant.tuned_value > interval.high


def _carried_state(summary: Summary) -> Iterator[str]:
    carrying = [variant.variant.name for variant in summary.variants if carries_state(variant)]
    if carrying:
        yield (
            f"State carried over the whole split: {', '.join(carrying)}. Such a number is from a "
            "longer context than context_length, and does not compare with the others."
        )
