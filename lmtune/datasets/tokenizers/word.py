"""One token a word between white space, and one for the end of each line.

This counts tokens as the word-level benchmarks do: `line.split() + ["<eos>"]`, blank lines
included, words outside the vocabulary as `<unk>`, which texts that were prepared for such a
benchmark spell out. A last line without a line end has no `<eos>`.

Bytes stay exact: a word stands for itself and the white space before it, `<unk>` for the word that
it replaces, `<eos>` for its line end, and the last token of a text for what white space is left.
White space is not given back as it was: decoding puts one space between words.

Source: Mikolov et al. 2010 (Penn Treebank); Merity et al. 2017 (WikiText).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from lmtune.datasets.tokenizers import TokenArray, Tokenizer, token_dtype
from lmtune.spec.dataset import WordTokenizer as WordConfig

UNKNOWN, END_OF_LINE = 0, 1
_UNKNOWN_WORD = "<unk>"
_NUM_SPECIAL = 2
_TOKEN = re.compile(r"[^\S\n]*(?:\n|\S+)")


class WordTokenizer(Tokenizer):
    """A token is the rank of its word, counted from 2.

    Args:
        words: the vocabulary, the most frequent first, each once.
    """

    unknown_token = UNKNOWN
    is_lossless = False

    def __init__(self, words: list[str]) -> None:
        self.words = words

    @property
    def vocab_size(self) -> int:
        """The words, `<unk>` and `<eos>`."""
        return len(self.words) + _NUM_SPECIAL

    @property
    def vocabulary(self) -> JsonValue:
        """The words as a list, without `<unk>` and `<eos>`."""
        return [*self.words]

    def encode(self, text: str) -> TokenArray:
        """Return the token of each word and each line end."""
        return np.fromiter(self._tokens(text), dtype=token_dtype(self.vocab_size))

    def decode(self, tokens: NDArray[np.integer]) -> str:
        """Return words with a space between, and line ends; `<unk>` for what is unknown."""
        pieces: list[str] = []
        separator = ""
        for token in tokens.tolist():
            if token == END_OF_LINE:
                pieces.append("\n")
                separator = ""
            else:
                pieces += [separator, self._word_of_token[token]]
                separator = " "
        return "".join(pieces)

    def first_token_bytes(self, text: str) -> int:
        """Return the size of the first word or line end with the white space before it."""
        first = _TOKEN.match(text)
        is_only = first is None or _TOKEN.match(text, first.end()) is None
        return len((text if first is None or is_only else first[0]).encode("utf-8"))

    def _tokens(self, text: str) -> Iterator[int]:
        number = self._token_of_word.get
        *lines, rest = text.split("\n")
        for line in lines:
            for word in line.split():
                yield number(word, UNKNOWN)
            yield END_OF_LINE
        for word in rest.split():
            yield number(word, UNKNOWN)

    @cached_property
    def _token_of_word(self) -> dict[str, int]:
        return {word: token for token, word in enumerate(self.words, _NUM_SPECIAL)}

    @cached_property
    def _word_of_token(self) -> list[str]:
        return [_UNKNOWN_WORD, "\n", *self.words]


def fit(config: WordConfig, train_text: str) -> WordTokenizer:
    """Take the most frequent words of the training text, equally frequent ones by code points."""
    counts = Counter(train_text.split())
    del counts[_UNKNOWN_WORD]  # it is a token already
    frequent = [word for word, count in counts.items() if count >= config.min_count]
    frequent.sort(key=lambda word: (-counts[word], word))
    return WordTokenizer(frequent[: config.max_vocab_size - _NUM_SPECIAL])


def load(config: WordConfig, vocabulary: JsonValue) -> WordTokenizer:
    """Make a tokenizer from the words that `fit` found."""
    assert isinstance(vocabulary, list)
    return WordTokenizer([str(word) for word in vocabulary])
