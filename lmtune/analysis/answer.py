"""The answer of a sweep in words, for the terminal and the report alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from lmtune.analysis.formats import (
    difference_decimals,
    format_difference,
    format_interval,
    format_value,
)
from lmtune.analysis.statistics import CONFIDENCE, MIN_SEEDS, Comparison, Verdict
from lmtune.analysis.summary import Summary, VariantSummary


def answer(summary: Summary) -> str:
    """What the sweep says about its question, in a few sentences; no more than it shows."""
    if len(summary.variants) == 1:
        sentences = [_single_answer(summary)]
    elif not summary.variants[0].confirm.n:
        base = summary.variants[0].variant.name
        sentences = [f"No answer yet: no confirm trial of the base, {base}, has completed."]
    else:
        sentences = _comparison_answer(summary)
    if not summary.finished:
        sentences.append("The sweep is not finished, so this may change.")
    return " ".join(sentences)


def _single_answer(summary: Summary) -> str:
    (only,) = summary.variants
    name, metric = only.variant.name, summary.sweep.metric.name
    if not only.confirm.n:
        return f"No answer yet: no confirm trial of {name} has completed."
    reached = f"{name} reaches {metric} {format_value(only.confirm.mean)}"
    if only.confirm.interval is None:
        return f"{reached} with one seed; how far another seed would land from it is not known."
    return (
        f"{reached} on average over {only.confirm.n} seeds "
        f"({CONFIDENCE:.0%} interval {format_interval(only.confirm.interval)})."
    )


def _comparison_answer(summary: Summary) -> list[str]:
    base, *others = summary.variants
    by_verdict: defaultdict[Verdict, list[tuple[str, Comparison]]] = defaultdict(list)
    for variant in others:
        if variant.comparison:
            judged = (variant.variant.name, variant.comparison)
            by_verdict[variant.comparison.verdict].append(judged)
    compared = (
        f"{base.variant.name} ({summary.sweep.metric.name} {format_value(base.confirm.mean)})"
    )
    decimals = difference_decimals(variant.comparison for variant in others)
    sentences = _different(compared, by_verdict["better"], by_verdict["worse"], decimals)
    if within := by_verdict["within noise"]:
        if not sentences:
            sentences.append(f"No variant was shown to differ from {compared}.")
        sentences.append(_within_noise(within))
    if unjudged := by_verdict["too few seeds"]:
        sentences.append(
            f"Not judged, with fewer than {MIN_SEEDS} seeds in common with "
            f"{base.variant.name}: {', '.join(name for name, _ in unjudged)}."
        )
    sentences += _not_comparable(base, by_verdict["not comparable"])
    return sentences


def _not_comparable(
    base: VariantSummary, judged: Sequence[tuple[str, Comparison]]
) -> Iterator[str]:
    """Which variants do not compare with the base, and why, a sentence a reason."""
    by_reason: defaultdict[str, list[str]] = defaultdict(list)
    for name, comparison in judged:
        by_reason[comparison.reason].append(name)
    for reason, names in by_reason.items():
        yield f"Not comparable with {base.variant.name}: {', '.join(names)} ({reason})."


def _different(
    compared: str,
    better: Sequence[tuple[str, Comparison]],
    worse: Sequence[tuple[str, Comparison]],
    decimals: int,
) -> list[str]:
    parts = []
    for word, judged in (("better", better), ("worse", worse)):
        named = [
            f"{name} ({format_difference(each.difference.mean, decimals)})" for name, each in judged
        ]
        if named:
            parts.append(f"{', '.join(named)} {'is' if len(named) == 1 else 'are'} {word}")
    return [f"Compared with {compared}, {'; '.join(parts)}."] if parts else []


def _within_noise(judged: Sequence[tuple[str, Comparison]]) -> str:
    """Which variants, and how large a difference could have hidden in the noise."""
    names = ", ".join(name for name, _ in judged)
    detectable = max(comparison.smallest_detectable or 0.0 for _, comparison in judged)
    hidden = f"; differences up to about {detectable:.2g} could go unseen" if detectable else ""
    return f"Within noise: {names}{hidden}."
