"""What two splits share, against the plain definition."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmtune.datasets import leakage as leakage_module
from lmtune.datasets.corpora import CorpusText
from lmtune.datasets.leakage import (
    MIN_CHANGES,
    WINDOW_CHARS,
    leakage,
    refuse_identical_splits,
)
from lmtune.errors import DataError


def windows(text: str) -> list[str]:
    each = [text[start : start + WINDOW_CHARS] for start in range(len(text) - WINDOW_CHARS + 1)]
    return [window for window in each if sum(a != b for a, b in pairwise(window)) >= MIN_CHANGES]


def share(train: str, other: str) -> float:
    known = set(windows(train))
    found = [window in known for window in windows(other)]
    return sum(found) / len(found) if found else 0.0


@st.composite
def related_texts(draw: st.DrawFn) -> tuple[str, str]:
    """Texts made of the same few passages, so that some windows meet and some do not."""
    generator = random.Random(draw(st.integers(0, 2**32)))
    passages = ["".join(generator.choices("ab\u20ac\U0001f415", k=70)) for _ in range(4)]
    picks = st.lists(st.sampled_from(passages) | st.just("ab" * 10) | st.just("-" * 60), max_size=6)
    return "".join(draw(picks)), "".join(draw(picks))


@settings(max_examples=40)
@given(related_texts(), st.integers(1, 200))
def test_leakage_when_compared_with_sets_of_windows_is_equal(
    texts: tuple[str, str], piece_chars: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(leakage_module, "_PIECE_CHARS", piece_chars)
        assert leakage(CorpusText(*texts, None)) == {"validation": share(*texts)}


def test_leakage_when_a_passage_is_copied_is_its_share_of_windows() -> None:
    generator = random.Random(0)
    train = "".join(generator.choices("abcdefgh", k=100_000))
    own = "".join(generator.choices("abcdefgh", k=10_000))
    copied = own[:5000] + train[70_000:71_000] + own[5000:]
    shares = leakage(CorpusText(train, own, copied))
    assert shares == {"validation": 0.0, "test": (1000 - WINDOW_CHARS + 1) / (11_000 - 49)}


@pytest.mark.parametrize("length", [0, 1, WINDOW_CHARS - 1])
def test_leakage_when_a_split_is_shorter_than_a_window_is_0(length: int) -> None:
    text = "ab" * 100
    assert leakage(CorpusText(text, text[:length], None)) == {"validation": 0.0}
    assert leakage(CorpusText(text[:length], text, None)) == {"validation": 0.0}


def test_leakage_when_a_split_has_rules_and_blanks_does_not_count_them() -> None:
    own, rule = "".join(map(chr, range(0x4E00, 0x4E64))), "-" * 500 + " " * 500
    assert leakage(CorpusText(rule, own + rule, rule)) == {"validation": 0.0, "test": 0.0}


def test_leakage_when_a_split_is_one_window_of_training_is_1() -> None:
    text = "".join(map(chr, range(200)))
    assert leakage(CorpusText(text, text[90 : 90 + WINDOW_CHARS], None)) == {"validation": 1.0}


def test_splits_when_they_are_the_same_text_are_refused() -> None:
    with pytest.raises(DataError) as caught:
        refuse_identical_splits(CorpusText("a", "b", "a"), "f:3: base.dataset.corpus")
    assert str(caught.value) == (
        "f:3: base.dataset.corpus: the test split is the same text as the train split\n"
        "  Expected: a text of its own for each split\n"
        "  Fix: name another text, or leave test out"
    )
    refuse_identical_splits(CorpusText("a", "b", None), "")
