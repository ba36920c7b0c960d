"""Attention of a sequence to itself or to another. Shape letters: see `language_model.py`."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the field's name

from lmtune.models.layers import count_norm, make_linear, make_norm
from lmtune.models.positions import rotate
from lmtune.spec.model import AttentionConfig

CACHE_STEP = 64
"""Tokens that a cache grows by; does not matter to the numbers."""


class KeysValues(NamedTuple):
    """What is looked up and what is found there, in the heads of a layer.

    Attributes:
        keys: (B, H of keys, S, K).
        values: of the same shape.
    """

    keys: Tensor
    values: Tensor

    def select(self, rows_B: Tensor) -> KeysValues:
        """Those of other rows."""
        return KeysValues(self.keys.index_select(0, rows_B), self.values.index_select(0, rows_B))


class KeyValueCache:
    """Keys and values of the tokens that a layer has read, with room for some more.

    Attributes:
        length: tokens read.
    """

    def __init__(self) -> None:
        self.length = 0
        self._room: KeysValues | None = None

    def append(self, new: KeysValues) -> KeysValues:
        """Keep those of the next tokens; returns all."""
        start, self.length = self.length, self.length + new.keys.shape[2]
        self._make_room(new)
        found = self._filled()
        for kept, added in zip(found, new, strict=True):
            kept[:, :, start:] = added
        return found

    def select(self, rows_B: Tensor) -> KeyValueCache:
        """The cache of other rows."""
        other = KeyValueCache()
        other.length = self.length
        other._room = None if self._room is None else self._room.select(rows_B)
        return other

    def _make_room(self, new: KeysValues) -> None:
        if self._room is not None and self._room.keys.shape[2] >= self.length:
            return
        size = -(-self.length // CACHE_STEP) * CACHE_STEP
        old = self._room
        self._room = KeysValues(*(x.new_empty(*x.shape[:2], size, x.shape[3]) for x in new))
        if old is not None:
            for kept, grown in zip(old, self._room, strict=True):
                grown[:, :, : kept.shape[2]] = kept

    def _filled(self) -> KeysValues:
        assert self._room is not None
        return KeysValues(*(x[:, :, : self.length] for x in self._room))


class Sight(NamedTuple):
    """What the queries of a call see of the keys: the same for all layers of a stack.

    Attributes:
        is_causal: queries and keys are of the same tokens, and each sees those up to its own.
        mask: otherwise: True where a key is seen, or a float added to the scores; broadcasts to
            (B, H, T, S). None: every query sees every key.
        turns_TK: what queries and keys are turned by; see `Positions.turns`.
    """

    is_causal: bool = False
    mask: Tensor | None = None
    turns_TK: Tensor | None = None


class Attention(nn.Module):
    """What self-attention and cross-attention share: heads, their mixing, the way back.

    Groups of query heads share a head of keys and values where there are fewer of them. Queries and
    keys are normalised in each head where `qk_norm` is set, without a bias: one of the keys would
    change nothing.

    Source: Vaswani et al. 2017, sec. 3.2; Ainslie et al. 2023 (groups); Henry et al. 2020 and
    Dehghani et al. 2023, sec. 2 (norms).
    """

    def __init__(self, config: AttentionConfig, *, output_scale: float) -> None:
        super().__init__()
        self.head_size = _head_size(config)
        self.is_grouped = config.num_kv_heads < config.num_heads
        self.dropout = config.attention_dropout
        self.output = make_linear(
            config.d_model, config.d_model, has_bias=config.bias, scale=output_scale
        )
        self.query_norm, self.key_norm = (
            make_norm(config, self.head_size, has_bias=False) if config.qk_norm else nn.Identity()
            for _ in range(2)
        )

    def split_heads(self, x_BTD: Tensor) -> Tensor:
        """Make (B, H, T, K) of (B, T, D); a view."""
        return x_BTD.view(*x_BTD.shape[:2], -1, self.head_size).transpose(1, 2)

    def mix(self, q_BHTK: Tensor, found: KeysValues, sight: Sight) -> Tensor:
        """Mix values by the similarity of queries to keys, in every head apart; gives (B, T, D)."""
        mixed_BHTK = F.scaled_dot_product_attention(
            q_BHTK,
            *found,
            attn_mask=sight.mask,
            dropout_p=self.dropout if self.training else 0.0,
            is_causal=sight.is_causal,
            enable_gqa=self.is_grouped,
        )
        mixed_BTD: Tensor = self.output(mixed_BHTK.transpose(1, 2).flatten(2))
        return mixed_BTD


class SelfAttention(Attention):
    """Positions of one sequence attend to each other."""

    def __init__(self, config: AttentionConfig, *, output_scale: float) -> None:
        super().__init__(config, output_scale=output_scale)
        self.widths = [config.d_model, *2 * [_key_value_width(config) // 2]]
        self.query_key_value = make_linear(config.d_model, sum(self.widths), has_bias=config.bias)

    def forward(self, x_BTD: Tensor, sight: Sight, cache: KeyValueCache | None = None) -> Tensor:
        """Return what each position gathered, (B, T, D).

        Args:
            x_BTD: the sequence, or what comes after the tokens in the cache.
            sight: over the sequence, and the cache's tokens before it.
            cache: takes in the keys and values.
        """
        q, k, v = map(self.split_heads, self.query_key_value(x_BTD).split(self.widths, dim=-1))
        q, k = self.query_norm(q), self.key_norm(k)
        if sight.turns_TK is not None:
            q, k = rotate(q, sight.turns_TK), rotate(k, sight.turns_TK)
        found = KeysValues(k, v)
        return self.mix(q, found if cache is None else cache.append(found), sight)


class CrossAttention(Attention):
    """Positions of one sequence attend to another, the memory, wherever they stand."""

    def __init__(self, config: AttentionConfig, *, output_scale: float) -> None:
        super().__init__(config, output_scale=output_scale)
        self.query = make_linear(config.d_model, config.d_model, has_bias=config.bias)
        self.key_value = make_linear(config.d_model, _key_value_width(config), has_bias=config.bias)

    def read(self, memory_BSD: Tensor) -> KeysValues:
        """Make the memory's keys and values."""
        k_BHSK, v_BHSK = map(self.split_heads, self.key_value(memory_BSD).chunk(2, dim=-1))
        return KeysValues(self.key_norm(k_BHSK), v_BHSK)

    def forward(self, x_BTD: Tensor, memory: KeysValues, sight: Sight) -> Tensor:
        """Return what each position of `x` gathered from the memory, (B, T, D)."""
        return self.mix(self.query_norm(self.split_heads(self.query(x_BTD))), memory, sight)


def count_attention(config: AttentionConfig) -> int:
    """Count the weights of a self-attention; those of a cross-attention are as many."""
    biases = 2 * config.d_model + _key_value_width(config) if config.bias else 0
    norms = 2 * count_norm(config, _head_size(config), has_bias=False) if config.qk_norm else 0
    return count_attention_products(config) + biases + norms


def count_attention_products(config: AttentionConfig) -> int:
    """Count the entries of the matrices that a token is multiplied with."""
    return 2 * config.d_model**2 + count_key_value_products(config)


def count_key_value_products(config: AttentionConfig) -> int:
    """Count those of keys and values alone."""
    return config.d_model * _key_value_width(config)


def _head_size(config: AttentionConfig) -> int:
    return config.d_model // config.num_heads


def _key_value_width(config: AttentionConfig) -> int:
    """Keys and values of all heads side by side."""
    return 2 * config.num_kv_heads * _head_size(config)
