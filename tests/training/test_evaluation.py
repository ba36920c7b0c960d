"""Evaluation against a reference that predicts one token at a time."""

from __future__ import annotations

import math
from typing import get_args

import numpy as np
import pytest
import torch
from torch import Tensor

from lmtune.datasets import Split
from lmtune.models import LanguageModel, build_model
from lmtune.spec.model import AnyModelConfig, RecurrentConfig
from lmtune.training import Scores, evaluate
from tests.training.conftest import MakeTrial

RECURRENT_TYPES = [
    get_args(config.model_fields["type"].annotation)[0]
    for config in RecurrentConfig.__subclasses__()
]
VOCAB_SIZE = 9
CONTEXT_LENGTH = 8
HALF = CONTEXT_LENGTH // 2
LENGTHS = [2, 3, HALF, HALF + 1, HALF + 2, CONTEXT_LENGTH, CONTEXT_LENGTH + 1, 45]
"""Shorter than a block, whole blocks, and a short last block."""


def split_of(num_tokens: int) -> Split:
    tokens = np.random.default_rng(num_tokens).integers(VOCAB_SIZE, size=num_tokens)
    return Split(tokens.astype(np.uint16), scored_bytes=3 * (num_tokens - 1), source_loss=None)


@pytest.fixture
def config(make_trial: MakeTrial, model_type: str) -> AnyModelConfig:
    return make_trial(model_type, model={"dropout": 0.5}).config.model


@pytest.fixture
def model(config: AnyModelConfig) -> LanguageModel:
    """In training mode, and with larger weights than at the start, so that tokens matter."""
    model = build_model(config, vocab_size=VOCAB_SIZE, context_length=CONTEXT_LENGTH, seed=0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2)
    return model.train()


def predict(model: LanguageModel, tokens: Tensor, target: int) -> Tensor:
    """Log-probabilities (V,) of the token at `target`, from the context that the protocol gives it.

    Block k scores the tokens kh+1 to (k+1)h; the window of its targets starts at (k-1)h. A target
    needs only the part of its block before it, for no architecture looks ahead.
    """
    block = (target - 1) // HALF
    start = max(0, (block - 1) * HALF)
    inputs_1T = tokens[None, start:target]
    logits_1NV = model.next_token_logits(inputs_1T, target - block * HALF)
    return logits_1NV[0, -1].double().log_softmax(dim=-1)


def score_slowly(model: LanguageModel, split: Split) -> tuple[float, float]:
    """Mean loss and accuracy, one token at a time."""
    tokens = torch.tensor(split.tokens.astype(np.int64))
    model.eval()
    with torch.no_grad():
        predicted = [predict(model, tokens, target) for target in range(1, len(tokens))]
    model.train()
    truth = tokens[1:].tolist()
    losses = [-p[token].item() for p, token in zip(predicted, truth, strict=True)]
    hits = [p.argmax().item() == token for p, token in zip(predicted, truth, strict=True)]
    return float(np.mean(losses)), float(np.mean(hits))


@pytest.mark.parametrize("num_tokens", LENGTHS)
def test_evaluate_equals_one_token_at_a_time(model: LanguageModel, num_tokens: int) -> None:
    split = split_of(num_tokens)
    scores = evaluate(model, split, context_length=CONTEXT_LENGTH)
    loss, accuracy = score_slowly(model, split)
    assert scores.num_tokens == num_tokens - 1
    assert scores.loss == pytest.approx(loss, rel=1e-6)
    assert scores.accuracy == pytest.approx(accuracy)


@pytest.mark.science
def test_evaluate_with_any_batch_size_gives_the_same(model: LanguageModel) -> None:
    split = split_of(200)
    losses = [
        evaluate(model, split, context_length=CONTEXT_LENGTH, batch_size=size).loss
        for size in (1, 7, 64)
    ]
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-5)


@pytest.mark.parametrize("model_type", RECURRENT_TYPES)
def test_evaluate_carrying_the_state_equals_one_run_from_start_to_end(
    model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lmtune.training.evaluation.STREAM_TOKENS", 6)
    split = split_of(45)
    scores = evaluate(model, split, context_length=CONTEXT_LENGTH, carry_state=True)
    tokens = torch.tensor(split.tokens.astype(np.int64))
    model.eval()
    with torch.no_grad():
        logits_1NV = model.next_token_logits(tokens[None, :-1], len(tokens) - 1)
    loss = torch.nn.functional.cross_entropy(logits_1NV[0].double(), tokens[1:]).item()
    windowed = evaluate(model, split, context_length=CONTEXT_LENGTH)
    assert scores.num_tokens == 44
    assert scores.loss == pytest.approx(loss, rel=1e-6)
    assert scores.loss != pytest.approx(windowed.loss, rel=1e-6)


@pytest.mark.parametrize("is_training", [True, False])
def test_evaluate_leaves_mode_gradients_and_generator_as_they_were(
    model: LanguageModel, is_training: bool
) -> None:
    model.train(is_training)
    generator_state = torch.get_rng_state()
    evaluate(model, split_of(45), context_length=CONTEXT_LENGTH)
    assert model.training is is_training
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(torch.get_rng_state(), generator_state)


def test_evaluate_that_fails_restores_the_mode(model: LanguageModel) -> None:
    split = Split(np.full(9, VOCAB_SIZE, dtype=np.uint16), scored_bytes=8, source_loss=None)
    with pytest.raises(IndexError):
        evaluate(model, split, context_length=CONTEXT_LENGTH)
    assert model.training


@pytest.mark.science
def test_bits_per_byte_is_total_bits_over_scored_bytes(model: LanguageModel) -> None:
    scores = evaluate(model, split_of(45), context_length=CONTEXT_LENGTH)
    assert scores.bits_per_byte == pytest.approx(scores.loss / math.log(2) / 3, rel=1e-12)


def scores_with(loss: float) -> Scores:
    return Scores(loss=loss, bits_per_byte=1.0, accuracy=0.5, num_tokens=10)


@pytest.mark.science
def test_perplexity_is_the_exponential_of_the_loss() -> None:
    assert scores_with(1.25).perplexity == math.exp(1.25)


def test_perplexity_of_a_loss_too_large_for_a_float_is_infinite() -> None:
    assert scores_with(1000.0).perplexity == math.inf
    assert math.isnan(scores_with(math.nan).perplexity)
