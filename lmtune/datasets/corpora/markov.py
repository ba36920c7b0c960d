"""A synthetic source whose entropy rate is known, to check the system itself.

The source is a stationary Markov chain over the letters a, b, c, ... Its loss is what a perfect
model would reach on the same text, so that a trained model can be judged without the noise of a
finite sample.
"""

from __future__ import annotations

from bisect import bisect_right
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from lmtune.datasets.corpora import CorpusText, split_positions
from lmtune.errors import DataError, Problem
from lmtune.spec.dataset import MarkovCorpus

_FIRST_LETTER = ord("a")
_MIN_LENGTH = 40
"""Below it a split of five percent has no symbol that could be predicted."""
_STATIONARY_TOLERANCE = 1e-14
_MAX_ITERATIONS = 20_000


class MarkovSource:
    """A Markov chain of some order in its stationary state.

    Args:
        transitions: float64, one axis for each symbol of the context, the oldest first, and a
            last one for the next symbol; sums to 1 over the last.

    Raises:
        ArithmeticError: the chain mixes so slowly that its stationary state was not found.
    """

    def __init__(self, transitions: NDArray[np.float64]) -> None:
        self.transitions = transitions
        self.order = transitions.ndim - 1
        self.num_symbols = transitions.shape[-1]
        self.context_probabilities = _stationary(transitions)
        """Of each context, float64 with `order` axes."""

    @classmethod
    def draw(cls, config: MarkovCorpus, generator: np.random.Generator) -> MarkovSource:
        """Draw each row of the transition table from a symmetric Dirichlet distribution."""
        contexts = (config.symbols,) * config.order
        concentrations = np.full(config.symbols, config.concentration)
        return cls(generator.dirichlet(concentrations, size=contexts))

    @property
    def entropy_rate(self) -> float:
        """Nats per symbol. Source: Cover and Thomas, Elements of Information Theory, eq. 4.27."""
        probabilities = self.transitions
        logs = np.log(probabilities, where=probabilities > 0, out=np.zeros_like(probabilities))
        entropies = -(probabilities * logs).sum(axis=-1)
        return float((self.context_probabilities * entropies).sum())

    def sample(self, length: int, generator: np.random.Generator) -> NDArray[np.int64]:
        """Draw `length` symbols; the context of the first ones is drawn too, and left out."""
        num_contexts = self.num_symbols**self.order
        cumulative = self.transitions.reshape(num_contexts, self.num_symbols).cumsum(axis=1)
        # Ends at 1 exactly, so that a symbol of probability 0 can never be drawn.
        cumulative /= cumulative[:, -1:]
        # Plain Python over a flat table: a step costs less than one call of numpy.
        table = cumulative.ravel().data
        context = int(generator.choice(num_contexts, p=self.context_probabilities.ravel()))
        grams: list[int] = []
        for uniform in generator.random(length).tolist():
            row = context * self.num_symbols
            gram = bisect_right(table, uniform, row, row + self.num_symbols)
            grams.append(gram)
            context = gram % num_contexts
        symbols: NDArray[np.int64] = np.array(grams) % self.num_symbols
        return symbols

    def loss(self, symbols: NDArray[np.int64]) -> float:
        """Mean negative log-likelihood of `symbols[1:]`, nats per symbol.

        Each symbol is given all those before it in `symbols`: the first `order` ones, whose
        context is cut off, by the marginals of the stationary state.
        """
        width = self.order + 1
        joint = self.context_probabilities[..., np.newaxis] * self.transitions
        head = tuple(symbols[:width])
        head_probability = joint.sum(axis=tuple(range(len(head), width)))[head]
        first_probability = joint.sum(axis=tuple(range(1, width)))[symbols[0]]
        log_likelihood = np.log(head_probability / first_probability)
        if len(symbols) > width:
            grams = sliding_window_view(symbols, width)[1:]
            log_likelihood += np.log(self.transitions[tuple(grams.T)]).sum()
        return float(-log_likelihood / (len(symbols) - 1))


def check(config: MarkovCorpus, *, project: Path, where: str) -> list[Problem]:
    """Find a length that leaves nothing to predict in a split."""
    if config.length >= _MIN_LENGTH:
        return []
    what = f"{config.length} symbols are too few for three splits"
    return [Problem(f"{where}.length", what, f"at least {_MIN_LENGTH}", "length: 200000")]


def read(config: MarkovCorpus, *, project: Path, where: str) -> CorpusText:
    """Draw the source, then its text, from two random streams of their own.

    A longer text thus begins with the shorter one.

    Raises:
        DataError: the source is too close to a deterministic one.
    """
    for_source, for_text = map(np.random.default_rng, np.random.SeedSequence(config.seed).spawn(2))
    try:
        source = MarkovSource.draw(config, for_source)
    except ArithmeticError as error:
        what = f"{config.concentration} gives a source that {error}"
        expected = "rows that are not all but deterministic"
        fix = "raise the concentration, or try another seed"
        raise DataError(Problem(f"{where}.concentration", what, expected, fix)) from error
    symbols = source.sample(config.length, for_text)
    train, validation, test = np.split(symbols, split_positions(config.length))
    return CorpusText(
        _letters(train),
        _letters(validation),
        _letters(test),
        entropy_rate=source.entropy_rate,
        source_loss={
            "train": source.loss(train),
            "validation": source.loss(validation),
            "test": source.loss(test),
        },
    )


def _letters(symbols: NDArray[np.int64]) -> str:
    return (symbols + _FIRST_LETTER).astype(np.uint8).tobytes().decode("ascii")


def _stationary(transitions: NDArray[np.float64]) -> NDArray[np.float64]:
    """The distribution of contexts that a step leaves as it is, by power iteration.

    Half of each step stays where it was, so that a chain with a period converges too.
    """
    order, num_symbols = transitions.ndim - 1, transitions.shape[-1]
    contexts: NDArray[np.float64] = np.full((num_symbols,) * order, num_symbols**-order)
    if order == 0:
        return contexts
    for _ in range(_MAX_ITERATIONS):
        following = np.einsum("a...,a...c->...c", contexts, transitions)
        step = (following - contexts) / 2
        contexts = contexts + step
        contexts /= contexts.sum()
        if np.abs(step).sum() < _STATIONARY_TOLERANCE:
            return contexts
    raise ArithmeticError("hardly ever forgets where it began")
