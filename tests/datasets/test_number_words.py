"""Numbers in words, checked by a reader that knows nothing of how they were written."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmtune.datasets.corpora import check_corpus, number_words
from lmtune.datasets.pair_texts import PairTexts, read_pair_texts
from lmtune.spec.dataset import NumberWordsPairs

VALUES = {
    word: value
    for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "  # noqa: SIM905
        "fifteen sixteen seventeen eighteen nineteen".split()
    )
} | {
    "twenty": 20,
    "thirty": 30,
    "forty": 40,
    "fifty": 50,
    "sixty": 60,
    "seventy": 70,
    "eighty": 80,
    "ninety": 90,
}
ANY_NUMBER = st.one_of(
    *(st.integers(10**digits // 10, 10**digits - 1) for digits in range(1, 10)),
    st.builds(lambda head, size: head * size, st.integers(1, 999), st.sampled_from([1000, 10**6])),
)


def read_words(words: str) -> int:
    """Add up what the words say, whatever stands where."""
    total = group = 0
    for word in re.split("[ -]", words):
        if word == "hundred":
            group *= 100
        elif word in ("thousand", "million"):
            total += group * {"thousand": 10**3, "million": 10**6}[word]
            group = 0
        elif word != "and":
            group += VALUES[word]
    return total + group


def pairs_of(**fields: object) -> PairTexts:
    config = NumberWordsPairs.model_validate({"type": "number_words", **fields})
    return read_pair_texts(config, {}, project=Path(), where="")


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero"),
        (13, "thirteen"),
        (20, "twenty"),
        (45, "forty-five"),
        (100, "one hundred"),
        (305, "three hundred and five"),
        (1000, "one thousand"),
        (1001, "one thousand and one"),
        (1100, "one thousand one hundred"),
        (12_345, "twelve thousand three hundred and forty-five"),
        (100_000, "one hundred thousand"),
        (205_300, "two hundred and five thousand three hundred"),
        (1_000_000, "one million"),
        (1_000_005, "one million and five"),
        (1_002_000, "one million two thousand"),
        (
            999_999_999,
            (
                "nine hundred and ninety-nine million nine hundred and ninety-nine thousand "
                "nine hundred and ninety-nine"
            ),
        ),
    ],
)
def test_words_when_written_are_as_the_british_say_them(number: int, words: str) -> None:
    assert number_words.number_words(number) == words


@given(ANY_NUMBER)
def test_words_when_read_by_someone_else_give_the_number(number: int) -> None:
    words = number_words.number_words(number)
    assert read_words(words) == number
    assert re.fullmatch("[a-z]+([ -][a-z]+)*", words)


def test_words_when_all_below_ten_thousand_are_read_give_the_numbers() -> None:
    assert [read_words(number_words.number_words(n)) for n in range(10_000)] == [*range(10_000)]


def test_pairs_when_drawn_are_true_distinct_and_split_90_5_5() -> None:
    texts = pairs_of()
    assert {name: len(pairs) for name, pairs in texts.splits.items()} == {
        "train": 18_000,
        "validation": 1_000,
        "test": 1_000,
    }
    pairs = [
        pair
        for split in texts.splits.values()
        for pair in zip(split.sources, split.targets, strict=True)
    ]
    assert all(str(read_words(source)) == target for source, target in pairs)
    numbers = {int(target) for _, target in pairs}
    assert len(numbers) == 20_000, "a number of one split stands in another, too"
    assert max(numbers) <= 999_999


def test_pairs_when_drawn_have_many_short_numbers_and_every_word_in_train() -> None:
    texts = pairs_of()
    digits = Counter(map(len, texts.train.targets))
    assert digits[1] + digits[2] + digits[3] > 850
    assert digits[4] == pytest.approx(5_700, abs=150)
    assert digits[5] == pytest.approx(digits[6], abs=300)
    known = {word for source in texts.train.sources for word in re.split("[ -]", source)}
    assert known >= set(VALUES)
    assert {*map(str, [*range(21), 30, 40, 50, 60, 70, 80, 90])} <= {*texts.train.targets}


def test_pairs_when_the_direction_is_turned_are_turned() -> None:
    there, back = pairs_of(num_pairs=200), pairs_of(num_pairs=200, direction="to_words")
    assert there.train.sources == back.train.targets
    assert there.train.targets == back.train.sources


def test_pairs_when_the_seed_is_the_same_are_the_same() -> None:
    assert pairs_of(num_pairs=500) == pairs_of(num_pairs=500)
    assert pairs_of(num_pairs=500) != pairs_of(num_pairs=500, seed=1)


def test_pairs_when_all_numbers_are_asked_for_have_each_once() -> None:
    texts = pairs_of(max_number=999, num_pairs=1000)
    targets = [int(target) for split in texts.splits.values() for target in split.targets]
    assert sorted(targets) == [*range(1000)]


def test_pairs_when_numbers_are_large_reach_them() -> None:
    texts = pairs_of(max_number=999_999_999, num_pairs=1000)
    assert max(map(int, texts.train.targets)) > 100_000_000


def test_pairs_when_more_than_numbers_say_so() -> None:
    config = NumberWordsPairs.model_validate({"type": "number_words", "max_number": 999})
    (problem,) = check_corpus(config, project=Path(), where="f:1: dataset.corpus")
    assert str(problem) == (
        "f:1: dataset.corpus.num_pairs: 20000 distinct numbers do not exist up to 999\n"
        "  Expected: num_pairs at most 1000\n"
        "  Fix: num_pairs: 1000"
    )
