"""One token a character (Unicode code point) of the training text; all others share token 0.

The unknown token is there even where nothing is unknown, so that the vocabulary follows from the
training text alone.
"""

from __future__ import annotations

import sys
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from lmtune.datasets.tokenizers import TokenArray, Tokenizer, token_dtype
from lmtune.spec.dataset import CharTokenizer as CharConfig

_REPLACEMENT = "\ufffd"
_PIECE_CHARS = 1 << 22
"""Encoded at once, so that a long text does not stand in memory a second time as UTF-32."""


class CharTokenizer(Tokenizer):
    """A token is the rank of its character, counted from 1.

    Args:
        characters: the vocabulary, in the order of code points, each once.
    """

    unknown_token = 0

    def __init__(self, characters: str) -> None:
        self.characters = characters

    @property
    def vocab_size(self) -> int:
        """The characters and the unknown token."""
        return len(self.characters) + 1

    @property
    def vocabulary(self) -> JsonValue:
        """The characters as one string."""
        return self.characters

    def encode(self, text: str) -> TokenArray:
        """Return the token of each character; unknown ones become token 0."""
        tokens = np.empty(len(text), dtype=self._token_of_code.dtype)
        for start in range(0, len(text), _PIECE_CHARS):
            piece = text[start : start + _PIECE_CHARS]
            tokens[start : start + len(piece)] = self._token_of_code[_codes(piece)]
        return tokens

    def decode(self, tokens: NDArray[np.integer]) -> str:
        """Return the text of `tokens`; U+FFFD stands for the unknown token."""
        code_of_token = _codes(_REPLACEMENT + self.characters)
        codes: NDArray[np.uint32] = code_of_token[tokens]
        return codes.tobytes().decode("utf-32-le")

    def first_token_bytes(self, text: str) -> int:
        """Return the size of the first character, known or not."""
        return len(text[0].encode("utf-8"))

    @cached_property
    def _token_of_code(self) -> TokenArray:
        table = np.zeros(sys.maxunicode + 1, dtype=token_dtype(self.vocab_size))
        table[_codes(self.characters)] = np.arange(1, self.vocab_size)
        return table


def fit(config: CharConfig, train_text: str) -> CharTokenizer:
    """Take the characters of the training text as vocabulary."""
    return CharTokenizer("".join(sorted(set(train_text))))


def load(config: CharConfig, vocabulary: JsonValue) -> CharTokenizer:
    """Make a tokenizer from the characters that `fit` found."""
    assert isinstance(vocabulary, str)
    return CharTokenizer(vocabulary)


def _codes(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
