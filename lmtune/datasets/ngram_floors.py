"""What counting alone reaches on a text: the losses that a language model has to beat.

Interpolated n-gram models with Witten-Bell smoothing, learned from the training split, score the
tokens of the validation split that models are scored on. A model that does not reach the bigram
has not learned to look back; one that leaves the 5-gram far behind may have seen the text before.
"""

from __future__ import annotations

import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from lmtune.datasets.dataset import Dataset
from lmtune.datasets.progress import tell
from lmtune.datasets.tokenizers import TokenArray
from lmtune.spec.config import Config, FiniteFloat

FLOORS = {"unigram": 1, "bigram": 2, "5-gram": 5}
"""The order of each model by its name."""
_ORDER = max(FLOORS.values())
_FORMAT = 1
"""Raised when the same dataset no longer gives the same numbers."""
_MAX_TABLE = 1 << 25
"""Cells of a table of counts: a quarter of a gigabyte."""

Numbers = NDArray[np.int64]


class _Kept(Config):
    """What the dataset's folder keeps."""

    format: int
    floors: dict[str, FiniteFloat]


def ngram_floors(dataset: Dataset) -> dict[str, float]:
    """Return the loss of each n-gram model on the validation split, nats per token.

    Computed once for a dataset and kept in its folder. The split's first token is not scored, and
    contexts are those of the split itself: near its beginning they are shorter.
    """
    path = dataset.folder / "ngram_floors.json"
    floors = _read(path)
    if floors is None:
        floors = count_floors(
            dataset.train.tokens, dataset.validation.tokens, vocab_size=dataset.vocab_size
        )
        with suppress(OSError):  # a folder that cannot be written costs time and nothing else
            _write(path, floors)
    return floors


def count_floors(train: TokenArray, validation: TokenArray, *, vocab_size: int) -> dict[str, float]:
    """Return the mean negative log-likelihood of `validation[1:]` under each n-gram model.

    P(w|h) = (c(hw) + t(h) P(w|h')) / (c(h) + t(h)), where c counts in `train`, t(h) is how many
    different tokens follow h there, and h' is h without its oldest token; P(w|h') itself where
    nothing follows h. The unigram is interpolated with the uniform distribution.

    Source: Witten and Bell 1991, method C; interpolated as in Chen and Goodman 1999, section 2.4.
    """
    tokens, scored = train.astype(np.int64), validation.astype(np.int64)
    probabilities = np.full(len(scored), 1 / vocab_size)
    # Number of what stands before each token; -1 for what training has not, or has not in full.
    contexts = np.zeros(len(tokens), np.int64)
    scored_contexts = np.zeros(len(scored), np.int64)
    num_contexts = 1
    losses = {}
    for order in range(1, _ORDER + 1):
        tell("counting n-grams", order - 1, _ORDER)
        grams = _Grams.count(contexts, tokens, num_contexts, vocab_size, is_numbered=order < _ORDER)
        found = grams.find(scored_contexts, scored)
        _interpolate(probabilities, grams, found, scored_contexts, num_contexts)
        losses[order] = float(-np.log(probabilities[1:]).mean())
        if grams.numbers is None:
            break
        # A gram is the context of the token after it.
        contexts, tokens = grams.numbers[:-1], tokens[1:]
        scored_contexts = np.concatenate([[-1], found[:-1]])
        num_contexts = len(grams.keys)
    tell("counting n-grams", _ORDER, _ORDER)
    return {name: losses[order] for name, order in FLOORS.items()}


@dataclass(frozen=True, eq=False)
class _Grams:
    """The n-grams of one order in the training text.

    Attributes:
        vocab_size: of the tokens.
        keys: of each different gram, ascending: its context's number times `vocab_size`, plus its
            last token.
        counts: of each different gram.
        numbers: of the gram that ends at each token, its place in `keys`; None where nobody asked.
    """

    vocab_size: int
    keys: Numbers
    counts: Numbers
    numbers: Numbers | None

    @classmethod
    def count(
        cls,
        contexts: Numbers,
        tokens: Numbers,
        num_contexts: int,
        vocab_size: int,
        *,
        is_numbered: bool,
    ) -> _Grams:
        """Count the grams of contexts and the tokens after them."""
        keys = contexts * vocab_size + tokens
        num_possible = num_contexts * vocab_size
        if num_possible <= min(_MAX_TABLE, 4 * len(keys) + (1 << 16)):
            # A table of all that is possible: faster than sorting, where it is not too large.
            table = np.bincount(keys, minlength=num_possible)
            different = np.flatnonzero(table)
            counts = table[different]
            table[different] = np.arange(len(different))
            return cls(vocab_size, different, counts, table[keys] if is_numbered else None)
        if not is_numbered:  # which makes sorting much faster
            different, counts = np.unique(keys, return_counts=True)
            return cls(vocab_size, different, counts, None)
        different, numbers, counts = np.unique(keys, return_inverse=True, return_counts=True)
        return cls(vocab_size, different, counts, numbers)

    def find(self, contexts: Numbers, tokens: Numbers) -> Numbers:
        """The places of some grams in `keys`; -1 for one that is not there."""
        if not len(self.keys):
            return np.full(len(tokens), -1)
        keys = contexts * self.vocab_size + tokens
        places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where((contexts >= 0) & (self.keys[places] == keys), places, -1)


def _interpolate(
    probabilities: NDArray[np.float64],
    grams: _Grams,
    found: Numbers,
    contexts: Numbers,
    num_contexts: int,
) -> None:
    """Go from the probabilities of one order to those of the next, in place.

    Args:
        probabilities: of each scored token, given a context shorter by a token.
        grams: of the next order.
        found: place in `grams` of the gram that ends at each scored token, or -1.
        contexts: number of the context of each scored token, or -1.
        num_contexts: how many there are.
    """
    context_of_gram = grams.keys // grams.vocab_size
    num_types = np.bincount(context_of_gram, minlength=num_contexts)
    totals = np.bincount(context_of_gram, weights=grams.counts, minlength=num_contexts)
    positions = np.flatnonzero(contexts >= 0)
    # The training text may end with a context that nothing follows.
    positions = positions[num_types[contexts[positions]] > 0]
    before, places = contexts[positions], found[positions]
    counts = np.where(places >= 0, grams.counts[places], 0)
    backed_off = num_types[before] * probabilities[positions]
    probabilities[positions] = (counts + backed_off) / (totals[before] + num_types[before])


def _read(path: Path) -> dict[str, float] | None:
    """What was kept, unless it is missing, torn or of another version."""
    try:
        kept = _Kept.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
    return kept.floors if kept.format == _FORMAT else None


def _write(path: Path, floors: dict[str, float]) -> None:
    """Keep the numbers, whole or not at all."""
    aside = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
    aside.write_text(_Kept(format=_FORMAT, floors=floors).model_dump_json(), encoding="utf-8")
    aside.replace(path)
