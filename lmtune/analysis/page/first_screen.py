"""What answers the question alone: the verdicts, and the facts under the answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lmtune.analysis.experiment import Experiment
from lmtune.analysis.formats import (
    difference_decimals,
    format_difference,
    format_difference_interval,
    format_interval,
    format_value,
)
from lmtune.analysis.statistics import FEW_SEEDS, Verdict
from lmtune.analysis.summary import Summary, VariantSummary
from lmtune.analysis.variants_table import carries_state

_STYLES: dict[Verdict, str] = {"better": "better", "worse": "worse"}


def verdicts(summary: Summary) -> dict[str, Any]:
    """The short table: its header and rows, of the same numbers as the whole one."""
    metric = summary.sweep.metric.name
    is_compared = len(summary.variants) > 1
    numbers = [metric, "difference"] if is_compared else [metric, "95% interval", "seeds"]
    decimals = difference_decimals(each.comparison for each in summary.variants)
    return {
        "header": ["variant", *numbers, *(["verdict"] if is_compared else [])],
        "numbers": numbers,
        "rows": [
            _row(each, decimals, len(summary.sweep.seeds.confirm)) for each in summary.variants
        ],
    }


def _row(variant: VariantSummary, decimals: int, planned: int) -> dict[str, Any]:
    found = variant.comparison
    has_difference = found is not None and found.difference.n > 0
    return {
        "name": variant.variant.name,
        "is_base": found is None,
        "value": format_value(variant.confirm.mean) if variant.confirm.n else "-",
        "own_interval": format_interval(variant.confirm.interval),
        "seeds": str(variant.confirm.n),
        "difference": _difference(variant, decimals),
        "interval": (
            format_difference_interval(found.difference.interval, decimals)
            if found and has_difference and found.difference.interval
            else ""
        ),
        "verdict": found.verdict if found else "",
        "style": _STYLES.get(found.verdict, "noise") if found else "",
        "note": "; ".join(_notes(variant, planned)),
    }


def _difference(variant: VariantSummary, decimals: int) -> str:
    if variant.comparison is None:
        return "base"
    difference = variant.comparison.difference
    return format_difference(difference.mean, decimals) if difference.n else "-"


def _notes(variant: VariantSummary, planned: int) -> Iterator[str]:
    """What a reader of the verdict must know at once."""
    found = variant.comparison
    if found is None:
        return
    if 0 < found.difference.n < planned:
        yield f"{found.difference.n} of {planned} seeds"
    if variant.verdict_depends_on_checkpoint and variant.comparison_at_best:
        yield f"{variant.comparison_at_best.verdict} at the best checkpoint"
    if carries_state(variant):
        yield "state carried"


def facts(experiment: Experiment) -> Iterator[str]:
    """How much the answer rests on, a phrase each."""
    summary, sweep = experiment.summary, experiment.sweep
    seeds = len(sweep.seeds.confirm)
    few = f", fewer than {FEW_SEEDS}" if seeds < FEW_SEEDS else ""
    yield f"{seeds} {'seed' if seeds == 1 else 'seeds'} a variant{few}"
    tuned = sum(each.counts["tune"].total() for each in summary.variants)
    confirmed = sum(each.counts["confirm"].total() for each in summary.variants)
    yield f"{tuned} tune and {confirmed} confirm trials" if tuned else f"{confirmed} trials"
    tokens = {
        record.last.train_tokens
        for record in experiment.records
        if record.spec.phase == "confirm" and record.status == "completed" and record.last
    }
    if tokens:
        low, high = min(tokens), max(tokens)
        yield f"{low:,}{f' to {high:,}' if high > low else ''} training tokens a trial"
    elif not summary.finished:
        yield "not finished"
