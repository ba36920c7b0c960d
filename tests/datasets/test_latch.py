"""Sequences whose first letter is to be recalled."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from lmtune.datasets.corpora import check_corpus
from lmtune.datasets.pair_texts import PairTexts, read_pair_texts
from lmtune.spec.dataset import LatchPairs


def config_of(**fields: object) -> LatchPairs:
    return LatchPairs.model_validate({"type": "latch", **fields})


def pairs_of(**fields: object) -> PairTexts:
    return read_pair_texts(config_of(**fields), {}, project=Path(), where="")


@pytest.mark.parametrize(("symbols", "noise_length"), [(10, 20), (2, 200), (26, 1)])
def test_targets_are_the_first_letters_of_distinct_sequences(
    symbols: int, noise_length: int
) -> None:
    texts = pairs_of(symbols=symbols, noise_length=noise_length, num_pairs=600)
    sources = [source for split in texts.splits.values() for source in split.sources]
    targets = [target for split in texts.splits.values() for target in split.targets]
    assert len(sources) == len(set(sources)) == 600
    for source, target in zip(sources, targets, strict=True):
        letters = source.split(" ")
        assert letters[0] == target
        assert len(letters) == 1 + noise_length
        assert all(len(letter) == 1 and letter < chr(ord("a") + symbols) for letter in letters)


def test_targets_are_spread_evenly_and_noise_says_nothing_of_them() -> None:
    texts = pairs_of()
    assert [len(split) for split in texts.splits.values()] == [18_000, 1_000, 1_000]
    firsts = Counter(texts.train.targets)
    assert len(firsts) == 10
    assert all(count == pytest.approx(1_800, rel=0.1) for count in firsts.values())
    for position in (2, 20, 40):  # letters stand at even places
        same = sum(
            source[position] == target
            for source, target in zip(texts.train.sources, texts.train.targets, strict=True)
        )
        assert same == pytest.approx(1_800, rel=0.1)


def test_sequences_when_the_seed_is_the_same_are_the_same() -> None:
    assert pairs_of(num_pairs=200) == pairs_of(num_pairs=200)
    assert pairs_of(num_pairs=200) != pairs_of(num_pairs=200, seed=1)


def test_sequences_when_there_are_too_few_say_so() -> None:
    config = config_of(symbols=2, noise_length=5, num_pairs=100)
    (problem,) = check_corpus(config, project=Path(), where="f:1: dataset.corpus")
    assert str(problem) == (
        "f:1: dataset.corpus.num_pairs: 100 distinct sequences of 6 out of 2 symbols do not exist\n"
        "  Expected: num_pairs at most 64, or more symbols or a greater noise_length\n"
        "  Fix: raise noise_length"
    )
