"""What the architectures are built from: embedding, attention, feed-forward, stacks of layers.

One file serves the decoder-only and the encoder-decoder Transformer. Pre-norm, and no biases, in
linear maps and norms alike (nanoGPT, `bias=False`). All weights are drawn from torch's global
generator in the order of construction. Shape letters: see `language_model.py`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the field's name

from lmtune.spec.model import AttentionConfig

LINEAR_STD = 0.55
"""Times 1 / sqrt(in_features): the 0.02 of GPT-2 at its width of 768, kept alike at all widths."""

EMBEDDING_STD = 0.2
"""Times 1 / sqrt(d_model); also the spread of the first logits."""


class TokenEmbedding(nn.Module):
    """Token vectors that serve as input and, transposed, as output layer.

    One parameter used twice, rather than two that share memory: a state dict holds it once.
    Source: Press and Wolf 2017, sec. 3.
    """

    def __init__(self, vocab_size: int, width: int, *, std: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(vocab_size, width).normal_(std=std))

    def forward(self, tokens: Tensor) -> Tensor:
        """Look up int64 tokens of any shape (...); gives (..., width)."""
        return F.embedding(tokens, self.weight)

    def logits(self, x: Tensor) -> Tensor:
        """Score every token against vectors (..., width); gives (..., V)."""
        return F.linear(x, self.weight)


def attention_embedding_std(d_model: int) -> float:
    """Spread of token and position vectors at the start of an attention model.

    The head sees normalised vectors, of length sqrt(d_model). Dividing by it gives the first
    logits the same small spread at every width, so that the first loss is ln V.
    Differs: GPT-2 has 0.02 at every width, which starts 0.1 nats above ln V at width 384.
    """
    return EMBEDDING_STD / math.sqrt(d_model)


def make_dropout(p: float) -> nn.Module:
    """Dropout; for 0 nothing at all, since dropout would copy its input even then."""
    return nn.Dropout(p) if p > 0 else nn.Identity()


def make_linear(in_features: int, out_features: int, *, scale: float = 1.0) -> nn.Linear:
    """A linear map without bias, whose normal weights start `scale` times as wide as usual."""
    linear = nn.Linear(in_features, out_features, bias=False)
    nn.init.normal_(linear.weight, std=scale * LINEAR_STD / math.sqrt(in_features))
    return linear


class Attention(nn.Module):
    """What self-attention and cross-attention share: heads, their mixing, the way back.

    Source: Vaswani et al. 2017, sec. 3.2.
    """

    def __init__(self, config: AttentionConfig, *, is_causal: bool, output_scale: float) -> None:
        super().__init__()
        self.head_size = config.d_model // config.num_heads
        self.dropout = config.dropout
        self.is_causal = is_causal
        self.output = make_linear(config.d_model, config.d_model, scale=output_scale)

    def attend(self, q_BTD: Tensor, k_BSD: Tensor, v_BSD: Tensor) -> Tensor:
        """Mix values by the similarity of queries to keys, in every head apart; gives (B, T, D)."""
        q_BHTK, k_BHSK, v_BHSK = (
            x.view(*x.shape[:2], -1, self.head_size).transpose(1, 2) for x in (q_BTD, k_BSD, v_BSD)
        )
        mixed_BHTK = F.scaled_dot_product_attention(
            q_BHTK,
            k_BHSK,
            v_BHSK,
            dropout_p=self.dropout if self.training else 0.0,
            is_causal=self.is_causal,
        )
        mixed_BTD: Tensor = self.output(mixed_BHTK.transpose(1, 2).flatten(2))
        return mixed_BTD


class SelfAttention(Attention):
    """Positions of one sequence attend to each other, or to the earlier ones alone if causal."""

    def __init__(self, config: AttentionConfig, *, is_causal: bool, output_scale: float) -> None:
        super().__init__(config, is_causal=is_causal, output_scale=output_scale)
        self.query_key_value = make_linear(config.d_model, 3 * config.d_model)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Return what each position gathered, (B, T, D)."""
        return self.attend(*self.query_key_value(x_BTD).chunk(3, dim=-1))


class CrossAttention(Attention):
    """Positions of one sequence attend to all of another."""

    def __init__(self, config: AttentionConfig, *, output_scale: float) -> None:
        super().__init__(config, is_causal=False, output_scale=output_scale)
        self.query = make_linear(config.d_model, config.d_model)
        self.key_value = make_linear(config.d_model, 2 * config.d_model)

    def forward(self, x_BTD: Tensor, memory_BSD: Tensor) -> Tensor:
        """Return what each position of `x` gathered from `memory`, (B, T, D)."""
        return self.attend(self.query(x_BTD), *self.key_value(memory_BSD).chunk(2, dim=-1))


class FeedForward(nn.Module):
    """Two linear maps with a GELU between (Hendrycks and Gimpel 2016; the exact one, by erf)."""

    def __init__(self, config: AttentionConfig, *, output_scale: float) -> None:
        super().__init__()
        self.hidden = make_linear(config.d_model, config.d_ff)
        self.output = make_linear(config.d_ff, config.d_model, scale=output_scale)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Transform each position by itself, (B, T, D)."""
        x: Tensor = self.output(F.gelu(self.hidden(x_BTD)))
        return x


class Layer(nn.Module):
    """Self-attention, cross-attention where there is a memory, feed-forward; each added to x.

    Source: Xiong et al. 2020, fig. 1b (pre-norm).
    """

    def __init__(
        self,
        config: AttentionConfig,
        *,
        is_causal: bool,
        has_memory: bool,
        output_scale: float,
    ) -> None:
        super().__init__()
        self.self_attention_norm = nn.LayerNorm(config.d_model, bias=False)
        self.self_attention = SelfAttention(config, is_causal=is_causal, output_scale=output_scale)
        self.has_memory = has_memory
        if has_memory:
            self.cross_attention_norm = nn.LayerNorm(config.d_model, bias=False)
            self.cross_attention = CrossAttention(config, output_scale=output_scale)
        self.feed_forward_norm = nn.LayerNorm(config.d_model, bias=False)
        self.feed_forward = FeedForward(config, output_scale=output_scale)
        self.dropout = make_dropout(config.dropout)

    def forward(self, x_BTD: Tensor, memory_BSD: Tensor | None) -> Tensor:
        """Return the residual stream after this layer, (B, T, D)."""
        x_BTD = x_BTD + self.dropout(self.self_attention(self.self_attention_norm(x_BTD)))
        if self.has_memory:
            gathered_BTD = self.cross_attention(self.cross_attention_norm(x_BTD), memory_BSD)
            x_BTD = x_BTD + self.dropout(gathered_BTD)
        transformed_BTD = self.feed_forward(self.feed_forward_norm(x_BTD))
        output_BTD: Tensor = x_BTD + self.dropout(transformed_BTD)
        return output_BTD


class LayerStack(nn.Module):
    """Learned positions, layers, and a last norm: an encoder, or a decoder if causal.

    The maps that write to the residual stream start smaller by the square root of their number,
    so that its variance does not grow with depth. Source: Radford et al. 2019, sec. 2.3.
    """

    def __init__(
        self,
        config: AttentionConfig,
        *,
        num_layers: int,
        context_length: int,
        is_causal: bool,
        has_memory: bool = False,
    ) -> None:
        super().__init__()
        d_model = config.d_model
        num_writers = num_layers * (3 if has_memory else 2)
        output_scale = 1 / math.sqrt(num_writers)
        self.position = nn.Parameter(
            torch.empty(context_length, d_model).normal_(std=attention_embedding_std(d_model))
        )
        self.dropout = make_dropout(config.dropout)
        self.layers = nn.ModuleList(
            Layer(config, is_causal=is_causal, has_memory=has_memory, output_scale=output_scale)
            for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(d_model, bias=False)

    def forward(self, x_BTD: Tensor, memory_BSD: Tensor | None = None) -> Tensor:
        """Turn token vectors into normalised vectors that know their context, (B, T, D)."""
        x_BTD = self.dropout(x_BTD + self.position[: x_BTD.shape[1]])
        for layer in self.layers:
            x_BTD = layer(x_BTD, memory_BSD)
        normed_BTD: Tensor = self.norm(x_BTD)
        return normed_BTD


def count_layer_weights(config: AttentionConfig, *, has_memory: bool = False) -> int:
    """Count the entries of a layer's matrices: all that a token is multiplied with."""
    attention = 4 * config.d_model**2
    feed_forward = 2 * config.d_model * config.d_ff
    return attention * (2 if has_memory else 1) + feed_forward
