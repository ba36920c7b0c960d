"""N-gram losses against a plain Python reference, and against a source whose entropy is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmtune.datasets import Dataset, ngram_floors, prepare_text
from lmtune.datasets.ngram_floors import FLOORS, count_floors
from lmtune.spec.dataset import DatasetConfig

VOCAB_SIZE = 5
TOKENS = st.lists(st.integers(0, VOCAB_SIZE - 1), min_size=2, max_size=40)
MODULE = import_module("lmtune.datasets.ngram_floors")  # the room's function has its name


def probability(train: Sequence[int], context: Sequence[int], token: int, order: int) -> float:
    """Witten-Bell by the book: look through all of the training text, one order after the other."""
    if order == 0:
        return 1 / VOCAB_SIZE
    shorter = probability(train, context, token, order - 1)
    if order - 1 > len(context):
        return shorter
    before = list(context[len(context) - (order - 1) :])
    after = [
        train[end] for end in range(order - 1, len(train)) if train[end - order + 1 : end] == before
    ]
    if not after:
        return shorter
    num_types = len(set(after))
    return (after.count(token) + num_types * shorter) / (len(after) + num_types)


def reference(train: list[int], validation: list[int]) -> dict[str, float]:
    losses = {}
    for name, order in FLOORS.items():
        nats = [
            -math.log(probability(train, validation[:at], validation[at], order))
            for at in range(1, len(validation))
        ]
        losses[name] = sum(nats) / len(nats)
    return losses


def floors(train: list[int], validation: list[int]) -> dict[str, float]:
    arrays = (np.array(tokens, np.uint16) for tokens in (train, validation))
    return count_floors(*arrays, vocab_size=VOCAB_SIZE)


def prepared(project: Path, **fields: object) -> Dataset:
    return prepare_text(DatasetConfig.model_validate(fields), project=project)


@pytest.mark.parametrize("max_table", [0, 1 << 25])
@settings(max_examples=40)
@given(train=TOKENS, validation=TOKENS)
def test_floors_when_compared_with_the_definition_are_equal(
    max_table: int, train: list[int], validation: list[int]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MODULE, "_MAX_TABLE", max_table)
        assert floors(train, validation) == pytest.approx(reference(train, validation), abs=1e-12)


@settings(max_examples=40)
@given(TOKENS, TOKENS)
def test_reference_when_summed_over_the_vocabulary_is_1(train: list[int], seen: list[int]) -> None:
    total = sum(probability(train, seen, token, 5) for token in range(VOCAB_SIZE))
    assert total == pytest.approx(1, abs=1e-12)


def test_floors_when_the_source_is_known_reach_its_entropy(tmp_path: Path) -> None:
    dataset = prepared(tmp_path, corpus="markov")
    found = ngram_floors(dataset)
    assert dataset.validation.source_loss is not None
    assert dataset.entropy_rate is not None
    # 64 probabilities learned from 180,000 symbols cost next to nothing.
    assert found["bigram"] == pytest.approx(dataset.validation.source_loss, abs=0.002)
    assert found["unigram"] > dataset.entropy_rate + 0.5
    assert found["5-gram"] > found["bigram"], "what is not there can only be learned by mistake"


def test_floors_when_the_text_is_prose_fall_with_the_order(tmp_path: Path) -> None:
    dataset = prepared(tmp_path, corpus="python_docs")
    found = ngram_floors(dataset)
    uniform = math.log(dataset.vocab_size)
    assert uniform > found["unigram"] > found["bigram"] + 0.5
    assert found["bigram"] > found["5-gram"] + 0.5


def test_floors_when_computed_once_are_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = prepared(tmp_path, corpus={"type": "markov", "length": 2000})
    first = ngram_floors(dataset)
    monkeypatch.setattr(MODULE, "count_floors", None)
    assert ngram_floors(dataset) == first
    assert sorted(path.name for path in dataset.folder.iterdir()) == [
        "meta.json",
        "ngram_floors.json",
        "test.bin",
        "train.bin",
        "validation.bin",
    ]


@pytest.mark.parametrize("content", ["", '{"format": 0, "floors": {}}', '{"format": 1'])
def test_floors_when_what_was_kept_is_torn_or_old_are_computed_again(
    tmp_path: Path, content: str
) -> None:
    dataset = prepared(tmp_path, corpus={"type": "markov", "length": 2000})
    first = ngram_floors(dataset)
    (dataset.folder / "ngram_floors.json").write_text(content)
    assert ngram_floors(dataset) == first


def test_floors_when_they_cannot_be_kept_are_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = prepared(tmp_path, corpus={"type": "markov", "length": 2000})

    def refuse(*args: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(MODULE, "_write", refuse)
    assert list(ngram_floors(dataset)) == ["unigram", "bigram", "5-gram"]
    assert not (dataset.folder / "ngram_floors.json").exists()
