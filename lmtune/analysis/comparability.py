"""Whether the numbers of two variants compare: refused where a difference would mislead."""

from __future__ import annotations

from dataclasses import dataclass

from lmtune.analysis.confirmed import Configuration
from lmtune.records import DatasetFacts
from lmtune.spec.model import RecurrentConfig
from lmtune.spec.sweep import GENERATION_METRICS, Metric, Variant
from lmtune.spec.trial import TrialConfig

MAX_UNKNOWN = 0.001
"""Share of unknown tokens up to which bits per byte is that of the whole text."""


@dataclass(frozen=True)
class Measured:
    """What a variant's numbers were measured on, and how.

    Attributes:
        name: of the variant.
        config: the configuration that speaks for it.
        fingerprint: of the data that its trials read.
        facts: of that data; None where the variant searched its data and took other.
    """

    name: str
    config: TrialConfig
    fingerprint: str
    facts: DatasetFacts | None

    @classmethod
    def of(cls, variant: Variant, answer: Configuration | None, facts: DatasetFacts) -> Measured:
        """What is known of a variant, before or after its trials."""
        config = answer.config if answer else variant.config
        fingerprint = answer.trials[0].spec.data_fingerprint if answer else facts.fingerprint
        is_known = fingerprint == facts.fingerprint
        return cls(variant.name, config, fingerprint, facts if is_known else None)

    @property
    def carries_state(self) -> bool:
        """Whether evaluation sees more context than `context_length`, by keeping a state."""
        model = self.config.model
        return isinstance(model, RecurrentConfig) and model.carry_state

    @property
    def unknown_share(self) -> float:
        """Share of validation tokens that stand for text outside the vocabulary."""
        facts = self.facts
        return facts.unknown_validation_tokens / facts.validation_tokens if facts else 0.0


def why_not_comparable(base: Measured, other: Measured, metric: Metric) -> str | None:
    """Why a variant's numbers do not compare with the base's, as the end of a sentence.

    Losses and accuracies are a token's: they compare on the same tokens alone. Bits per byte
    compare wherever the text is the same, and so do scores of written text.
    """
    if base.fingerprint != other.fingerprint:
        return _different_data(base, other, metric)
    return _different_protocol(base, other, metric)


def _different_data(base: Measured, other: Measured, metric: Metric) -> str | None:
    is_of_text = metric.name == "val_bits_per_byte" or (
        metric.name in GENERATION_METRICS and other.config.dataset.is_pairs
    )
    if not is_of_text:
        return _different_tokens(base, other, metric)
    if not _have_same_text(base, other):
        return f"it was measured on other text, so {metric.name} means something else"
    for each in (base, other):
        if metric.name == "val_bits_per_byte" and each.unknown_share > MAX_UNKNOWN:
            return (
                f"{each.unknown_share:.2%} of the validation tokens of {each.name} stand for text "
                "outside its vocabulary, which bits per byte counts as if it had been predicted"
            )
    return _different_protocol(base, other, metric)


def _different_tokens(base: Measured, other: Measured, metric: Metric) -> str:
    if not _have_same_text(base, other):
        return f"it was measured on other data, where {metric.name} means something else"
    is_same_tokenizer = base.config.dataset.tokenizer == other.config.dataset.tokenizer
    what = "its training text is another" if is_same_tokenizer else "its tokens are others"
    return f"{what}, so {metric.name} means something else; val_bits_per_byte compares them"


def _have_same_text(base: Measured, other: Measured) -> bool:
    if base.facts is None or other.facts is None:
        return False
    text = base.facts.validation_text_sha256
    return text is not None and text == other.facts.validation_text_sha256


def _different_protocol(base: Measured, other: Measured, metric: Metric) -> str | None:
    is_own_question = base.config.model.type == other.config.model.type
    if base.carries_state != other.carries_state and not is_own_question:
        carrying = other.name if other.carries_state else base.name
        return f"{carrying} carries its state, so it predicts from a longer context"
    asked, asked_other = base.config.generation, other.config.generation
    if metric.name in GENERATION_METRICS and asked and asked_other:
        if asked.num_examples != asked_other.num_examples:
            return f"{metric.name} is over other examples"
        if base.config.dataset != other.config.dataset and not base.config.dataset.is_pairs:
            return f"{metric.name} is of other continuations"
    return None
