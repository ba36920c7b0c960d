"""Contract tests over every tokenizer file, and what those of bytes and characters promise."""

from __future__ import annotations

import json
import pkgutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from lmtune.datasets import tokenizers
from lmtune.datasets.tokenizers import Tokenizer, fit_tokenizer, load_tokenizer, token_dtype
from lmtune.datasets.tokenizers.char import _PIECE_CHARS
from lmtune.spec.dataset import TokenizerConfig

TOKENIZERS = [module.name for module in pkgutil.iter_modules(tokenizers.__path__)]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


def tokenizer_config(name: str) -> TokenizerConfig:
    config: TokenizerConfig = TypeAdapter(TokenizerConfig).validate_python({"type": name})
    return config


def fit(name: str, text: str) -> Tokenizer:
    return fit_tokenizer(tokenizer_config(name), text)


def test_tokenizers_when_listed_are_those_of_the_spec() -> None:
    kinds = TypeAdapter(TokenizerConfig).json_schema()["$defs"].values()
    assert sorted(TOKENIZERS) == sorted(kind["properties"]["type"]["const"] for kind in kinds)


@pytest.mark.parametrize("name", TOKENIZERS)
@settings(max_examples=25)
@given(text=TEXTS)
def test_any_tokenizer_when_the_text_is_known_decodes_to_it(name: str, text: str) -> None:
    tokenizer = fit(name, f"{text} {text}")  # what stands there once may be left out
    tokens = tokenizer.encode(text)
    assert tokens.dtype == token_dtype(tokenizer.vocab_size)
    assert tokens.ndim == 1
    again = tokenizer.decode(tokens)
    assert again.split() == text.split()
    assert again == text or not tokenizer.is_lossless
    assert tokenizer.unknown_token is None or tokenizer.unknown_token not in tokens


@pytest.mark.parametrize("name", TOKENIZERS)
@settings(max_examples=25)
@given(known=TEXTS, other=TEXTS)
def test_any_tokenizer_when_the_text_is_new_stays_in_its_vocabulary(
    name: str, known: str, other: str
) -> None:
    tokenizer = fit(name, known)
    assert (tokenizer.encode(other) < tokenizer.vocab_size).all()


@pytest.mark.parametrize("name", TOKENIZERS)
@settings(max_examples=25)
@given(known=TEXTS, other=TEXTS)
def test_any_tokenizer_when_saved_as_json_encodes_the_same(
    name: str, known: str, other: str
) -> None:
    tokenizer = fit(name, known)
    vocabulary = json.loads(json.dumps(tokenizer.vocabulary))
    again = load_tokenizer(tokenizer_config(name), vocabulary)
    assert again.vocab_size == tokenizer.vocab_size
    assert again.unknown_token == tokenizer.unknown_token
    assert again.encode(other).tolist() == tokenizer.encode(other).tolist()


@pytest.mark.parametrize("name", TOKENIZERS)
@settings(max_examples=25)
@given(text=TEXTS.filter(bool))
def test_any_tokenizer_when_asked_knows_the_bytes_of_the_first_token(name: str, text: str) -> None:
    tokenizer = fit(name, text)
    first = tokenizer.first_token_bytes(text)
    assert 1 <= first <= len(text.encode())
    if len(tokenizer.encode(text)) == 1:
        assert first == len(text.encode())


def test_byte_when_encoding_gives_utf8() -> None:
    tokenizer = fit("byte", "")
    assert tokenizer.first_token_bytes("\u20ac") == 1
    assert tokenizer.encode("a\u20ac").tolist() == [0x61, 0xE2, 0x82, 0xAC]
    assert tokenizer.vocab_size == 256
    assert tokenizer.decode(np.array([0x61, 0xFF])) == "a\ufffd"


def test_char_when_fitted_sorts_its_characters_behind_the_unknown_token() -> None:
    tokenizer = fit("char", "banana\n\U0001f34c")
    assert tokenizer.vocabulary == "\nabn\U0001f34c"
    assert tokenizer.vocab_size == 6
    assert tokenizer.encode("nab\U0001f34c").tolist() == [4, 2, 3, 5]


def test_char_when_a_character_is_unknown_gives_token_0() -> None:
    tokenizer = fit("char", "abc")
    tokens = tokenizer.encode("axb\U0010ffff")
    assert tokens.tolist() == [1, 0, 2, 0]
    assert tokenizer.decode(tokens) == "a\ufffdb\ufffd"
    assert tokenizer.first_token_bytes("\u20ac") == 3


def test_char_when_the_text_is_longer_than_a_piece_joins_the_pieces() -> None:
    text = "ab" * (_PIECE_CHARS // 2) + "c"
    tokenizer = fit("char", text)
    tokens = tokenizer.encode(text)
    assert len(tokens) == _PIECE_CHARS + 1
    assert tokens[-3:].tolist() == [1, 2, 3]


def test_token_dtype_when_the_vocabulary_grows_stays_small() -> None:
    assert token_dtype(2) == token_dtype(1 << 16) == np.uint16
    assert token_dtype((1 << 16) + 1) == np.uint32
