"""The answer of a sweep in words and in rows, for the terminal and the report alike."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lmtune.analysis.matched import format_mismatch
from lmtune.analysis.statistics import CONFIDENCE, MIN_SEEDS, Comparison, Interval, Verdict
from lmtune.analysis.summary import Summary, VariantSummary
from lmtune.analysis.text_scores import text_cell, text_columns
from lmtune.spec.model import RecurrentConfig
from lmtune.spec.trial import Scalar

_NOTHING = "-"


@dataclass(frozen=True)
class VariantRow:
    """A row of the variants table.

    Attributes:
        cells: plain text, one for each of `variants_header`.
        verdict: for a front end that has colours; None for the base.
    """

    cells: tuple[str, ...]
    verdict: Verdict | None


def variants_header(summary: Summary) -> tuple[str, ...]:
    """The titles of the variants table; those of the comparison only where there is one."""
    comparison = (
        f"difference to {summary.sweep.variants[0].name}",
        f"its {CONFIDENCE:.0%} interval",
        "detectable",
        "p (Holm)",
        "verdict",
    )
    return (
        "variant",
        summary.sweep.metric.name,
        f"{CONFIDENCE:.0%} interval",
        "seeds",
        *(comparison if len(summary.variants) > 1 else ()),
        *text_columns(summary).values(),
        "parameters",
        "FLOPs/token",
        *(("mismatch",) if summary.sweep.match else ()),
        *(("tuned",) if any(each.variant.parameters for each in summary.variants) else ()),
    )


def variants_rows(summary: Summary) -> list[VariantRow]:
    """The variants table, a row a variant in the sweep's order, from confirm trials alone."""
    return [
        VariantRow(
            cells=_cells(summary, variant),
            verdict=variant.comparison.verdict if variant.comparison else None,
        )
        for variant in summary.variants
    ]


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


def format_value(value: float) -> str:
    """A metric's value."""
    return f"{value:#.5g}"


def format_interval(interval: Interval | None) -> str:
    """An interval of a metric's value."""
    if interval is None:
        return _NOTHING
    return f"[{format_value(interval.low)}, {format_value(interval.high)}]"


def format_parameters(parameters: dict[str, Scalar]) -> str:
    """Searched values by the last word of their path, which says enough in a row of a table."""
    named = {path.rpartition(".")[2]: value for path, value in parameters.items()}
    if len(named) < len(parameters):
        named = parameters
    return ", ".join(f"{name}={format_scalar(value)}" for name, value in named.items()) or _NOTHING


def format_scalar(value: Scalar) -> str:
    """A configuration's value as a sweep file has it, floats to four digits."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def carries_state(variant: VariantSummary) -> bool:
    """Whether evaluation saw more context than `context_length`, by keeping a recurrent state."""
    model = variant.answer.config.model if variant.answer else variant.variant.config.model
    return isinstance(model, RecurrentConfig) and model.carry_state


def _cells(summary: Summary, variant: VariantSummary) -> tuple[str, ...]:
    found, matched = variant.answer, variant.variant.matched
    is_searched = any(each.variant.parameters for each in summary.variants)
    return (
        variant.variant.name,
        _value_cell(variant),
        format_interval(variant.confirm.interval),
        _seeds_cell(summary, variant),
        *(_comparison_cells(variant.comparison) if len(summary.variants) > 1 else ()),
        *(text_cell(name, found) for name in text_columns(summary)),
        f"{found.facts.num_parameters:,}" if found else _NOTHING,
        f"{found.facts.flops_per_token:,}" if found else _NOTHING,
        *((format_mismatch(matched) if matched else _NOTHING,) if summary.sweep.match else ()),
        *((format_parameters(found.parameters) if found else _NOTHING,) if is_searched else ()),
    )


def _value_cell(variant: VariantSummary) -> str:
    if not variant.confirm.n:
        return _NOTHING
    note = " (state carried)" if carries_state(variant) else ""
    return format_value(variant.confirm.mean) + note


def _seeds_cell(summary: Summary, variant: VariantSummary) -> str:
    """How many seeds the mean is of, and what became of the others."""
    planned = len(summary.sweep.seeds.confirm)
    trials = variant.answer.trials if variant.answer else ()
    others = [trial.status for trial in trials if trial.status != "completed"]
    statuses = [f"{others.count(status)} {status}" for status in dict.fromkeys(others)]
    if variant.confirm.n == planned and not statuses:
        return str(planned)
    note = f" ({', '.join(statuses)})" if statuses else ""
    return f"{variant.confirm.n} of {planned}{note}"


def _comparison_cells(comparison: Comparison | None) -> tuple[str, ...]:
    if comparison is None:
        return ("base", *[_NOTHING] * 4)
    if not comparison.difference.n:
        return (*[_NOTHING] * 4, comparison.verdict)
    detectable, p = comparison.smallest_detectable, comparison.p_holm
    return (
        _format_difference(comparison.difference.mean),
        _format_difference_interval(comparison.difference.interval),
        _NOTHING if detectable is None else f"{detectable:.2g}",
        _NOTHING if p is None else _format_p(p),
        comparison.verdict,
    )


def _format_p(p: float) -> str:
    return f"{p:.3f}" if p >= 0.001 else "< 0.001"


def _format_difference(difference: float) -> str:
    return f"{difference:+#.3g}" if difference else "0"


def _format_difference_interval(interval: Interval | None) -> str:
    if interval is None:
        return _NOTHING
    return f"[{_format_difference(interval.low)}, {_format_difference(interval.high)}]"


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
    sentences = _different(compared, by_verdict["better"], by_verdict["worse"])
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
) -> list[str]:
    parts = []
    for word, judged in (("better", better), ("worse", worse)):
        named = [f"{name} ({_format_difference(each.difference.mean)})" for name, each in judged]
        if named:
            parts.append(f"{', '.join(named)} {'is' if len(named) == 1 else 'are'} {word}")
    return [f"Compared with {compared}, {'; '.join(parts)}."] if parts else []


def _within_noise(judged: Sequence[tuple[str, Comparison]]) -> str:
    """Which variants, and how large a difference could have hidden in the noise."""
    names = ", ".join(name for name, _ in judged)
    detectable = max(comparison.smallest_detectable or 0.0 for _, comparison in judged)
    hidden = f"; differences up to about {detectable:.2g} could go unseen" if detectable else ""
    return f"Within noise: {names}{hidden}."
