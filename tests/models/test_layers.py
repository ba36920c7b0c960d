"""The parts of a layer against independent references."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the field's name

from lmtune.models.attention import CrossAttention, SelfAttention, Sight
from lmtune.models.feed_forward import FeedForward
from lmtune.models.layer_stack import Layer
from lmtune.models.layers import make_norm
from lmtune.spec.model import GPTConfig

CAUSAL = Sight(is_causal=True)


def make(**fields: Any) -> GPTConfig:  # noqa: ANN401 - any field's value
    shape = {"num_layers": 2, "d_model": 24, "num_heads": 3, "d_ff": 96}
    return GPTConfig.model_validate({"type": "gpt", **shape, **fields})


def random(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def with_random_vectors(module: nn.Module) -> Any:  # noqa: ANN401 - what it was given
    """Its biases and gains, which all start alike, made random."""
    generator = torch.Generator().manual_seed(1)
    for parameter in module.parameters():
        if parameter.dim() == 1:
            nn.init.normal_(parameter, generator=generator)
    return module


def renamed(module: nn.Module, names: dict[str, str]) -> dict[str, Tensor]:
    state = {}
    for name, tensor in module.state_dict().items():
        for ours, theirs in names.items():
            name = name.replace(ours, theirs)
        state[name] = tensor
    return state


ATTENTION_NAMES = {"query_key_value.": "in_proj_", "output": "out_proj"}


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("is_causal", [False, True])
def test_self_attention_equals_that_of_torch(is_causal: bool, bias: bool) -> None:
    attention = with_random_vectors(SelfAttention(make(bias=bias), output_scale=1.0))
    x_BTD = random(2, 5, 24)
    reference = nn.MultiheadAttention(24, 3, bias=bias, batch_first=True)
    reference.load_state_dict(renamed(attention, ATTENTION_NAMES))
    mask_TT = nn.Transformer.generate_square_subsequent_mask(5) if is_causal else None
    expected_BTD, _ = reference(x_BTD, x_BTD, x_BTD, attn_mask=mask_TT, need_weights=False)
    torch.testing.assert_close(attention(x_BTD, Sight(is_causal)), expected_BTD)


def test_cross_attention_with_padding_equals_that_of_torch() -> None:
    attention = CrossAttention(make(), output_scale=1.0)
    x_BTD, memory_BSD = random(2, 5, 24), random(2, 7, 24)
    reference = nn.MultiheadAttention(24, 3, bias=False, batch_first=True)
    in_weight = torch.cat([attention.query.weight, attention.key_value.weight])
    reference.load_state_dict(
        {"in_proj_weight": in_weight, "out_proj.weight": attention.output.weight}
    )
    is_pad_BS = torch.arange(7) >= torch.tensor([[7], [4]])
    expected_BTD, _ = reference(
        x_BTD, memory_BSD, memory_BSD, key_padding_mask=is_pad_BS, need_weights=False
    )
    sight = Sight(mask=~is_pad_BS[:, None, None])
    torch.testing.assert_close(attention(x_BTD, attention.read(memory_BSD), sight), expected_BTD)


def test_self_attention_equals_softmax_written_by_hand() -> None:
    attention = SelfAttention(make(), output_scale=1.0)
    x_TD = random(6, 24)
    q_TD, k_TD, v_TD = attention.query_key_value(x_TD).split(24, dim=-1)
    heads = []
    for head in (slice(0, 8), slice(8, 16), slice(16, 24)):
        scores_TT = q_TD[:, head] @ k_TD[:, head].T / math.sqrt(8)
        weights_TT = scores_TT.exp().tril()
        heads.append(weights_TT / weights_TT.sum(-1, keepdim=True) @ v_TD[:, head])
    expected_TD = torch.cat(heads, dim=-1) @ attention.output.weight.T
    torch.testing.assert_close(attention(x_TD[None], CAUSAL)[0], expected_TD)


def test_grouped_heads_equal_heads_whose_keys_and_values_are_repeated() -> None:
    grouped = SelfAttention(make(num_heads=6, num_kv_heads=2), output_scale=1.0)
    full = SelfAttention(make(num_heads=6), output_scale=1.0)
    query, key, value = grouped.query_key_value.weight.split([24, 8, 8])  # type: ignore[no-untyped-call]
    repeated = [
        weight.view(2, 4, 24).repeat_interleave(3, dim=0).flatten(0, 1) for weight in (key, value)
    ]
    full.query_key_value.weight.data = torch.cat([query, *repeated])
    full.output.weight.data = grouped.output.weight
    x_BTD = random(2, 5, 24)
    torch.testing.assert_close(grouped(x_BTD, CAUSAL), full(x_BTD, CAUSAL))


@pytest.mark.parametrize("norm", ["layernorm", "rmsnorm"])
def test_qk_norm_normalises_queries_and_keys_in_each_head(norm: str) -> None:
    attention = with_random_vectors(SelfAttention(make(norm=norm, qk_norm=True), output_scale=1.0))
    x_TD = random(6, 24)
    q, k, v = (x.view(6, 3, 8) for x in attention.query_key_value(x_TD).split(24, dim=-1))
    if norm == "layernorm":
        q, k = q - q.mean(-1, keepdim=True), k - k.mean(-1, keepdim=True)
    q, k = (x * (x.square().mean(-1, keepdim=True) + 1e-5).rsqrt() for x in (q, k))
    q, k = q * attention.query_norm.weight, k * attention.key_norm.weight
    q_HTK, k_HTK, v_HTK = (x.transpose(0, 1) for x in (q, k, v))
    mixed_HTK = F.scaled_dot_product_attention(q_HTK, k_HTK, v_HTK, is_causal=True)
    expected_TD = mixed_HTK.transpose(0, 1).flatten(1) @ attention.output.weight.T
    torch.testing.assert_close(attention(x_TD[None], CAUSAL)[0], expected_TD)


def test_scores_with_qk_norm_do_not_grow_with_the_input() -> None:
    attention = SelfAttention(make(qk_norm=True), output_scale=1.0)
    x_BTD = random(1, 6, 24)
    larger_BTD = attention(100 * x_BTD, CAUSAL)
    torch.testing.assert_close(larger_BTD, 100 * attention(x_BTD, CAUSAL), rtol=0.02, atol=0.02)


@pytest.mark.parametrize("bias", [False, True])
def test_norms_equal_their_formulas(bias: bool) -> None:
    x_BD = 3 * random(4, 24) + 1
    deviation_BD = x_BD - x_BD.mean(-1, keepdim=True)
    layernorm = with_random_vectors(make_norm(make(norm="layernorm"), 24, has_bias=bias))
    expected_BD = deviation_BD / (deviation_BD.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    shift = layernorm.bias if bias else 0
    torch.testing.assert_close(layernorm(x_BD), expected_BD * layernorm.weight + shift)
    rmsnorm = with_random_vectors(make_norm(make(norm="rmsnorm"), 24, has_bias=bias))
    expected_BD = x_BD / (x_BD.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(rmsnorm(x_BD), expected_BD * rmsnorm.weight)


@pytest.mark.parametrize("activation", ["gelu", "relu", "relu_squared", "swiglu"])
def test_feed_forward_equals_its_formula(activation: str) -> None:
    part = with_random_vectors(FeedForward(make(activation=activation, bias=True), output_scale=1))
    x_BD = random(4, 24)
    hidden_BF = x_BD @ part.hidden.weight.T + part.hidden.bias
    match activation:
        case "gelu":
            mapped_BF = hidden_BF * (1 + torch.erf(hidden_BF / math.sqrt(2))) / 2
        case "relu":
            mapped_BF = hidden_BF * (hidden_BF > 0)
        case "relu_squared":
            mapped_BF = hidden_BF * hidden_BF * (hidden_BF > 0)
        case _:
            gate_BF, value_BF = hidden_BF[:, :96], hidden_BF[:, 96:]
            mapped_BF = gate_BF / (1 + torch.exp(-gate_BF)) * value_BF
    expected_BD = mapped_BF @ part.output.weight.T + part.output.bias
    torch.testing.assert_close(part(x_BD), expected_BD)


def test_swiglu_without_a_width_of_its_own_has_as_many_weights_as_gelu() -> None:
    for d_model in (24, 64, 128, 384):
        widths = {
            activation: GPTConfig.model_validate(
                {"type": "gpt", "num_layers": 1, "d_model": d_model, "activation": activation}
            ).d_ff
            for activation in ("gelu", "swiglu")
        }
        assert 3 * widths["swiglu"] == pytest.approx(2 * widths["gelu"], rel=0.05)


@pytest.mark.parametrize("norm_position", ["pre", "post"])
@pytest.mark.parametrize("activation", ["gelu", "relu"])
@pytest.mark.parametrize("bias", [False, True])
def test_layer_equals_the_encoder_layer_of_torch(
    norm_position: str, activation: str, bias: bool
) -> None:
    config = make(norm_position=norm_position, activation=activation, bias=bias)
    layer = with_random_vectors(Layer(config, has_memory=False, output_scale=1.0))
    reference = nn.TransformerEncoderLayer(
        24,
        3,
        96,
        dropout=0.0,
        activation=activation,
        batch_first=True,
        norm_first=norm_position == "pre",
        bias=bias,
    )
    names = {
        "self_attention.norm": "norm1",
        "self_attention.part.query_key_value.": "self_attn.in_proj_",
        "self_attention.part.output": "self_attn.out_proj",
        "feed_forward.norm": "norm2",
        "feed_forward.part.hidden": "linear1",
        "feed_forward.part.output": "linear2",
    }
    reference.load_state_dict(renamed(layer, names))
    x_BTD = random(2, 5, 24)
    torch.testing.assert_close(layer(x_BTD, Sight()), reference(x_BTD))
