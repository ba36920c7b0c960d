"""Closed formulas of parameters and FLOPs, against the modules themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from lmtune.models import RecurrentLanguageModel, build_model, count_parameters, flops_per_token
from lmtune.models.layers import LayerStack, TokenEmbedding
from lmtune.spec.model import AnyModelConfig, AttentionConfig, GPTConfig, ModelConfig

DIMENSIONS: dict[str, st.SearchStrategy[int]] = {
    "num_layers": st.integers(1, 3),
    "num_encoder_layers": st.integers(1, 3),
    "num_decoder_layers": st.integers(1, 3),
    "d_ff": st.integers(1, 20),
    "embedding_dim": st.integers(1, 9),
    "hidden_size": st.integers(1, 9),
}


@st.composite
def configs(draw: Callable[[Any], Any]) -> AnyModelConfig:
    """Any small model of any type; every dimension is drawn."""
    kind: type[ModelConfig] = draw(st.sampled_from(get_args(get_args(AnyModelConfig)[0])))
    values = {
        name: draw(strategy) for name, strategy in DIMENSIONS.items() if name in kind.model_fields
    }
    if issubclass(kind, AttentionConfig):
        values["num_heads"] = draw(st.integers(1, 4))
        values["d_model"] = values["num_heads"] * draw(st.integers(1, 5))
    type_name = get_args(kind.model_fields["type"].annotation)[0]
    return kind.model_validate({"type": type_name, **values})  # type: ignore[return-value]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(configs(), st.integers(1, 30), st.integers(1, 10))
def test_count_of_parameters_for_any_dimensions_equals_the_modules(
    config: AnyModelConfig, vocab_size: int, context_length: int
) -> None:
    sizes = {"vocab_size": vocab_size, "context_length": context_length}
    model = build_model(config, **sizes, seed=0)
    total = sum(parameter.numel() for parameter in model.parameters())
    embedding = sum(
        module.weight.numel() if isinstance(module, TokenEmbedding) else module.position.numel()
        for module in model.modules()
        if isinstance(module, TokenEmbedding | LayerStack)
    )
    count = count_parameters(config, **sizes)
    assert (count.total, count.non_embedding) == (total, total - embedding)


def test_count_of_parameters_of_nanogpt_is_the_published_number() -> None:
    # nanoGPT prints 0.80M for this shape of train_shakespeare_char on a CPU; method.md, row 10.
    shape = {"num_layers": 4, "d_model": 128, "num_heads": 4}
    config = GPTConfig.model_validate({"type": "gpt", **shape})
    assert count_parameters(config, vocab_size=65, context_length=64).total == 804_096


def test_count_of_parameters_at_each_size_is_what_the_size_promises(
    config: AnyModelConfig,
) -> None:
    for size, promised in {"small": 0.2e6, "default": 1e6, "large": 10e6}.items():
        sized = type(config).model_validate({"type": config.type, "size": size})
        total = count_parameters(sized, vocab_size=100, context_length=64).total
        assert abs(total / promised - 1) <= 0.15, (size, total)


@pytest.mark.filterwarnings("ignore:TF32 acceleration")  # torch's, on touching its mkldnn flags
@settings(
    max_examples=15, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
@given(configs(), st.integers(2, 30), st.sampled_from([2, 4, 16]))
def test_flops_for_any_dimensions_equal_those_counted_in_a_step(
    config: AnyModelConfig, vocab_size: int, context_length: int
) -> None:
    model = build_model(config, vocab_size=vocab_size, context_length=context_length, seed=0)
    tokens_BT = torch.zeros(3, context_length, dtype=torch.int64)
    # The counter knows matrix products, not the CPU's fused kernels of attention and cells.
    kernels = torch.backends.mkldnn.flags(enabled=False)
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH), kernels:
        num_targets = model.targets_per_window(context_length)
        model.next_token_logits(tokens_BT, num_targets).sum().backward()  # type: ignore[no-untyped-call]
    counted = counter.get_total_flops() / tokens_BT.numel()
    formula = flops_per_token(config, vocab_size=vocab_size, context_length=context_length)
    if isinstance(model, RecurrentLanguageModel):
        # The first state is zero and needs no gradient: one product of 3 T is missing at most.
        assert formula * (1 - 1 / (3 * context_length)) <= counted <= formula
    else:
        assert int(counted) == formula
