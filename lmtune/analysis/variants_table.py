"""The table of the variants: the base, then what each change costs or gains.

Its columns are the same in the terminal, in `report.md`, `report.html` and `variants.tex`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from lmtune.analysis.confirmed import Configuration
from lmtune.analysis.formats import (
    NOTHING,
    difference_decimals,
    format_difference,
    format_difference_interval,
    format_interval,
    format_p,
    format_parameters,
    format_value,
)
from lmtune.analysis.matched import format_mismatch
from lmtune.analysis.statistics import CONFIDENCE, Comparison, Verdict
from lmtune.analysis.summary import Summary, VariantSummary
from lmtune.analysis.text_scores import text_cell, text_columns
from lmtune.spec.model import RecurrentConfig

WORDS = ("variant", "verdict", "tuned")
"""Columns of words; all others are of numbers."""


@dataclass(frozen=True)
class VariantRow:
    """A row of the variants table.

    Attributes:
        cells: plain text, one for each of `variants_header`.
        verdict: for a front end that has colours; None for the base.
    """

    cells: tuple[str, ...]
    verdict: Verdict | None


@dataclass(frozen=True)
class _Column:
    title: str
    cell: Callable[[VariantSummary], str]


def variants_header(summary: Summary) -> tuple[str, ...]:
    """The titles of the variants table; those of the comparison only where there is one."""
    return tuple(column.title for column in _columns(summary))


def variants_rows(summary: Summary) -> list[VariantRow]:
    """The variants table, a row a variant in the sweep's order, from confirm trials alone."""
    columns = list(_columns(summary))
    return [
        VariantRow(
            cells=tuple(column.cell(variant) for column in columns),
            verdict=variant.comparison.verdict if variant.comparison else None,
        )
        for variant in summary.variants
    ]


def difference_title(summary: Summary) -> str:
    """The title of the column of differences."""
    return f"difference to {summary.sweep.variants[0].name}"


def carries_state(variant: VariantSummary) -> bool:
    """Whether evaluation saw more context than `context_length`, by keeping a recurrent state."""
    model = variant.answer.config.model if variant.answer else variant.variant.config.model
    return isinstance(model, RecurrentConfig) and model.carry_state


def _columns(summary: Summary) -> Iterator[_Column]:
    yield _Column("variant", lambda each: each.variant.name)
    yield _Column(summary.sweep.metric.name, _value_cell)
    yield _Column(f"{CONFIDENCE:.0%} interval", lambda each: format_interval(each.confirm.interval))
    yield _Column("seeds", partial(_seeds_cell, len(summary.sweep.seeds.confirm)))
    if len(summary.variants) > 1:
        yield from _comparison_columns(summary)
    for name, title in text_columns(summary).items():
        yield _Column(title, partial(_text_cell, name))
    yield from _cost_columns()
    if summary.sweep.match:
        yield _Column("mismatch", _mismatch_cell)
    yield from _trial_columns(summary)


def _comparison_columns(summary: Summary) -> Iterator[_Column]:
    decimals = difference_decimals(each.comparison for each in summary.variants)
    cells: dict[str, Callable[[Comparison], str]] = {
        difference_title(summary): lambda each: format_difference(each.difference.mean, decimals),
        f"its {CONFIDENCE:.0%} interval": lambda each: format_difference_interval(
            each.difference.interval, decimals
        ),
        "detectable": lambda each: (
            NOTHING if each.smallest_detectable is None else f"{each.smallest_detectable:.2g}"
        ),
        "p (Holm)": lambda each: NOTHING if each.p_holm is None else format_p(each.p_holm),
    }
    base = "base"
    for title, cell in cells.items():
        yield _Column(title, partial(_compared_cell, cell, base))
        base = NOTHING
    yield _Column("verdict", lambda each: each.comparison.verdict if each.comparison else NOTHING)


def _cost_columns() -> Iterator[_Column]:
    costs: dict[str, Callable[[Configuration], float | None]] = {
        "parameters": lambda answer: answer.facts.num_parameters,
        "FLOPs/token": lambda answer: answer.facts.flops_per_token,
        "tokens/s": lambda answer: answer.tokens_per_second,
    }
    for title, cost in costs.items():
        yield _Column(title, partial(_cost_cell, cost))


def _trial_columns(summary: Summary) -> Iterator[_Column]:
    """What became of the trials: tuned and completed in the search, diverged in either phase."""
    if any(each.variant.parameters for each in summary.variants):
        yield _Column("tune trials", lambda each: str(each.counts["tune"].total()))
        yield _Column("completed", lambda each: str(each.counts["tune"]["completed"]))
    yield _Column("diverged", lambda each: f"{each.diverged_share:.0%}")
    if any(each.variant.parameters for each in summary.variants):
        yield _Column("tuned", _tuned_cell)


def _compared_cell(cell: Callable[[Comparison], str], base: str, variant: VariantSummary) -> str:
    if variant.comparison is None:
        return base
    return cell(variant.comparison) if variant.comparison.difference.n else NOTHING


def _value_cell(variant: VariantSummary) -> str:
    if not variant.confirm.n:
        return NOTHING
    note = " (state carried)" if carries_state(variant) else ""
    return format_value(variant.confirm.mean) + note


def _seeds_cell(planned: int, variant: VariantSummary) -> str:
    """How many seeds the mean is of, and what became of the others."""
    trials = variant.answer.trials if variant.answer else ()
    others = [trial.status for trial in trials if trial.status != "completed"]
    statuses = [f"{others.count(status)} {status}" for status in dict.fromkeys(others)]
    if variant.confirm.n == planned and not statuses:
        return str(planned)
    note = f" ({', '.join(statuses)})" if statuses else ""
    return f"{variant.confirm.n} of {planned}{note}"


def _text_cell(name: str, variant: VariantSummary) -> str:
    return text_cell(name, variant.answer)


def _mismatch_cell(variant: VariantSummary) -> str:
    matched = variant.variant.matched
    return format_mismatch(matched) if matched else NOTHING


def _tuned_cell(variant: VariantSummary) -> str:
    return format_parameters(variant.answer.parameters) if variant.answer else NOTHING


def _cost_cell(cost: Callable[[Configuration], float | None], variant: VariantSummary) -> str:
    number = cost(variant.answer) if variant.answer else None
    return NOTHING if number is None else f"{number:,.0f}"
