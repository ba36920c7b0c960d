"""Pairs of texts to pairs of token arrays, those left out that a model could not read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lmtune.datasets.pair_texts import TextPairs
from lmtune.datasets.pair_vocabulary import PairVocabulary
from lmtune.datasets.progress import tell
from lmtune.datasets.tokenizers import TokenArray
from lmtune.errors import DataError, Problem
from lmtune.spec.dataset import DatasetConfig

_PAIRS_PER_REPORT = 1000


@dataclass(frozen=True)
class EncodedPairs:
    """The pairs of a split that fit into a context, as texts and as tokens.

    Attributes:
        lengths: of all pairs, those that do not fit among them: tokens of source and target, and
            the one between them.
    """

    texts: TextPairs
    sources: list[TokenArray]
    targets: list[TokenArray]
    lengths: list[int]

    @property
    def left_out(self) -> int:
        """How many pairs do not fit."""
        return len(self.lengths) - len(self.sources)


def encode_pairs(
    pairs: TextPairs, vocabulary: PairVocabulary, context_length: int, split: str
) -> EncodedPairs:
    """Tokenize the pairs of a split, and keep those that fit into `context_length`.

    Args:
        pairs: of the split.
        vocabulary: numbers the tokens.
        context_length: for source and target and the token between them.
        split: its name, to say how far the work has come.
    """
    kept: list[tuple[str, str]] = []
    sources: list[TokenArray] = []
    targets: list[TokenArray] = []
    lengths: list[int] = []
    for number, pair in enumerate(zip(pairs.sources, pairs.targets, strict=True)):
        if number % _PAIRS_PER_REPORT == 0:
            tell(f"tokenizing the {split} pairs", number, len(pairs))
        source, target = vocabulary.encode_source(pair[0]), vocabulary.encode_target(pair[1])
        lengths.append(len(source) + 1 + len(target))
        if lengths[-1] <= context_length:
            kept.append(pair)
            sources.append(source)
            targets.append(target)
    tell(f"tokenizing the {split} pairs", len(pairs), len(pairs))
    texts = TextPairs([source for source, _ in kept], [target for _, target in kept])
    return EncodedPairs(texts, sources, targets, lengths)


def refuse_empty(splits: Mapping[str, EncodedPairs], config: DatasetConfig, where: str) -> None:
    """Raise DataError where a split has no pairs, or none that fits.

    Args:
        splits: all of a dataset, by name.
        config: the `dataset` section.
        where: its place in the sweep file, for the messages.
    """
    problems = [
        _empty_problem(name, pairs, config, where)
        for name, pairs in splits.items()
        if not pairs.sources
    ]
    if problems:
        raise DataError(problems)


def source_leakage(splits: Mapping[str, EncodedPairs]) -> dict[str, float]:
    """Return the share of a split's sources that training has too, training left out."""
    known = set(splits["train"].texts.sources)
    return {
        name: sum(source in known for source in pairs.texts.sources) / len(pairs.texts)
        for name, pairs in splits.items()
        if name != "train"
    }


def _empty_problem(name: str, pairs: EncodedPairs, config: DatasetConfig, where: str) -> Problem:
    if not pairs.lengths:
        what = f"the {name} split of {config.corpus.type} has no pairs"
        return Problem(f"{where}.corpus", what, fix="use a corpus with more pairs")
    shortest, longest = _even(min(pairs.lengths)), _even(max(pairs.lengths))
    return Problem(
        f"{where}.context_length",
        f"no pair of the {name} split fits into {config.context_length} tokens: the shortest "
        f"takes {min(pairs.lengths)}, the longest {max(pairs.lengths)}",
        f"at least {shortest}, for source and target and the token between them",
        f"context_length: {longest}, or fewer tokens by another tokenizer",
    )


def _even(length: int) -> int:
    return length + length % 2
