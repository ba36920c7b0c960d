"""The synthetic source against independent computations of its truths."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lmtune.datasets.corpora import read_corpus
from lmtune.datasets.corpora.markov import MarkovSource
from lmtune.errors import DataError
from lmtune.spec.dataset import MarkovCorpus

ORDERS = [0, 1, 2, 3]


def source(order: int, symbols: int = 3, seed: int = 0) -> MarkovSource:
    config = MarkovCorpus(type="markov", order=order, symbols=symbols)
    return MarkovSource.draw(config, np.random.default_rng(seed))


def sequence_probability(chain: MarkovSource, symbols: tuple[int, ...]) -> float:
    """The textbook product, summed over every context that may have stood before."""
    total = 0.0
    for context in itertools.product(range(chain.num_symbols), repeat=chain.order):
        probability = float(chain.context_probabilities[context])
        seen = context
        for symbol in symbols:
            probability *= float(chain.transitions[seen][symbol])
            seen = (*seen, symbol)[1:] if chain.order else ()
        total += probability
    return total


@pytest.mark.parametrize("order", ORDERS)
def test_stationary_state_when_a_step_is_taken_stays(order: int) -> None:
    chain = source(order)
    assert chain.context_probabilities.sum() == pytest.approx(1, abs=1e-12)
    for symbols in itertools.product(range(3), repeat=order):
        expected = chain.context_probabilities[symbols]
        assert sequence_probability(chain, symbols) == pytest.approx(float(expected), abs=1e-12)


def test_stationary_state_when_order_is_1_is_the_left_eigenvector() -> None:
    chain = source(1, symbols=8)
    values, vectors = np.linalg.eig(chain.transitions.T)
    vector = vectors[:, np.argmax(values.real)].real
    assert chain.context_probabilities == pytest.approx(vector / vector.sum(), abs=1e-12)


def test_stationary_state_when_the_chain_is_periodic_is_found() -> None:
    chain = MarkovSource(np.array([[0.0, 1.0], [1.0, 0.0]]))
    assert chain.context_probabilities == pytest.approx([0.5, 0.5])
    assert chain.entropy_rate == 0.0


def test_entropy_rate_when_symbols_are_independent_is_their_entropy() -> None:
    chain = MarkovSource(np.array([0.5, 0.25, 0.25, 0.0]))
    assert chain.entropy_rate == pytest.approx(1.5 * np.log(2))


@pytest.mark.parametrize("order", ORDERS)
def test_entropy_rate_when_blocks_grow_is_their_entropy_difference(order: int) -> None:
    chain = source(order, symbols=2)

    def block_entropy(length: int) -> float:
        blocks = itertools.product(range(2), repeat=length)
        return -sum(p * math.log(p) for p in (sequence_probability(chain, b) for b in blocks))

    difference = block_entropy(order + 2) - block_entropy(order + 1)
    assert chain.entropy_rate == pytest.approx(difference, abs=1e-12)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("length", [2, 3, 4, 9])
def test_loss_when_compared_with_the_textbook_product_is_equal(order: int, length: int) -> None:
    chain = source(order)
    symbols = chain.sample(length, np.random.default_rng(1))
    joint = sequence_probability(chain, tuple(symbols.tolist()))
    first = sequence_probability(chain, (int(symbols[0]),))
    expected = -np.log(joint / first) / (length - 1)
    assert chain.loss(symbols) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("order", ORDERS)
def test_sample_when_counted_follows_the_transitions(order: int) -> None:
    chain = source(order)
    symbols = chain.sample(100_000, np.random.default_rng(2))
    counts = gram_counts(symbols, order + 1, chain.num_symbols)
    expected = chain.context_probabilities[..., np.newaxis] * chain.transitions
    assert counts / counts.sum() == pytest.approx(expected, abs=0.01)
    assert chain.loss(symbols) == pytest.approx(chain.entropy_rate, abs=0.01)


def gram_counts(symbols: NDArray[np.int64], width: int, num_symbols: int) -> NDArray[np.float64]:
    grams = [symbols[start : len(symbols) - width + 1 + start] for start in range(width)]
    counts = np.zeros((num_symbols,) * width)
    np.add.at(counts, tuple(grams), 1)
    return counts


def test_sample_when_a_symbol_has_probability_0_never_draws_it() -> None:
    chain = MarkovSource(np.array([0.1, 0.0, 0.2, 0.7, 0.0]))
    assert set(chain.sample(10_000, np.random.default_rng(3)).tolist()) == {0, 2, 3}


def test_corpus_when_longer_begins_with_the_shorter_one() -> None:
    texts = []
    for length in (1000, 2000):
        config = MarkovCorpus(type="markov", length=length)
        corpus = read_corpus(config, project=Path(), where="")
        texts.append("".join(corpus.splits.values()))
    assert texts[1].startswith(texts[0])
    assert set(texts[0]) <= set("abcdefgh")


def test_corpus_when_seeds_differ_differs() -> None:
    first, second = (
        read_corpus(MarkovCorpus(type="markov", seed=seed), project=Path(), where="")
        for seed in (0, 1)
    )
    assert first.entropy_rate != second.entropy_rate
    assert first.train[:100] != second.train[:100]


def test_corpus_when_read_knows_the_loss_of_its_source() -> None:
    corpus = read_corpus(MarkovCorpus(type="markov"), project=Path(), where="")
    assert corpus.entropy_rate is not None
    for name, text in corpus.splits.items():
        # Five standard errors of a mean over correlated symbols, with room to spare.
        assert corpus.source_loss[name] == pytest.approx(
            corpus.entropy_rate, abs=5 * 2 / len(text) ** 0.5
        )


def test_corpus_when_too_short_says_so() -> None:
    with pytest.raises(DataError) as caught:
        read_corpus(MarkovCorpus(type="markov", length=39), project=Path(), where="corpus")
    assert str(caught.value) == (
        "corpus.length: 39 symbols are too few for three splits\n"
        "  Expected: at least 40\n"
        "  Fix: length: 200000"
    )


def test_corpus_when_all_but_deterministic_says_so() -> None:
    config = MarkovCorpus(type="markov", symbols=2, order=2, concentration=0.1, seed=0)
    with pytest.raises(DataError) as caught:
        read_corpus(config, project=Path(), where="corpus")
    assert str(caught.value) == (
        "corpus.concentration: 0.1 gives a source that hardly ever forgets where it began\n"
        "  Expected: rows that are not all but deterministic\n"
        "  Fix: raise the concentration, or try another seed"
    )
