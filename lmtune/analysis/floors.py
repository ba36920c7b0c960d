"""What counting n-grams alone reaches on the same tokens: printed beside every table of losses."""

from __future__ import annotations

import math

from lmtune.analysis.summary import Summary
from lmtune.records import DatasetFacts
from lmtune.spec.sweep import MetricName


def floor_lines(summary: Summary) -> list[str]:
    """A sentence for each data set that has floors, in the metric's unit; nats for other metrics.

    The metrics that counting has no number for are those of hits and of written text.
    """
    distinct = {
        facts.fingerprint: facts for facts in summary.datasets.values() if facts.ngram_floors
    }
    is_one = len({facts.fingerprint for facts in summary.datasets.values()}) == 1
    return [_line(summary, facts, is_one) for facts in distinct.values()]


def _line(summary: Summary, facts: DatasetFacts, is_one: bool) -> str:
    metric = summary.sweep.metric.name
    unit: MetricName = metric if metric in _UNITS else "val_loss"
    floors = facts.ngram_floors or {}
    values = ", ".join(
        f"{name} {in_metric(nats, unit, facts):#.5g}" for name, nats in floors.items()
    )
    names = [
        name for name, other in summary.datasets.items() if other.fingerprint == facts.fingerprint
    ]
    whose = "" if is_one else f" of {', '.join(names)}"
    return f"Floors ({unit} of counting n-grams) on the same validation tokens{whose}: {values}."


_UNITS = ("val_loss", "val_perplexity", "val_bits_per_byte")


def in_metric(nats: float, metric: MetricName, facts: DatasetFacts) -> float:
    """Nats a token in the unit of another metric of the same tokens."""
    if metric == "val_perplexity":
        return math.exp(nats)
    if metric == "val_bits_per_byte":
        return nats / math.log(2) / facts.bytes_per_token
    return nats
