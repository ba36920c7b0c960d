"""How far the seeds reach: what more of them would show, and whether the checkpoint decides."""

from __future__ import annotations

from collections.abc import Iterator

from lmtune.analysis.document import Block, Paragraph, Table
from lmtune.analysis.formats import (
    NOTHING,
    difference_decimals,
    format_difference,
    format_difference_interval,
    format_value,
)
from lmtune.analysis.statistics import MAX_SEEDS, POWER, Comparison, seeds_to_resolve
from lmtune.analysis.summary import Summary, VariantSummary


def seeds_section(summary: Summary) -> list[Block]:
    """The section; empty where nothing is compared."""
    compared = [
        each for each in summary.variants if each.comparison and each.comparison.p_holm is not None
    ]
    blocks: list[Block] = []
    if compared:
        blocks += [
            Paragraph(
                "spread: the standard deviation of a variant's difference from seed to seed. "
                f"detectable: the difference that these seeds show in {POWER:.0%} of such sweeps. "
                "seeds needed: as many would show, as surely, a true difference as large as the "
                "one that was seen. Few seeds know the spread, and so this number, only roughly."
            ),
            _seeds_table(compared),
        ]
    if any(each.answer and each.answer.best_values for each in summary.variants):
        blocks += [
            Paragraph(
                "Tables and figures are of the last epoch, which nobody chose. The checkpoint of "
                "each trial's lowest val_loss is chosen by the numbers that it is scored on, which "
                "flatters it a little."
            ),
            _checkpoint_table(summary),
        ]
    return blocks


def _seeds_table(compared: list[VariantSummary]) -> Table:
    rows = []
    for each in compared:
        found = each.comparison
        assert found is not None
        detectable = found.smallest_detectable or 0.0
        rows.append(
            (
                each.variant.name,
                str(found.difference.n),
                f"{found.difference.deviation or 0.0:.2g}",
                f"{detectable:.2g}",
                _seeds(found, found.difference.mean),
            )
        )
    header = ("variant", "seeds", "spread", "detectable", "seeds needed")
    return Table(header, tuple(rows), ("variant",), "What more seeds would show")


def _seeds(found: Comparison, size: float) -> str:
    if not size:
        return NOTHING
    count = seeds_to_resolve(found.difference, size)
    return f"> {MAX_SEEDS}" if count is None else str(count)


def _checkpoint_table(summary: Summary) -> Table:
    metric = summary.sweep.metric.name
    header = ["variant", f"{metric}, last epoch", "best checkpoint"]
    if len(summary.variants) > 1:
        header += ["difference at best", "its 95% interval", "verdict, last", "verdict at best"]
    decimals = difference_decimals(each.comparison_at_best for each in summary.variants)
    rows = tuple(tuple(_checkpoint_row(each, decimals))[: len(header)] for each in summary.variants)
    words = ("variant", "verdict, last", "verdict at best")
    return Table(tuple(header), rows, words, "The last epoch and the best checkpoint")


def _checkpoint_row(variant: VariantSummary, decimals: int) -> Iterator[str]:
    answer = variant.answer
    yield variant.variant.name
    yield format_value(variant.confirm.mean) if variant.confirm.n else NOTHING
    yield format_value(answer.at_best.mean) if answer and answer.at_best.n else NOTHING
    last, best = variant.comparison, variant.comparison_at_best
    if last is None or best is None or not best.difference.n:
        yield from (NOTHING,) * 4
        return
    yield format_difference(best.difference.mean, decimals)
    yield format_difference_interval(best.difference.interval, decimals)
    yield last.verdict
    yield best.verdict + (" (another)" if variant.verdict_depends_on_checkpoint else "")
