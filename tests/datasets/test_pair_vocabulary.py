"""How the tokens of pairs are numbered, for every tokenizer."""

from __future__ import annotations

import json
import pkgutil

import numpy as np
import pytest
from pydantic import TypeAdapter

from lmtune.datasets import tokenizers
from lmtune.datasets.pair_texts import TextPairs
from lmtune.datasets.pair_vocabulary import PairVocabulary, fit_vocabulary, load_vocabulary
from lmtune.spec.dataset import TokenizerConfig

TOKENIZERS = [module.name for module in pkgutil.iter_modules(tokenizers.__path__)]
TRAIN = TextPairs(
    ["three hundred and five", "forty-five", "one hundred", "three and one"] * 3,
    ["3 0 5", "4 5", "1 0 0", "3 1"] * 3,
)


def config_of(name: str) -> TokenizerConfig:
    config: TokenizerConfig = TypeAdapter(TokenizerConfig).validate_python({"type": name})
    return config


def fit(name: str, *, separate: bool = False) -> PairVocabulary:
    return fit_vocabulary(config_of(name), TRAIN, separate=separate)


@pytest.fixture(params=[False, True], ids=["shared", "separate"])
def separate(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.mark.parametrize("name", TOKENIZERS)
def test_tokens_when_numbered_put_what_can_be_predicted_first(name: str, separate: bool) -> None:
    vocabulary = fit(name, separate=separate)
    num_text_tokens = vocabulary.target.vocab_size
    assert vocabulary.end_token == num_text_tokens
    assert vocabulary.start_token == num_text_tokens + 1
    assert vocabulary.num_outputs == num_text_tokens + 1, "the start is never predicted"
    own = vocabulary.source.vocab_size if separate else 0
    assert vocabulary.vocab_size == num_text_tokens + 2 + own
    first = num_text_tokens + 2 if separate else 0
    for text in [*TRAIN.sources, "an \U0001f415 that training never showed"]:
        tokens = vocabulary.encode_source(text)
        assert tokens.dtype == vocabulary.dtype
        assert first <= tokens.min()
        assert tokens.max() < first + vocabulary.source.vocab_size
        assert (tokens - first).tolist() == vocabulary.source.encode(text).tolist()
    for text in [*TRAIN.targets, "9 8"]:
        tokens = vocabulary.encode_target(text)
        assert tokens.dtype == vocabulary.dtype
        assert tokens.tolist() == vocabulary.target.encode(text).tolist()
        assert tokens.max() < num_text_tokens


@pytest.mark.parametrize("name", TOKENIZERS)
def test_targets_when_decoded_are_the_text_up_to_the_end(name: str, separate: bool) -> None:
    vocabulary = fit(name, separate=separate)
    for text in TRAIN.targets:
        tokens = vocabulary.encode_target(text).tolist()
        assert vocabulary.decode_target(tokens) == text
        ended = [*tokens, vocabulary.end_token, *tokens]
        assert vocabulary.decode_target(np.array(ended)) == text
    assert vocabulary.decode_target([]) == ""
    assert vocabulary.decode_target([vocabulary.end_token]) == ""


@pytest.mark.parametrize("name", TOKENIZERS)
def test_vocabulary_when_saved_as_json_numbers_the_same(name: str, separate: bool) -> None:
    vocabulary = fit(name, separate=separate)
    saved = json.loads(json.dumps(vocabulary.saved))
    again = load_vocabulary(config_of(name), saved)
    assert again.is_shared is not separate
    assert again.vocab_size == vocabulary.vocab_size
    for source, target in zip(TRAIN.sources, TRAIN.targets, strict=True):
        assert again.encode_source(source).tolist() == vocabulary.encode_source(source).tolist()
        assert again.encode_target(target).tolist() == vocabulary.encode_target(target).tolist()


def test_words_when_separate_know_their_own_side_alone() -> None:
    vocabulary = fit("word", separate=True)
    assert vocabulary.target.vocabulary == ["0", "1", "3", "5", "4"]
    unknown = vocabulary.encode_target("hundred 3")
    assert unknown.tolist() == [vocabulary.target.unknown_token, 4]


def test_words_when_shared_know_both_sides_and_no_word_reaches_over_an_end() -> None:
    vocabulary = fit("word")
    words = {word for text in [*TRAIN.sources, *TRAIN.targets] for word in text.split()}
    assert isinstance(vocabulary.target.vocabulary, list)
    assert set(map(str, vocabulary.target.vocabulary)) == words


def test_unknown_tokens_when_counted_are_those_of_both_sides() -> None:
    vocabulary = fit("char", separate=True)
    sources = [vocabulary.encode_source("one!?"), vocabulary.encode_source("two1")]
    targets = [vocabulary.encode_target("1 0 x")]
    # "!", "?", "w", "1" of the sources, and "x" of the target.
    assert vocabulary.count_unknown(sources, targets) == 5
    assert fit("byte").count_unknown(sources, targets) == 0
