"""What the data and the scores of written text say about how far to trust a sweep's numbers."""

from __future__ import annotations

from collections.abc import Iterator

from lmtune.analysis.summary import Summary, VariantSummary
from lmtune.analysis.text_scores import MIN_BREVITY_PENALTY, MIN_EXAMPLES, num_examples
from lmtune.records import DatasetFacts

LEAKAGE = 0.01
"""Share of a split that training has too, above which its numbers are flattered."""

TOO_GOOD = 0.8
"""A loss below this share of the 5-gram floor is more than small models find in a text."""

TOKENIZED = 0.5
"""Share of the targets that end with a period apart, above which it is no accident."""

LEFT_OUT = 0.01
"""Share of the validation pairs that may be too long without a word."""


def data_cautions(summary: Summary) -> Iterator[str]:
    """Plain sentences, the weightiest first."""
    yield from _leaks(summary)
    yield from _beside_the_floors(summary)
    yield from _left_out(summary)
    yield from _tokenized(summary)
    yield from _few_examples(summary)
    yield from _short_texts(summary)
    yield from _different_contexts(summary)


def _leaks(summary: Summary) -> Iterator[str]:
    for facts in _distinct(summary):
        what = "text" if facts.validation_pairs is None else "sources"
        for split, share in facts.leakage.items():
            if share > LEAKAGE:
                yield (
                    f"{share:.1%} of the {what} of the {split} split stands in the training split "
                    "as well, which flatters every number of that split: it was learned, not "
                    "predicted."
                )


def _beside_the_floors(summary: Summary) -> Iterator[str]:
    """Losses that are better or worse than they should be."""
    too_good, too_bad = [], []
    for each in summary.variants:
        floors = _floors(summary, each)
        loss = each.answer.mean("val_loss") if each.answer else None
        if loss is None or not floors:
            continue
        if loss < TOO_GOOD * floors["5-gram"]:
            too_good.append(f"{each.variant.name} ({loss:.4g} < {floors['5-gram']:.4g})")
        if loss > floors["bigram"]:
            too_bad.append(f"{each.variant.name} ({loss:.4g} > {floors['bigram']:.4g})")
    if too_good:
        yield (
            f"The val_loss of {', '.join(too_good)} is far below what counting 5-grams reaches. "
            "Such a number is often too good to be true: see that no validation text was trained "
            "on."
        )
    if too_bad:
        yield (
            f"The val_loss of {', '.join(too_bad)} is above what counting pairs of tokens reaches: "
            "trained for longer, or at another learning rate, it would say more."
        )


def _floors(summary: Summary, variant: VariantSummary) -> dict[str, float] | None:
    """The floors of the tokens that a variant was measured on, where they are known."""
    facts = summary.datasets[variant.variant.name]
    answer = variant.answer
    is_same = answer and answer.trials[0].spec.data_fingerprint == facts.fingerprint
    return facts.ngram_floors if is_same else None


def _left_out(summary: Summary) -> Iterator[str]:
    for facts in _distinct(summary):
        left_out = facts.left_out.get("validation", 0)
        total = left_out + (facts.validation_pairs or 0)
        if left_out > LEFT_OUT * total:
            yield (
                f"{left_out} of {total} validation pairs do not fit into context_length. They are "
                "not scored, and long ones are the hard ones."
            )


def _tokenized(summary: Summary) -> Iterator[str]:
    for facts in _distinct(summary):
        if facts.validation_pairs and facts.tokenized_targets > TOKENIZED * facts.validation_pairs:
            yield (
                f"{facts.tokenized_targets} of {facts.validation_pairs} validation targets end "
                "with a period after a space: they seem to be tokenized, and BLEU of such text is "
                "higher than that of text as people write it."
            )


def _few_examples(summary: Summary) -> Iterator[str]:
    counts = {
        num_examples(each.answer, summary.datasets[each.variant.name])
        for each in summary.variants
        if each.answer and each.answer.mean("val_bleu") is not None
    }
    if counts and min(counts) < MIN_EXAMPLES:
        yield (
            f"Text scores are of {min(counts)} examples: under {MIN_EXAMPLES}, BLEU moves by "
            "points with the choice of them."
        )


def _short_texts(summary: Summary) -> Iterator[str]:
    short = []
    for each in summary.variants:
        penalty = each.answer.mean("val_brevity_penalty") if each.answer else None
        if penalty is not None and penalty < MIN_BREVITY_PENALTY:
            short.append(f"{each.variant.name} ({penalty:.2f})")
    if short:
        yield (
            f"The brevity penalty is below {MIN_BREVITY_PENALTY} for {', '.join(short)}: the texts "
            "are too short, and BLEU says more of their length than of their words."
        )


def _different_contexts(summary: Summary) -> Iterator[str]:
    """Predictions that look back on more text than others do."""
    lengths = {
        each.variant.name: each.answer.config.dataset.context_length
        for each in summary.variants
        if each.answer and not each.answer.config.dataset.is_pairs
    }
    if len(set(lengths.values())) > 1:
        named = ", ".join(f"{name} {length}" for name, length in lengths.items())
        yield (
            f"The variants look back on different numbers of tokens ({named}): a difference is "
            "that of the models and of what they see."
        )
    elif len(_distinct(summary)) > 1 and lengths:
        spans = {
            name: length * summary.datasets[name].bytes_per_token
            for name, length in lengths.items()
        }
        if max(spans.values()) > 1.5 * min(spans.values()):
            named = ", ".join(f"{name} {span:.0f}" for name, span in spans.items())
            yield (
                "One context_length is more text in longer tokens: the variants look back on "
                f"about so many bytes: {named}."
            )


def _distinct(summary: Summary) -> list[DatasetFacts]:
    return list({facts.fingerprint: facts for facts in summary.datasets.values()}.values())
