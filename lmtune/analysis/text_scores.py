"""The scores of the model's own text, as the tables and the report show them."""

from __future__ import annotations

from collections.abc import Iterator

from lmtune.analysis.confirmed import Configuration
from lmtune.analysis.summary import Summary
from lmtune.records import DatasetFacts
from lmtune.spec.training import GenerationEvaluation

MIN_EXAMPLES = 200
"""Under so many examples BLEU says little."""

MIN_BREVITY_PENALTY = 0.9
"""Below it BLEU is mostly a measure of length."""

_TITLES = {"val_bleu": "BLEU", "val_chrf": "chrF", "val_exact_match": "exact match"}
_FORMATS = {"val_bleu": "{:.2f}", "val_chrf": "{:.2f}", "val_exact_match": "{:.3f}"}


def text_columns(summary: Summary) -> dict[str, str]:
    """Titles by metric of the scores that any variant has, besides the sweep's own metric."""
    answers = [each.answer for each in summary.variants if each.answer]
    return {
        name: title
        for name, title in _TITLES.items()
        if name != summary.sweep.metric.name
        and any(answer.mean(name) is not None for answer in answers)
    }


def text_cell(name: str, answer: Configuration | None) -> str:
    """A score of a variant, the mean over its confirm trials."""
    mean = answer.mean(name) if answer else None
    return "-" if mean is None else _FORMATS[name].format(mean)


def text_notes(summary: Summary) -> Iterator[str]:
    """How text was written and compared: a sentence for each way that variants differ in."""
    by_way: dict[str, list[str]] = {}
    for each in summary.variants:
        answer = each.answer
        if answer and answer.config.generation and answer.mean("val_bleu") is not None:
            facts = summary.datasets[each.variant.name]
            by_way.setdefault(_way(answer, facts), []).append(each.variant.name)
    for way, names in by_way.items():
        who = "" if len(by_way) == 1 else f" ({', '.join(names)})"
        yield f"Text scores{who}: {way}"


def num_examples(answer: Configuration, facts: DatasetFacts) -> int:
    """How many texts were written and compared."""
    asked = answer.config.generation
    available = facts.validation_pairs
    if available is None:
        available = facts.validation_tokens // answer.config.dataset.context_length
    return min(asked.num_examples, available) if asked else 0


def _way(answer: Configuration, facts: DatasetFacts) -> str:
    asked = answer.config.generation
    assert asked is not None
    what = "validation pairs" if answer.config.dataset.is_pairs else "continued prompts"
    return (
        f"{num_examples(answer, facts)} {what}, {_decoding(asked)} decoding. "
        f"BLEU {answer.facts.bleu_signature}; chrF {answer.facts.chrf_signature}."
    )


def _decoding(asked: GenerationEvaluation) -> str:
    settings = asked.decoding.model_dump(exclude={"type"}, exclude_none=True)
    named = ", ".join(f"{name} {value}" for name, value in settings.items())
    return f"{asked.decoding.type} ({named})" if named else asked.decoding.type
