"""What the numbers of a sweep were measured on, as the report tells it."""

from __future__ import annotations

from collections.abc import Iterator

from lmtune.analysis.document import Block, Table
from lmtune.analysis.formats import format_value
from lmtune.analysis.summary import Summary
from lmtune.records import DatasetFacts


def data_section(summary: Summary) -> list[Block]:
    """The section: a table for each data set."""
    distinct = {facts.fingerprint: facts for facts in summary.datasets.values()}
    tables: list[Block] = []
    for facts in distinct.values():
        rows = list(_facts(facts))
        if len(distinct) > 1:
            names = [
                name
                for name, other in summary.datasets.items()
                if other.fingerprint == facts.fingerprint
            ]
            rows.insert(0, ("variants", ", ".join(names)))
        tables.append(Table(("fact", "value"), tuple(rows), ("fact", "value"), "Data"))
    return tables


def _facts(facts: DatasetFacts) -> Iterator[tuple[str, str]]:
    yield "fingerprint", facts.fingerprint
    yield "vocabulary", f"{facts.vocab_size:,} tokens"
    yield "training split", f"{facts.train_tokens:,} tokens"
    pairs = facts.validation_pairs
    of_pairs = "" if pairs is None else f" of {pairs:,} pairs"
    yield "validation split", f"{facts.validation_tokens:,} tokens{of_pairs}"
    yield "bytes per token", f"{facts.bytes_per_token:.4g}"
    if facts.unknown_validation_tokens:
        share = facts.unknown_validation_tokens / facts.validation_tokens
        yield "unknown validation tokens", f"{facts.unknown_validation_tokens:,} ({share:.2%})"
    for split, share in facts.leakage.items():
        what = f"{split} text" if pairs is None else f"{split} sources"
        yield f"{what} that training has too", f"{share:.2%}"
    for split, count in facts.left_out.items():
        if count:
            yield f"{split} pairs too long for context_length", f"{count:,}"
    for name, nats in (facts.ngram_floors or {}).items():
        yield f"{name} floor", f"{format_value(nats)} nats a token"
    if facts.entropy_rate is not None:
        yield (
            "entropy rate of the source",
            f"{format_value(facts.entropy_rate)} nats a token, which no model can beat",
        )
