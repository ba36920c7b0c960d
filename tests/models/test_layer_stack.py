"""Stacks of layers, and the encoder-decoder that is made of two."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lmtune.models.layer_stack import LayerStack
from lmtune.models.transformer import Transformer
from lmtune.spec.model import GPTConfig, TransformerConfig


def make_stack(
    *,
    num_layers: int = 2,
    is_causal: bool = True,
    has_memory: bool = False,
    **fields: Any,  # noqa: ANN401 - any field's value
) -> LayerStack:
    shape = {"num_layers": num_layers, "d_model": 96, "num_heads": 2}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return LayerStack(
            GPTConfig.model_validate({"type": "gpt", **shape, **fields}),
            num_layers=num_layers,
            context_length=8,
            embedding_std=0.02,
            is_causal=is_causal,
            has_memory=has_memory,
        )


def random(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("has_memory", "num_writers"), [(False, 4), (True, 6)])
def test_maps_to_the_residual_stream_start_smaller_by_root_of_their_number(
    has_memory: bool, num_writers: int
) -> None:
    for name, module in make_stack(has_memory=has_memory, bias=True).named_modules():
        if isinstance(module, nn.Linear):
            shrink = math.sqrt(num_writers) if name.endswith("output") else 1
            usual = 0.55 / math.sqrt(module.in_features)
            assert module.weight.std().item() == pytest.approx(usual / shrink, rel=0.05), name
            assert not module.bias.any()


@pytest.mark.parametrize("norm_position", ["pre", "post"])
def test_output_of_a_stack_is_normalised_whatever_the_input(norm_position: str) -> None:
    stack = make_stack(norm_position=norm_position)
    for scale in (1.0, 10.0, 100.0):
        output_BTD = stack(scale * random(2, 5, 96))
        variance_BT = output_BTD.var(-1, correction=0)
        torch.testing.assert_close(variance_BT, torch.ones(2, 5), rtol=0, atol=1e-3)


@pytest.mark.parametrize("norm_position", ["pre", "post"])
def test_gradient_at_the_start_reaches_the_lowest_of_many_layers(norm_position: str) -> None:
    """Post-norm stacks are known to lose it on the way down; see `LayerStack`."""
    stack = make_stack(num_layers=12, norm_position=norm_position)
    (stack(random(4, 8, 96)) * random(4, 8, 96)).sum().backward()
    norms = [
        torch.linalg.vector_norm(layer.get_parameter("feed_forward.part.hidden.weight").grad)
        for layer in (stack.layers[0], stack.layers[-1])
    ]
    assert 0.25 < norms[0] / norms[1] < 4


def small_transformer(**fields: Any) -> Transformer:  # noqa: ANN401 - any field's value
    config = TransformerConfig.model_validate({"type": "transformer", "size": "small", **fields})
    return Transformer(config, vocab_size=7, num_outputs=7, context_length=6).eval()


def test_encoder_sees_the_whole_source_at_every_position() -> None:
    model = small_transformer()
    source_BS = torch.tensor([[1, 2, 3, 4, 5]])
    before_BSD = model.encode(source_BS)
    after_BSD = model.encode(source_BS.index_fill(1, torch.tensor([4]), 0))
    assert ((after_BSD - before_BSD).abs().amax(-1) > 1e-6).all()


def test_encoder_of_a_running_text_reads_half_of_the_context_at_most() -> None:
    model = small_transformer()
    tokens_BT = torch.tensor([[1, 2, 3, 4, 5, 6]])
    logits_BNV = model.next_token_logits(tokens_BT, 1)
    before_BT = tokens_BT.clone()
    before_BT[:, :2] = 0  # the decoder reads the last token, the encoder the three before it
    assert torch.equal(model.next_token_logits(before_BT, 1), logits_BNV)
    read_BT = tokens_BT.clone()
    read_BT[:, 2] = 0
    assert not torch.equal(model.next_token_logits(read_BT, 1), logits_BNV)


def test_decoder_over_memory_gives_the_logits_of_the_window() -> None:
    model = small_transformer()
    tokens_BT = torch.tensor([[1, 2, 3, 4, 5, 6]])
    for num_targets, source in ((3, slice(0, 3)), (5, slice(0, 1)), (6, slice(0, 1))):
        target_BND = model.embedding(tokens_BT[:, -num_targets:])
        x_BND = model.decoder(target_BND, model.encode(tokens_BT[:, source]))
        expected_BNV = model.embedding.logits(x_BND)
        assert torch.equal(model.next_token_logits(tokens_BT, num_targets), expected_BNV)


def test_attention_sublayer_of_post_norm_normalises_the_sum() -> None:
    stack = make_stack(norm_position="post", residual_dropout=0.0)
    sublayer: Any = stack.layers[0].feed_forward
    x_BTD = random(2, 5, 96)
    torch.testing.assert_close(sublayer(x_BTD), sublayer.norm(x_BTD + sublayer.part(x_BTD)))
