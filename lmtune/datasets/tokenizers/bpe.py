"""Byte pair encoding over bytes: nothing is unknown, and any text is given back as it was.

The first 256 tokens are the bytes; each further one joins two that were there, the most frequent
pair first. Which of two equally frequent pairs comes first depends on their bytes alone, so that
the same training text always gives the same vocabulary.

Source: Sennrich et al. 2016; over bytes, within these words, by Radford et al. 2019 (GPT-2).
Differs: a word has at most 64 characters, so that text without white space takes linear time, too;
pairs that stand in the training text once are not joined.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from functools import cached_property
from typing import cast

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue
from tokenizers import Regex
from tokenizers import Tokenizer as Pipeline
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, PreTokenizer, Sequence, Split
from tokenizers.trainers import BpeTrainer

from lmtune.datasets.progress import tell
from lmtune.datasets.tokenizers import TokenArray, Tokenizer, token_dtype
from lmtune.spec.dataset import BPETokenizer as BPEConfig

# Else the library warns whenever a process is started after it has used threads.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

_WORD = (
    r"'(?:[sdmt]|ll|ve|re)| ?\p{L}{1,64}| ?\p{N}{1,64}| ?[^\s\p{L}\p{N}]{1,64}"
    r"|\s{1,64}(?!\S)|\s{1,64}"
)
_MIN_FREQUENCY = 2
_NUM_BYTES = 256
_PIECE_CHARS = 1 << 12
"""Encoded at once: more would be slower, and what is noted of a token is larger than the token."""
_LINE_END = re.compile(r"(?<=[!-~])\n")
"""Where one word ends and another begins, whatever else stands around it."""
_MAX_LINE_CHARS = 1 << 14
"""Beyond which no line's end is looked for: a piece ends between any two words."""


class BPETokenizer(Tokenizer):
    """A token below 256 is a byte; token 256 + i is what the i-th new pair makes.

    Args:
        merges: the pairs of tokens that are joined, in the order of learning. Two pairs may make
            the same bytes, and then the same token.
    """

    unknown_token = None

    def __init__(self, merges: list[tuple[int, int]]) -> None:
        self.merges = merges

    @property
    def vocab_size(self) -> int:
        """The bytes and what is merged from them; fewer than asked for where a text is short."""
        return len(self._bytes_of_token)

    @property
    def vocabulary(self) -> JsonValue:
        """The merges as a list of pairs."""
        return [[left, right] for left, right in self.merges]

    def encode(self, text: str) -> TokenArray:
        """Return the tokens of `text`, merged word by word in the order of learning."""
        dtype = token_dtype(self.vocab_size)
        parts: list[TokenArray] = [np.zeros(0, dtype)]
        done_chars = 0
        for piece in _pieces(text):
            parts.append(np.array(self._encoded(piece), dtype))
            done_chars += len(piece)
            tell("tokenizing", done_chars, len(text))
        return np.concatenate(parts)

    def decode(self, tokens: NDArray[np.integer]) -> str:
        """Return the text of `tokens`; U+FFFD stands for bytes that form no character."""
        content = b"".join([self._bytes_of_token[token] for token in tokens.tolist()])
        return content.decode("utf-8", errors="replace")

    def first_token_bytes(self, text: str) -> int:
        """Return how many bytes were merged into the first token."""
        return len(self._bytes_of_token[self._encoded(next(_pieces(text)))[0]])

    def _encoded(self, piece: str) -> list[int]:
        # As `encode` does, a quarter faster: nobody asks where tokens stand in the text.
        return self._pipeline.encode_batch_fast([piece])[0].ids

    @cached_property
    def _bytes_of_token(self) -> list[bytes]:
        tokens = [bytes([byte]) for byte in range(_NUM_BYTES)]
        known = set(tokens)
        for left, right in self.merges:
            joined = tokens[left] + tokens[right]
            if joined not in known:
                known.add(joined)
                tokens.append(joined)
        return tokens

    @cached_property
    def _pipeline(self) -> Pipeline:
        words = ["".join([_BYTE_CHARS[byte] for byte in token]) for token in self._bytes_of_token]
        vocabulary = {word: token for token, word in enumerate(words)}
        merges = [(words[left], words[right]) for left, right in self.merges]
        return _pipeline(BPE(vocab=vocabulary, merges=merges))


def fit(config: BPEConfig, train_text: str) -> BPETokenizer:
    """Learn which pairs to join from the training text."""
    tell("learning byte pairs", 0, None)
    pipeline = _pipeline(BPE())
    trainer = BpeTrainer(
        vocab_size=config.vocab_size,
        min_frequency=_MIN_FREQUENCY,
        initial_alphabet=ByteLevel.alphabet(),
        show_progress=False,
    )
    pipeline.train_from_iterator(_pieces(train_text), trainer)
    learned = json.loads(pipeline.to_str())["model"]["merges"]
    token_of_word = {char: byte for byte, char in enumerate(_BYTE_CHARS)}
    merges = []
    for left, right in learned:
        merges.append((token_of_word[left], token_of_word[right]))
        token_of_word.setdefault(left + right, len(token_of_word))
    return BPETokenizer(merges)


def load(config: BPEConfig, vocabulary: JsonValue) -> BPETokenizer:
    """Make a tokenizer from the merges that `fit` learned."""
    merges = cast(list[list[int]], vocabulary)
    return BPETokenizer([(left, right) for left, right in merges])


def _pipeline(model: BPE) -> Pipeline:
    """Words first, then their bytes as the characters that the library has for them."""
    split: PreTokenizer = Split(Regex(_WORD), behavior="isolated")
    pipeline = Pipeline(model)
    pipeline.pre_tokenizer = Sequence([split, ByteLevel(add_prefix_space=False, use_regex=False)])
    return pipeline


def _pieces(text: str) -> Iterator[str]:
    """A text in pieces that no word reaches across."""
    start = 0
    while start < len(text):
        most = start + _PIECE_CHARS + _MAX_LINE_CHARS
        if most >= len(text):
            end = len(text)
        elif cut := _LINE_END.search(text, start + _PIECE_CHARS, most):
            end = cut.start()
        else:
            end = start + _last_word(text[start:most])
        yield text[start:end]
        start = end


def _last_word(text: str) -> int:
    """Where the last word of a text begins; what comes after the text changes that word alone."""
    start: int = Split(Regex(_WORD), behavior="isolated").pre_tokenize_str(text)[-1][1][0]
    return start


def _byte_chars() -> list[str]:
    """The character that stands for each byte; that of a printable one is the byte's own."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = iter(range(256, 512))
    return [chr(byte if byte in printable else next(others)) for byte in range(_NUM_BYTES)]


_BYTE_CHARS = _byte_chars()
