"""What a sweep's searches and curves say about how far to trust its numbers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from lmtune.analysis.formats import format_scalar
from lmtune.analysis.ranges import range_edges
from lmtune.analysis.summary import Summary
from lmtune.records import TrialRecord
from lmtune.spec.result import Evaluation

LEARNING_RATE = "optimizer.learning_rate"

FEW_TRIALS = 8
"""Below so many tune trials a variant, its best is much a matter of luck."""

OVERFITTING = 0.02
"""Share by which a loss that ends above its lowest is called overfitting."""

MIN_NATS = 0.005
"""Smaller changes of a loss are of no interest, whatever share of it they are."""

STILL_FALLING = 0.01
"""Share by which a loss that falls in the last tenth of training is called cut short."""


def search_cautions(summary: Summary) -> Iterator[str]:
    """Plain sentences, the weightiest first."""
    yield from _edges(summary)
    yield from _few_trials(summary)
    yield from _shared_learning_rate(summary)
    yield from _curves(summary)


def _edges(summary: Summary) -> Iterator[str]:
    found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    pasted: dict[tuple[str, str], str | None] = {}
    for edge in range_edges(summary):
        found[edge.path, edge.end].append(f"{edge.variant} ({format_scalar(edge.value)})")
        pasted.setdefault((edge.path, edge.end), edge.yaml)
    for (path, end), named in sorted(found.items()):
        wider = pasted[path, end]
        yield (
            f"The best {path} lies at the {end} edge of its range for {', '.join(named)}. A wider "
            f"range might hold a better one{f': {wider}' if wider else ''}."
        )


def _few_trials(summary: Summary) -> Iterator[str]:
    if summary.sweep.method == "grid":  # all that there is was tried
        return
    few = {
        each.variant.name: each.counts["tune"].total()
        for each in summary.variants
        if 0 < each.counts["tune"].total() < FEW_TRIALS
    }
    if few:
        named = ", ".join(f"{name} {count}" for name, count in few.items())
        yield (
            f"Few tune trials ({named}): below {FEW_TRIALS} a variant, how well it was tuned is "
            "much a matter of luck."
        )


def _shared_learning_rate(summary: Summary) -> Iterator[str]:
    """One learning rate for models of different kinds suits some of them better than others."""
    shared = [
        each.variant for each in summary.variants if LEARNING_RATE not in each.variant.parameters
    ]
    kinds = {variant.config.model.type for variant in shared}
    rates = {variant.config.optimizer.learning_rate for variant in shared}
    if len(kinds) > 1 and len(rates) == 1:
        yield (
            f"Models of different kinds ({', '.join(sorted(kinds))}) share one learning rate, "
            f"{format_scalar(rates.pop())}, that was tuned for none of them: search it in each."
        )


def _curves(summary: Summary) -> Iterator[str]:
    overfitting, falling = {}, {}
    for each in summary.variants:
        trials = each.answer.trials if each.answer else ()
        rises = [rise for trial in trials if (rise := _rise(trial)) is not None]
        falls = [fall for trial in trials if (fall := _late_fall(trial)) is not None]
        if rises and _mean(rises) > OVERFITTING:
            overfitting[each.variant.name] = _mean(rises)
        if falls and _mean(falls) > STILL_FALLING:
            falling[each.variant.name] = _mean(falls)
    if overfitting:
        yield (
            f"Overfitting: val_loss ends above its lowest for {_shares(overfitting)}. Fewer epochs "
            "or more regularization would help these, and the best checkpoint flatters them less."
        )
    if falling:
        yield (
            f"Cut short: over the last tenth of training val_loss still fell for "
            f"{_shares(falling)}. With more training the numbers, and perhaps their order, would "
            "be others."
        )


def _rise(trial: TrialRecord) -> float | None:
    """By which share of its lowest the loss ends above it."""
    if trial.status != "completed" or trial.last is None or trial.best is None:
        return None
    return _share(trial.last.val_loss, trial.best.val_loss)


def _late_fall(trial: TrialRecord) -> float | None:
    """By which share of the final loss it fell over the last tenth of the tokens."""
    curve = [row for row in trial.curve if row.val_loss == row.val_loss]
    if trial.status != "completed" or len(curve) < 2 or curve[-1].val_loss <= 0:
        return None
    before = _loss_at(curve, 0.9 * curve[-1].train_tokens)
    return None if before is None else _share(before, curve[-1].val_loss)


def _share(value: float, lower: float) -> float | None:
    """By which share of it a value lies above a lower one; 0 where that is next to nothing."""
    if lower <= 0:
        return None
    return value / lower - 1 if value - lower > MIN_NATS else 0.0


def _loss_at(curve: Sequence[Evaluation], tokens: float) -> float | None:
    """The loss after so many tokens, on a straight line between evaluations."""
    for row, following in pairwise(curve):
        if row.train_tokens <= tokens <= following.train_tokens:
            extent = following.train_tokens - row.train_tokens
            share = (tokens - row.train_tokens) / extent if extent else 0.0
            return row.val_loss + share * (following.val_loss - row.val_loss)
    return None


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _shares(found: dict[str, float]) -> str:
    return ", ".join(f"{name} ({share:.1%})" for name, share in found.items())
