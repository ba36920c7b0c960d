"""Attention and its stack against independent references."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from lmtune.models.layers import CrossAttention, Layer, LayerStack, SelfAttention
from lmtune.models.transformer import Transformer
from lmtune.spec.model import GPTConfig, TransformerConfig

CONFIG = GPTConfig(type="gpt", num_layers=2, d_model=24, num_heads=3, d_ff=96)


def random(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def reference_attention(*weights: Tensor) -> nn.MultiheadAttention:
    """Torch's own attention with the weights of query, key, value (stacked), and output."""
    attention = nn.MultiheadAttention(24, 3, bias=False, batch_first=True)
    in_weight, out_weight = weights
    attention.load_state_dict({"in_proj_weight": in_weight, "out_proj.weight": out_weight})
    return attention


@pytest.mark.parametrize("is_causal", [False, True])
def test_self_attention_equals_that_of_torch(is_causal: bool) -> None:
    attention = SelfAttention(CONFIG, is_causal=is_causal, output_scale=1.0)
    x_BTD = random(2, 5, 24)
    reference = reference_attention(attention.query_key_value.weight, attention.output.weight)
    mask_TT = nn.Transformer.generate_square_subsequent_mask(5) if is_causal else None
    expected_BTD, _ = reference(x_BTD, x_BTD, x_BTD, attn_mask=mask_TT, need_weights=False)
    torch.testing.assert_close(attention(x_BTD), expected_BTD)


def test_cross_attention_equals_that_of_torch() -> None:
    attention = CrossAttention(CONFIG, output_scale=1.0)
    x_BTD, memory_BSD = random(2, 5, 24), random(2, 7, 24)
    in_weight = torch.cat([attention.query.weight, attention.key_value.weight])
    reference = reference_attention(in_weight, attention.output.weight)
    expected_BTD, _ = reference(x_BTD, memory_BSD, memory_BSD, need_weights=False)
    torch.testing.assert_close(attention(x_BTD, memory_BSD), expected_BTD)


def test_self_attention_equals_softmax_written_by_hand() -> None:
    attention = SelfAttention(CONFIG, is_causal=True, output_scale=1.0)
    x_TD = random(6, 24)
    q_TD, k_TD, v_TD = attention.query_key_value(x_TD).split(24, dim=-1)
    heads = []
    for head in (slice(0, 8), slice(8, 16), slice(16, 24)):
        scores_TT = q_TD[:, head] @ k_TD[:, head].T / math.sqrt(8)
        weights_TT = scores_TT.exp().tril()
        heads.append(weights_TT / weights_TT.sum(-1, keepdim=True) @ v_TD[:, head])
    expected_TD = torch.cat(heads, dim=-1) @ attention.output.weight.T
    torch.testing.assert_close(attention(x_TD[None])[0], expected_TD)


def test_layer_without_memory_equals_the_pre_norm_encoder_layer_of_torch() -> None:
    layer = Layer(CONFIG, is_causal=False, has_memory=False, output_scale=1.0)
    reference = nn.TransformerEncoderLayer(
        24, 3, 96, dropout=0.0, activation="gelu", batch_first=True, norm_first=True, bias=False
    )
    names = {
        "self_attention_norm": "norm1",
        "self_attention.query_key_value.weight": "self_attn.in_proj_weight",
        "self_attention.output": "self_attn.out_proj",
        "feed_forward_norm": "norm2",
        "feed_forward.hidden": "linear1",
        "feed_forward.output": "linear2",
    }
    reference.load_state_dict(renamed(layer, names))
    x_BTD = random(2, 5, 24)
    torch.testing.assert_close(layer(x_BTD, None), reference(x_BTD))


def renamed(module: nn.Module, names: dict[str, str]) -> dict[str, Tensor]:
    state = {}
    for name, tensor in module.state_dict().items():
        for ours, theirs in names.items():
            name = name.replace(ours, theirs)
        state[name] = tensor
    return state


@pytest.mark.parametrize(("has_memory", "num_writers"), [(False, 4), (True, 6)])
def test_maps_to_the_residual_stream_start_smaller_by_root_of_their_number(
    has_memory: bool, num_writers: int
) -> None:
    wide = GPTConfig(type="gpt", num_layers=2, d_model=96, num_heads=2, d_ff=384)
    stack = LayerStack(wide, num_layers=2, context_length=4, is_causal=True, has_memory=has_memory)
    for name, module in stack.named_modules():
        if isinstance(module, nn.Linear):
            shrink = math.sqrt(num_writers) if name.endswith("output") else 1
            usual = 0.55 / math.sqrt(module.in_features)
            assert module.weight.std().item() == pytest.approx(usual / shrink, rel=0.05), name


def small_transformer() -> Transformer:
    config = TransformerConfig.model_validate({"type": "transformer", "size": "small"})
    return Transformer(config, vocab_size=7, context_length=6)


def test_encoder_sees_the_whole_source_at_every_position() -> None:
    model = small_transformer()
    source_BS = torch.tensor([[1, 2, 3, 4, 5]])
    before_BSD = model.encode(source_BS)
    after_BSD = model.encode(source_BS.index_fill(1, torch.tensor([4]), 0))
    assert ((after_BSD - before_BSD).abs().amax(-1) > 1e-6).all()


def test_decoder_alone_over_memory_gives_the_logits_of_the_window() -> None:
    model = small_transformer()
    tokens_BT = torch.tensor([[1, 2, 3, 4, 5, 6]])
    logits_BNV = model.decode(tokens_BT[:, 2:], model.encode(tokens_BT[:, :2]))
    assert torch.equal(model.next_token_logits(tokens_BT, 4), logits_BNV)
    whole_BTV = model.decode(tokens_BT, model.encode(tokens_BT[:, :1]))
    assert torch.equal(model.next_token_logits(tokens_BT, 6), whole_BTV)
