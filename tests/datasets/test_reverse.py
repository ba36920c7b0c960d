"""Sequences to be reversed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lmtune.datasets.corpora import check_corpus
from lmtune.datasets.pair_texts import PairTexts, read_pair_texts
from lmtune.spec.dataset import ReversePairs


def config_of(**fields: object) -> ReversePairs:
    return ReversePairs.model_validate({"type": "reverse", **fields})


def pairs_of(**fields: object) -> PairTexts:
    return read_pair_texts(config_of(**fields), {}, project=Path(), where="")


@settings(max_examples=30)
@given(st.integers(2, 26), st.integers(1, 70), st.integers(100, 200), st.integers(0, 5))
def test_sequences_when_drawn_are_distinct_and_reversed(
    symbols: int, max_length: int, num_pairs: int, seed: int
) -> None:
    assume(sum(symbols**length for length in range(1, max_length + 1)) >= num_pairs)
    texts = pairs_of(symbols=symbols, max_length=max_length, num_pairs=num_pairs, seed=seed)
    sources = [source for split in texts.splits.values() for source in split.sources]
    targets = [target for split in texts.splits.values() for target in split.targets]
    assert len(sources) == len(set(sources)) == num_pairs
    for source, target in zip(sources, targets, strict=True):
        letters = source.split(" ")
        assert target.split(" ") == letters[::-1]
        assert 1 <= len(letters) <= max_length
        assert all(len(letter) == 1 and letter < chr(ord("a") + symbols) for letter in letters)


def test_sequences_when_drawn_have_every_length_and_letter_alike() -> None:
    texts = pairs_of()
    assert [len(split) for split in texts.splits.values()] == [18_000, 1_000, 1_000]
    lengths = Counter(len(source.split()) for source in texts.train.sources)
    assert lengths[1] <= 20
    assert all(lengths[length] == pytest.approx(2_200, rel=0.1) for length in range(3, 11))
    letters = Counter("".join(texts.train.sources).replace(" ", ""))
    assert len(letters) == 20
    assert max(letters.values()) < 1.1 * min(letters.values())


def test_sequences_when_the_seed_is_the_same_are_the_same() -> None:
    assert pairs_of(num_pairs=200) == pairs_of(num_pairs=200)
    assert pairs_of(num_pairs=200) != pairs_of(num_pairs=200, seed=1)


def test_sequences_when_there_are_too_few_say_so() -> None:
    config = config_of(symbols=2, max_length=5, num_pairs=100)
    (problem,) = check_corpus(config, project=Path(), where="f:1: dataset.corpus")
    assert str(problem) == (
        "f:1: dataset.corpus.num_pairs: 100 distinct sequences of up to 5 out of 2 symbols do not "
        "exist\n"
        "  Expected: num_pairs at most 62, or more symbols or a greater max_length\n"
        "  Fix: raise max_length"
    )
