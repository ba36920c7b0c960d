"""One token a UTF-8 byte; nothing is unknown."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from lmtune.datasets.tokenizers import TokenArray, Tokenizer, token_dtype
from lmtune.spec.dataset import ByteTokenizer as ByteConfig


class ByteTokenizer(Tokenizer):
    """A token is the value of its byte."""

    unknown_token = None

    @property
    def vocab_size(self) -> int:
        """All values of a byte, whether the training text has them or not."""
        return 256

    @property
    def vocabulary(self) -> JsonValue:
        """Nothing is learned."""
        return None

    def encode(self, text: str) -> TokenArray:
        """Return the UTF-8 bytes of `text`."""
        values = np.frombuffer(text.encode("utf-8"), dtype=np.uint8)
        return values.astype(token_dtype(self.vocab_size))

    def decode(self, tokens: NDArray[np.integer]) -> str:
        """Return the text of `tokens`; U+FFFD stands for bytes that form no character."""
        return bytes(tokens.tolist()).decode("utf-8", errors="replace")

    def first_token_bytes(self, text: str) -> int:
        """Return 1: a token is a byte."""
        return 1


def fit(config: ByteConfig, train_text: str) -> ByteTokenizer:
    """Return the one byte tokenizer that there is."""
    return ByteTokenizer()


def load(config: ByteConfig, vocabulary: JsonValue) -> ByteTokenizer:
    """Return the one byte tokenizer that there is."""
    return ByteTokenizer()
