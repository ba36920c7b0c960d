"""Words, counted as the word-level benchmarks count them."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmtune.datasets.tokenizers.word import END_OF_LINE, UNKNOWN, WordTokenizer, fit
from lmtune.spec.dataset import WordTokenizer as WordConfig

TEXTS = st.text(st.sampled_from("ab\u00e9 \t\n\r\u00a0\u2028"), max_size=40)


def fitted(text: str, min_count: int = 1, max_vocab_size: int = 50_000) -> WordTokenizer:
    config = WordConfig(type="word", min_count=min_count, max_vocab_size=max_vocab_size)
    return fit(config, text)


@given(TEXTS)
def test_tokens_when_counted_are_those_of_the_benchmarks(text: str) -> None:
    lines = text.split("\n")
    words = [word for line in lines[:-1] for word in [*line.split(), "<eos>"]] + lines[-1].split()
    tokenizer = fitted(text)
    names = ["<unk>", "<eos>", *tokenizer.words]
    assert [names[token] for token in tokenizer.encode(text)] == words


def test_tokens_when_lines_are_blank_are_line_ends() -> None:
    tokenizer = fitted("a b")
    assert tokenizer.encode(" \n = a =\n\n").tolist() == [1, 0, 2, 0, 1, 1]


def test_vocabulary_when_fitted_has_the_most_frequent_words_first() -> None:
    text = "c b a b c\nd d d <unk> <unk> <unk> <unk> e"
    assert fitted(text).vocabulary == ["d", "b", "c", "a", "e"]
    assert fitted(text).vocab_size == 7
    assert fitted(text, min_count=2).vocabulary == ["d", "b", "c"]
    assert fitted(text, max_vocab_size=4).vocabulary == ["d", "b"]
    assert fitted(text, max_vocab_size=4).vocab_size == 4


def test_vocabulary_when_the_text_is_shuffled_is_the_same() -> None:
    words = [f"w{number}" for number in range(50)] * 3
    shuffled = random.Random(0).sample(words, len(words))
    assert fitted(" ".join(shuffled)).vocabulary == fitted(" ".join(words)).vocabulary


def test_unknown_word_when_encoded_is_what_the_benchmarks_spell_out() -> None:
    tokenizer = fitted("a a <unk> b", min_count=2)
    tokens = tokenizer.encode("a b <unk> new\n")
    assert tokens.tolist() == [2, UNKNOWN, UNKNOWN, UNKNOWN, END_OF_LINE]
    assert tokenizer.decode(tokens) == "a <unk> <unk> <unk>\n"


@given(TEXTS)
def test_text_when_decoded_has_single_spaces_and_its_own_lines(text: str) -> None:
    tokenizer = fitted(text)
    expected = "\n".join(" ".join(line.split()) for line in text.split("\n"))
    assert tokenizer.decode(tokenizer.encode(text)) == expected


@settings(max_examples=200)
@given(TEXTS.filter(bool))
def test_bytes_when_tokens_are_taken_off_one_by_one_sum_up_to_the_text(text: str) -> None:
    tokenizer = fitted("a\n")
    rest, expected = text.encode(), tokenizer.encode(text).tolist()
    for number in range(len(expected)):
        size = tokenizer.first_token_bytes(rest.decode())
        assert size >= 1
        rest = rest[size:]
        assert tokenizer.encode(rest.decode()).tolist() == expected[number + 1 :]
    if expected:
        assert rest == b"", "the last token stands for the white space after it"


@pytest.mark.parametrize(
    ("text", "size"),
    [("ab c", 2), ("  ab c", 4), (" \nab", 2), ("\u00e9 a", 2), ("ab ", 3), ("ab \n", 2), (" ", 1)],
)
def test_first_token_when_asked_for_has_the_white_space_before_it(text: str, size: int) -> None:
    assert fitted("").first_token_bytes(text) == size
