"""Closed formulas of parameters and FLOPs, against the modules themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args, get_origin

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from lmtune.models import (
    PairBatch,
    build_model,
    count_parameters,
    flops_per_token,
    pair_flops_per_token,
)
from lmtune.models.embedding import TokenEmbedding
from lmtune.models.positions import LearnedPositions
from lmtune.spec.model import AnyModelConfig, AttentionConfig, GPTConfig
from tests.models.conftest import CONFIGS, make_config

DIMENSIONS: dict[str, st.SearchStrategy[int]] = {
    "num_layers": st.integers(1, 3),
    "num_encoder_layers": st.integers(1, 3),
    "num_decoder_layers": st.integers(1, 3),
    "d_ff": st.integers(1, 20),
    "embedding_dim": st.integers(1, 9),
    "hidden_size": st.integers(1, 9),
}


ATTENTION_TYPES = sorted(name for name in CONFIGS if issubclass(CONFIGS[name], AttentionConfig))


@st.composite
def configs(draw: Callable[[Any], Any], types: Sequence[str]) -> AnyModelConfig:
    """Any small model of the types; every dimension and every option is drawn."""
    model_type: str = draw(st.sampled_from(types))
    kind = CONFIGS[model_type]
    values = {
        name: draw(strategy) for name, strategy in DIMENSIONS.items() if name in kind.model_fields
    }
    for name, field in kind.model_fields.items():
        if field.annotation is bool:
            values[name] = draw(st.booleans())
        elif get_origin(field.annotation) is Literal and name not in ("type", "size"):
            values[name] = draw(st.sampled_from(get_args(field.annotation)))
    if issubclass(kind, AttentionConfig):
        groups = draw(st.integers(1, 3))
        values["num_kv_heads"] = draw(st.integers(1, 3))
        values["num_heads"] = groups * values["num_kv_heads"]
        values["d_model"] = values["num_heads"] * 2 * draw(st.integers(1, 3))
    return make_config(model_type, **values)


@pytest.mark.science
@settings(max_examples=150)
@given(configs(sorted(CONFIGS)), st.integers(1, 30), st.integers(0, 5), st.integers(1, 10))
def test_count_of_parameters_for_any_config_equals_the_modules(
    config: AnyModelConfig, num_outputs: int, num_sources: int, context_length: int
) -> None:
    sizes = {
        "vocab_size": num_outputs + num_sources,
        "num_outputs": num_outputs,
        "context_length": context_length,
    }
    model = build_model(config, **sizes, seed=0)
    total = sum(parameter.numel() for parameter in model.parameters())
    embedding = sum(
        parameter.numel()
        for module in model.modules()
        if isinstance(module, TokenEmbedding | LearnedPositions)
        for parameter in module.parameters()
    )
    count = count_parameters(config, **sizes)
    assert (count.total, count.non_embedding) == (total, total - embedding)


@pytest.mark.science
def test_count_of_parameters_of_nanogpt_is_the_published_number() -> None:
    # nanoGPT prints 0.80M for this shape of train_shakespeare_char on a CPU; method.md, row 10.
    shape = {"num_layers": 4, "d_model": 128, "num_heads": 4}
    config = GPTConfig.model_validate({"type": "gpt", **shape})
    assert count_parameters(config, vocab_size=65, context_length=64).total == 804_096


@pytest.mark.science
@pytest.mark.parametrize(("num_encoder_layers", "num_decoder_layers"), [(1, 2), (3, 1)])
def test_count_of_parameters_with_biases_is_that_of_torch(
    num_encoder_layers: int, num_decoder_layers: int
) -> None:
    """Method.md, row 10: nn.Transformer's layers and its two last norms."""
    d, f = 24, 80
    config = make_config(
        "transformer",
        num_encoder_layers=num_encoder_layers,
        num_decoder_layers=num_decoder_layers,
        d_model=d,
        num_heads=4,
        d_ff=f,
        bias=True,
    )
    reference = torch.nn.Transformer(
        d, 4, num_encoder_layers, num_decoder_layers, f, batch_first=True
    )
    expected = sum(parameter.numel() for parameter in reference.parameters())
    assert count_parameters(config, vocab_size=9, context_length=8).non_embedding == expected
    formula = (
        num_encoder_layers * (4 * d * d + 4 * d + 2 * d * f + d + f + 4 * d)
        + num_decoder_layers * (8 * d * d + 8 * d + 2 * d * f + d + f + 6 * d)
        + 4 * d
    )
    assert formula == expected


def test_count_of_parameters_at_each_size_is_what_the_size_promises(model_type: str) -> None:
    for size, promised in {"small": 0.2e6, "default": 1e6, "large": 10e6}.items():
        sized = make_config(model_type, size=size)
        total = count_parameters(sized, vocab_size=100, context_length=64).total
        assert abs(total / promised - 1) <= 0.15, (size, total)


def counted_flops(forward: Callable[[], torch.Tensor]) -> int:
    """Of the matrix products of a training step."""
    # The counter knows matrix products, not the CPU's fused kernels of attention and cells.
    kernels = torch.backends.mkldnn.flags(enabled=False)
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH), kernels:
        forward().sum().backward()  # type: ignore[no-untyped-call]
    return int(counter.get_total_flops())


@pytest.mark.filterwarnings("ignore:TF32 acceleration")  # torch's, on touching its mkldnn flags
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(configs(ATTENTION_TYPES), st.integers(2, 30), st.sampled_from([2, 4, 16]))
def test_flops_for_any_config_equal_those_counted_in_a_step(
    config: AnyModelConfig, vocab_size: int, context_length: int
) -> None:
    model = build_model(config, vocab_size=vocab_size, context_length=context_length, seed=0)
    tokens_BT = torch.zeros(3, context_length, dtype=torch.int64)
    num_targets = model.targets_per_window(context_length)
    flops = counted_flops(lambda: model.next_token_logits(tokens_BT, num_targets))
    counted = flops / tokens_BT.numel()
    formula = flops_per_token(config, vocab_size=vocab_size, context_length=context_length)
    assert int(counted) == formula


@pytest.mark.filterwarnings("ignore:TF32 acceleration")  # torch's, on touching its mkldnn flags
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(configs(ATTENTION_TYPES), st.integers(1, 6), st.integers(1, 6))
def test_flops_of_pairs_for_any_config_equal_those_counted_in_a_step(
    config: AnyModelConfig, source_length: int, target_length: int
) -> None:
    model = build_model(config, vocab_size=13, num_outputs=9, context_length=16, seed=0)
    pairs = PairBatch(
        source_BS=torch.zeros(3, source_length, dtype=torch.int64),
        source_lengths_B=torch.full((3,), source_length),
        target_BN=torch.zeros(3, target_length, dtype=torch.int64),
        target_lengths_B=torch.full((3,), target_length),
        start_token=10,
    )
    length = source_length + target_length
    counted = counted_flops(lambda: model.pair_logits(pairs)) / (3 * length)
    formula = pair_flops_per_token(
        config, num_outputs=9, source_length=source_length, target_length=target_length
    )
    assert int(counted) == formula
