"""Tokenizers: text to token numbers and back.

A tokenizer is a file here, named like the `type` of its config, with two functions:

    fit(config, train_text) -> Tokenizer          learns its vocabulary from the training text
    load(config, vocabulary) -> Tokenizer         the same again from `Tokenizer.vocabulary`

The tokens of a text stand for all of its UTF-8 bytes, each byte for exactly one of them, so that
bits per byte compares models whatever their tokens are.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib import import_module

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from lmtune.spec.dataset import TokenizerConfig

TokenArray = NDArray[np.unsignedinteger]
"""Token numbers, one axis."""


class Tokenizer(ABC):
    """Text to token numbers and back.

    Attributes:
        unknown_token: what text outside the vocabulary becomes; None where all text is known.
        is_lossless: whether known text is decoded exactly as it was.
    """

    unknown_token: int | None
    is_lossless: bool = True

    @property
    @abstractmethod
    def vocab_size(self) -> int:
        """How many tokens there are, the unknown one included."""

    @property
    @abstractmethod
    def vocabulary(self) -> JsonValue:
        """All that was learned from the training text."""

    @abstractmethod
    def encode(self, text: str) -> TokenArray:
        """Return the tokens of `text` in the smallest type that holds all token numbers."""

    @abstractmethod
    def decode(self, tokens: NDArray[np.integer]) -> str:
        """Return the text of `tokens`; U+FFFD or `<unk>` stands for what has none."""

    @abstractmethod
    def first_token_bytes(self, text: str) -> int:
        """Return how many UTF-8 bytes of a text that is not empty its first token stands for."""


def fit_tokenizer(config: TokenizerConfig, train_text: str) -> Tokenizer:
    """Learn the vocabulary from the training text."""
    tokenizer: Tokenizer = import_module(f"{__name__}.{config.type}").fit(config, train_text)
    return tokenizer


def load_tokenizer(config: TokenizerConfig, vocabulary: JsonValue) -> Tokenizer:
    """Make a tokenizer again from its `vocabulary`."""
    tokenizer: Tokenizer = import_module(f"{__name__}.{config.type}").load(config, vocabulary)
    return tokenizer


def token_dtype(vocab_size: int) -> np.dtype[np.unsignedinteger]:
    """Return the smallest type for token arrays, little-endian on every machine."""
    return np.dtype("<u2" if vocab_size <= 1 << 16 else "<u4")
