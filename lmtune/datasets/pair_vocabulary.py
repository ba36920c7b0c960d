"""The token numbers of pairs.

The targets' text tokens come first, so that what a model can predict is the beginning of the
vocabulary: text tokens 0 to t - 1, then the token t that ends a target. The token t + 1 stands
between source and target and is never predicted. Sources use the targets' text tokens, or have
their own from t + 2 on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from lmtune.datasets.pair_texts import TextPairs
from lmtune.datasets.tokenizers import (
    TokenArray,
    Tokenizer,
    fit_tokenizer,
    load_tokenizer,
    token_dtype,
)
from lmtune.spec.dataset import TokenizerConfig


@dataclass(frozen=True, eq=False)
class PairVocabulary:
    """The tokenizers of sources and targets, and how their tokens are numbered.

    Attributes:
        source: the tokenizer of sources; the very object `target` where they share a vocabulary.
        target: the tokenizer of targets.
    """

    source: Tokenizer
    target: Tokenizer

    @property
    def is_shared(self) -> bool:
        """Whether sources and targets have the same text tokens."""
        return self.source is self.target

    @property
    def end_token(self) -> int:
        """What a target ends with."""
        return self.target.vocab_size

    @property
    def start_token(self) -> int:
        """What stands between source and target."""
        return self.target.vocab_size + 1

    @property
    def num_outputs(self) -> int:
        """How many tokens can be predicted: the targets' text tokens and their end."""
        return self.target.vocab_size + 1

    @property
    def vocab_size(self) -> int:
        """How many tokens can be read."""
        return self.start_token + 1 + (0 if self.is_shared else self.source.vocab_size)

    @property
    def dtype(self) -> np.dtype[np.unsignedinteger]:
        """The type of all token arrays."""
        return token_dtype(self.vocab_size)

    @property
    def saved(self) -> list[JsonValue]:
        """What `load_vocabulary` makes the tokenizers from: one shared, or source and target."""
        tokenizers = [self.target] if self.is_shared else [self.source, self.target]
        return [tokenizer.vocabulary for tokenizer in tokenizers]

    def encode_source(self, text: str) -> TokenArray:
        """Return the tokens of a source."""
        tokens = self.source.encode(text).astype(self.dtype)
        tokens += self.dtype.type(self._source_offset)
        return tokens

    def encode_target(self, text: str) -> TokenArray:
        """Return the tokens of a target, without its end."""
        return self.target.encode(text).astype(self.dtype)

    def decode_target(self, tokens: NDArray[np.integer] | Sequence[int]) -> str:
        """Return the text of a target's tokens up to its end, if that is among them."""
        given = np.asarray(tokens, dtype=np.int64)
        ends = np.flatnonzero(given >= self.end_token)
        return self.target.decode(given[: ends[0]] if len(ends) else given)

    def count_unknown(self, sources: Iterable[TokenArray], targets: Iterable[TokenArray]) -> int:
        """How many tokens stand for text outside the vocabulary."""
        unknown_source, unknown_target = self.source.unknown_token, self.target.unknown_token
        count = 0
        if unknown_source is not None:
            count += _count(sources, unknown_source + self._source_offset)
        if unknown_target is not None:
            count += _count(targets, unknown_target)
        return count

    @property
    def _source_offset(self) -> int:
        return 0 if self.is_shared else self.start_token + 1


def fit_vocabulary(config: TokenizerConfig, train: TextPairs, *, separate: bool) -> PairVocabulary:
    """Learn the vocabulary of training pairs, or those of their sources and of their targets."""
    if separate:
        source, target = (_fit(config, side) for side in (train.sources, train.targets))
        return PairVocabulary(source, target)
    shared = _fit(config, chain(train.sources, train.targets))
    return PairVocabulary(shared, shared)


def load_vocabulary(config: TokenizerConfig, saved: list[JsonValue]) -> PairVocabulary:
    """Make a vocabulary again from what it says of itself in `saved`."""
    tokenizers = [load_tokenizer(config, vocabulary) for vocabulary in saved]
    return PairVocabulary(tokenizers[0], tokenizers[-1])


def _fit(config: TokenizerConfig, texts: Iterable[str]) -> Tokenizer:
    # Apart from each other, so that no word or merge reaches over the end of a text.
    return fit_tokenizer(config, "\n".join(texts))


def _count(rows: Iterable[TokenArray], token: int) -> int:
    return sum(int(np.count_nonzero(row == token)) for row in rows)
