"""A model that has learnt nothing guesses: its loss is that of the uniform distribution."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from lmtune.models import build_model
from lmtune.spec.model import AnyModelConfig
from tests.models.conftest import CONFIGS, DIMENSIONS, make_config


def excess_over_uniform(config: AnyModelConfig, vocab_size: int) -> float:
    """Nats, over all tokens that may come next rather than over a draw of them."""
    model = build_model(config, vocab_size=vocab_size, context_length=64, seed=0)
    generator = torch.Generator().manual_seed(1)
    tokens_BT = torch.randint(vocab_size, (4, 64), generator=generator)
    with torch.inference_mode():
        logits_BNV = model.next_token_logits(tokens_BT, model.targets_per_window(64))
    return -logits_BNV.log_softmax(-1).mean().item() - math.log(vocab_size)


@pytest.mark.science
@pytest.mark.parametrize("size", ["small", "default", "large"])
@pytest.mark.parametrize("vocab_size", [8, 256])
def test_loss_at_the_start_is_that_of_a_uniform_guess_at_every_size(
    model_type: str, size: str, vocab_size: int
) -> None:
    assert excess_over_uniform(make_config(model_type, size=size), vocab_size) <= 0.05


@pytest.mark.science
@pytest.mark.parametrize("size", ["small", "large"])
def test_loss_at_the_start_is_that_of_a_uniform_guess_with_every_option(
    case: tuple[str, dict[str, Any]], size: str
) -> None:
    name, options = case
    kind = CONFIGS[name]
    # Wide models are the ones that start too sure of themselves; many layers would take long.
    layers = {key: DIMENSIONS[key] for key in kind.model_fields if key.endswith("_layers")}
    config = make_config(name, size=size, **layers, **with_fitting_heads(name, size, options))
    assert excess_over_uniform(config, 8) <= 0.05


def with_fitting_heads(name: str, size: str, options: dict[str, Any]) -> dict[str, Any]:
    """The options with a number of heads of keys and values that divides that of the size."""
    if options.get("num_kv_heads", 1) == 1:
        return options
    return {**options, "num_kv_heads": CONFIGS[name].SIZES[size]["num_heads"] // 2}
