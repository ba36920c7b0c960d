"""What a careful reader should know before believing a sweep's numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from lmtune.analysis.data_cautions import data_cautions
from lmtune.analysis.formats import format_value
from lmtune.analysis.search_cautions import search_cautions
from lmtune.analysis.statistics import FEW_SEEDS
from lmtune.analysis.summary import Summary, VariantSummary
from lmtune.analysis.variants_table import carries_state
from lmtune.spec.result import Status
from lmtune.spec.trial import Phase

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
        *search_cautions(summary),
        *_picked(summary),
        *_flattered(summary),
        *_carried_state(summary),
    ]


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
