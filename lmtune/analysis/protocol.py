"""How a sweep was done, as the report tells it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from lmtune.analysis.document import Block, Bullets, Table
from lmtune.analysis.formats import (
    format_interval,
    format_parameters,
    format_scalar,
    format_value,
)
from lmtune.analysis.matched import match_step, match_table
from lmtune.analysis.summary import Summary, VariantSummary
from lmtune.analysis.variants_table import carries_state
from lmtune.spec.result import Status
from lmtune.spec.search import Categorical, Constant, Distribution, QuantizedRange
from lmtune.spec.sweep import SweepSpec
from lmtune.spec.trial import Phase


def protocol(summary: Summary) -> list[Block]:
    """The section: phases, search, evaluation, and what became of the trials."""
    parts: list[Block] = [Bullets(tuple(_steps(summary))), _status_counts(summary)]
    if any(variant.matched for variant in summary.sweep.variants):
        parts.insert(1, match_table(summary))
    if any(variant.variant.parameters for variant in summary.variants):
        parts.append(_search_table(summary))
    return parts


def _steps(summary: Summary) -> Iterator[str]:
    if summary.sweep.match:
        yield match_step(summary.sweep.match)
    yield from _search_steps(summary)
    yield _confirm_step(summary.sweep)
    yield from _evaluation_steps(summary)


def _confirm_step(sweep: SweepSpec) -> str:
    seeds = ", ".join(map(str, sweep.seeds.confirm))
    what = "each variant"
    if any(variant.parameters for variant in sweep.variants):
        top_k = sweep.seeds.top_k
        what += "'s best configuration" if top_k == 1 else f"'s best {top_k} configurations"
    return (
        f"Confirm: {what} trained from scratch to the last epoch, never stopped early, with "
        f"seeds {seeds} for every variant. Only these trials are in the variants table."
    )


def _evaluation_steps(summary: Summary) -> Iterator[str]:
    sections = [variant.config.dataset for variant in summary.sweep.variants]
    lengths = {section.context_length for section in sections if not section.is_pairs}
    carrying = [variant.variant.name for variant in summary.variants if carries_state(variant)]
    exception = f"; except {', '.join(carrying)}, with the state carried over the whole split"
    if lengths:
        yield (
            "Evaluation: every token of the validation split but the first is scored exactly once, "
            f"by every architecture, from at most {' or '.join(map(str, sorted(lengths)))} tokens "
            f"before it{exception if carrying else ''}."
        )
    if any(section.is_pairs for section in sections):
        yield (
            "Evaluation: every token of every validation target, and its end, is scored exactly "
            "once, by every architecture, from the source and the true tokens before it."
        )


def _search_steps(summary: Summary) -> Iterator[str]:
    sweep = summary.sweep
    searched: dict[tuple[str, str], list[str]] = {}
    for variant in sweep.variants:
        for path, distribution in variant.parameters.items():
            searched.setdefault((path, _describe(distribution)), []).append(variant.name)
    if not searched:
        yield "Search: none; every value is the sweep file's own."
        return
    trials = f", {_count(sweep.budget.trials, 'trial')} for each" if sweep.budget.trials else ""
    seeds = ", ".join(map(str, sweep.seeds.tune))
    yield f"Search: {sweep.method} inside each variant{trials}, with seed {seeds}."
    for (path, description), names in searched.items():
        only = "" if len(names) == len(sweep.variants) else f" (in {', '.join(names)})"
        yield f"Searched: {path}, {description}{only}."
    if stopping := sweep.early_terminate:
        yield (
            f"Early stopping of tune trials: {stopping.type}, from epoch {stopping.min_iter}, one "
            f"in {stopping.eta} goes on at each rung, inside each variant."
        )
    else:
        yield "Early stopping: none."


def _describe(distribution: Distribution) -> str:
    if isinstance(distribution, Constant):
        return f"always {format_scalar(distribution.value)}"
    if isinstance(distribution, Categorical):
        return f"one of {', '.join(map(format_scalar, distribution.values))}"
    text = f"{format_scalar(distribution.min)} to {format_scalar(distribution.max)}"
    step = f" by {distribution.q:.4g}" if isinstance(distribution, QuantizedRange) else ""
    return f"{text}{step} ({distribution.distribution})"


def _count(number: int, noun: str) -> str:
    return f"one {noun}" if number == 1 else f"{number} {noun}s"


def _status_counts(summary: Summary) -> Table:
    statuses: tuple[Status, ...] = get_args(Status)
    phases: tuple[Phase, ...] = get_args(Phase)
    rows = []
    for phase in phases:
        counts = [
            sum(variant.counts[phase][status] for variant in summary.variants)
            for status in statuses
        ]
        rows.append((phase, *map(str, [sum(counts), *counts])))
    return Table(("phase", "trials", *statuses), tuple(rows), ("phase",), "Trials by status")


def _search_table(summary: Summary) -> Table:
    """What each search tried, and its winner's value then and over new seeds."""
    metric = summary.sweep.metric.name
    header = (
        "variant",
        "tuned",
        "completed",
        "winner",
        f"{metric} in the search",
        "with new seeds",
    )
    rows = tuple(_search_row(variant) for variant in summary.variants)
    return Table(header, rows, ("variant", "winner"), "What each search found")


def _search_row(variant: VariantSummary) -> tuple[str, ...]:
    tuned = variant.counts["tune"]
    found = variant.answer
    confirmed = f"{format_value(variant.confirm.mean)} {format_interval(variant.confirm.interval)}"
    return (
        variant.variant.name,
        str(tuned.total()),
        str(tuned["completed"]),
        format_parameters(found.parameters) if found else "-",
        "-" if variant.tuned_value is None else format_value(variant.tuned_value),
        confirmed if variant.confirm.n else "-",
    )
