"""Layers of attention and feed-forward, and stacks of them: an encoder, or a decoder.

The same for the decoder-only and the encoder-decoder Transformer. Shape letters: see
`language_model.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from lmtune.models.attention import (
    CrossAttention,
    KeysValues,
    KeyValueCache,
    SelfAttention,
    Sight,
    count_attention,
    count_attention_products,
    count_key_value_products,
)
from lmtune.models.feed_forward import (
    FeedForward,
    count_feed_forward,
    count_feed_forward_products,
)
from lmtune.models.language_model import Stream
from lmtune.models.layers import count_norm, make_dropout, make_norm
from lmtune.models.positions import make_positions
from lmtune.spec.model import AttentionConfig

EVERYTHING = Sight()


class Sublayer(nn.Module):
    """A part of a layer, whose result is added to what it was given, and the norm of the two.

    Source: Vaswani et al. 2017, sec. 3.1 (post-norm); Xiong et al. 2020, fig. 1b (pre-norm).
    """

    def __init__(self, config: AttentionConfig, part: nn.Module) -> None:
        super().__init__()
        self.is_pre_norm = config.norm_position == "pre"
        self.norm = make_norm(config, config.d_model, has_bias=config.bias)
        self.part = part
        self.dropout = make_dropout(config.residual_dropout)

    def forward(self, x_BTD: Tensor, *context: object) -> Tensor:
        """Return the residual stream after the part, which is given the context too."""
        output_BTD: Tensor
        if self.is_pre_norm:
            output_BTD = x_BTD + self.dropout(self.part(self.norm(x_BTD), *context))
        else:
            output_BTD = self.norm(x_BTD + self.dropout(self.part(x_BTD, *context)))
        return output_BTD


class Layer(nn.Module):
    """Self-attention, cross-attention where there is a memory, feed-forward."""

    def __init__(self, config: AttentionConfig, *, has_memory: bool, output_scale: float) -> None:
        super().__init__()
        scale = output_scale
        self.self_attention = Sublayer(config, SelfAttention(config, output_scale=scale))
        self.cross_attention = (
            Sublayer(config, CrossAttention(config, output_scale=scale)) if has_memory else None
        )
        self.feed_forward = Sublayer(config, FeedForward(config, output_scale=scale))

    def read_memory(self, memory_BSD: Tensor) -> KeysValues:
        """Make the keys and values of the memory."""
        assert self.cross_attention is not None
        assert isinstance(self.cross_attention.part, CrossAttention)
        return self.cross_attention.part.read(memory_BSD)

    def forward(
        self,
        x_BTD: Tensor,
        sight: Sight,
        cache: KeyValueCache | None = None,
        memory: KeysValues | None = None,
        memory_sight: Sight = EVERYTHING,
    ) -> Tensor:
        """Return the residual stream after this layer, (B, T, D); see the parts' arguments."""
        x_BTD = self.self_attention(x_BTD, sight, cache)
        if self.cross_attention is not None:
            x_BTD = self.cross_attention(x_BTD, memory, memory_sight)
        output_BTD: Tensor = self.feed_forward(x_BTD)
        return output_BTD


class LayerStream(Stream):
    """What the layers of a stack know of the tokens read, and of a memory.

    Args:
        caches: one a layer.
        memories: one a layer, or none at all.
        num_free: tokens that can be read.
    """

    def __init__(
        self, caches: Sequence[KeyValueCache], memories: Sequence[KeysValues], num_free: int
    ) -> None:
        self.caches = caches
        self.memories = memories
        self.num_free: int = num_free

    @property
    def num_read(self) -> int:
        """Tokens that were read."""
        return self.caches[0].length

    def select(self, rows_B: Tensor) -> LayerStream:
        """See `Stream.select`; the two share nothing."""
        return LayerStream(
            [cache.select(rows_B) for cache in self.caches],
            [memory.select(rows_B) for memory in self.memories],
            self.num_free,
        )


class LayerStack(nn.Module):
    """Positions, layers, and a norm: an encoder, or a decoder if causal.

    The maps that write to the residual stream start smaller by the square root of their number, so
    that its variance does not grow with depth (Radford et al. 2019, sec. 2.3). This is also what
    keeps a post-norm stack stable: each of its norms divides the gradient by the length of what it
    is given, and so by little (Xiong et al. 2020, sec. 3.3; Wang et al. 2022, with a number of its
    own). The norm stands behind the layers; with post-norm, which leaves them normalised, it stands
    before them, for the first layer to attend as the others do (Devlin et al. 2019).

    Args:
        config: of the model.
        num_layers: L.
        context_length: longest sequence.
        embedding_std: spread of the values of token vectors at the start.
        is_causal: whether positions see themselves and those before them alone.
        has_memory: whether layers attend to a memory too.
    """

    def __init__(
        self,
        config: AttentionConfig,
        *,
        num_layers: int,
        context_length: int,
        embedding_std: float,
        is_causal: bool,
        has_memory: bool = False,
    ) -> None:
        super().__init__()
        num_writers = num_layers * (3 if has_memory else 2)
        self.is_causal = is_causal
        self.is_pre_norm = config.norm_position == "pre"
        self.positions = make_positions(config, context_length, std=embedding_std)
        self.dropout = make_dropout(config.embedding_dropout)
        self.layers = nn.ModuleList(
            Layer(config, has_memory=has_memory, output_scale=1 / math.sqrt(num_writers))
            for _ in range(num_layers)
        )
        self.norm = make_norm(config, config.d_model, has_bias=config.bias)

    def forward(
        self,
        x_BTD: Tensor,
        memory_BSD: Tensor | None = None,
        *,
        is_token_BT: Tensor | None = None,
        is_memory_BS: Tensor | None = None,
    ) -> Tensor:
        """Turn token vectors into normalised vectors that know their context, (B, T, D).

        Args:
            x_BTD: token vectors.
            memory_BSD: what an encoder gave.
            is_token_BT: False where a position of an encoder is padding, which no other sees.
            is_memory_BS: False where one of the memory is.
        """
        sight = self._sight(0, x_BTD.shape[1], is_token_BT)
        memory_sight = EVERYTHING if is_memory_BS is None else Sight(mask=_row_mask(is_memory_BS))
        x_BTD = self._enter(x_BTD, 0)
        for layer in self._layers():
            memory = None if memory_BSD is None else layer.read_memory(memory_BSD)
            x_BTD = layer(x_BTD, sight, None, memory, memory_sight)
        return self._leave(x_BTD)

    def open(self, max_tokens: int, memory_BSD: Tensor | None = None) -> LayerStream:
        """A stream of so many tokens, none of them read; the memory has no padding."""
        memories = (
            []
            if memory_BSD is None
            else [layer.read_memory(memory_BSD) for layer in self._layers()]
        )
        return LayerStream([KeyValueCache() for _ in self.layers], memories, max_tokens)

    def read(self, x_BTD: Tensor, stream: LayerStream) -> Tensor:
        """Read the first tokens of a causal stack, or one more, as `forward` does; (B, T, D)."""
        start, length = stream.num_read, x_BTD.shape[1]
        assert self.is_causal
        assert start == 0 or length == 1
        if length > stream.num_free:
            raise ValueError(f"{length} tokens for a stream with room for {stream.num_free}")
        stream.num_free -= length
        sight = self._sight(start, length)
        memories: Sequence[KeysValues | None] = stream.memories or [None] * len(self.layers)
        x_BTD = self._enter(x_BTD, start)
        for layer, cache, memory in zip(self._layers(), stream.caches, memories, strict=True):
            x_BTD = layer(x_BTD, sight, cache, memory)
        return self._leave(x_BTD)

    def _layers(self) -> list[Layer]:
        """The layers, as what they are."""
        return cast(list[Layer], list(self.layers))

    def _enter(self, x_BTD: Tensor, start: int) -> Tensor:
        x_BTD = self.positions.add(x_BTD, start)
        entered_BTD: Tensor = self.dropout(x_BTD if self.is_pre_norm else self.norm(x_BTD))
        return entered_BTD

    def _leave(self, x_BTD: Tensor) -> Tensor:
        left_BTD: Tensor = self.norm(x_BTD) if self.is_pre_norm else x_BTD
        return left_BTD

    def _sight(self, start: int, length: int, is_token_BT: Tensor | None = None) -> Sight:
        """What positions see, the first of which is `start`."""
        turns_TK = self.positions.turns(start, length)
        bias_HTS = self.positions.score_bias(start, length)
        if bias_HTS is None:
            # A single position after others is the last: it sees all of them.
            is_causal = self.is_causal and start == 0
            mask = None if is_token_BT is None else _row_mask(is_token_BT)
            return Sight(is_causal, mask, turns_TK)
        if self.is_causal:
            hidden_TS = torch.ones_like(bias_HTS[0], dtype=torch.bool).triu(start + 1)
            bias_HTS = bias_HTS.masked_fill(hidden_TS, -math.inf)
        bias_BHTS = bias_HTS[None]
        if is_token_BT is not None:
            bias_BHTS = bias_BHTS.masked_fill(~_row_mask(is_token_BT), -math.inf)
        return Sight(False, bias_BHTS, turns_TK)


def count_layer_stack(config: AttentionConfig, *, num_layers: int, has_memory: bool = False) -> int:
    """Count the weights of a stack but for those of its positions."""
    num_attentions = 2 if has_memory else 1
    norm = count_norm(config, config.d_model, has_bias=config.bias)
    layer = num_attentions * (count_attention(config) + norm) + count_feed_forward(config) + norm
    return num_layers * layer + norm


def count_layer_products(config: AttentionConfig, *, has_memory: bool = False) -> int:
    """Count the entries of a layer's matrices; with a memory, not those of its keys and values."""
    attention = count_attention_products(config)
    if has_memory:
        attention = 2 * attention - count_key_value_products(config)
    return attention + count_feed_forward_products(config)


def _row_mask(is_token_BS: Tensor) -> Tensor:
    """The same for all heads and queries of a row."""
    return is_token_BS[:, None, None]
