"""How a stack of attention layers learns where its tokens stand, one class a kind.

A position is a token's number in its sequence, from 0. Where scores know distances alone, or not
even those (rotary, alibi, none), a text that begins with one token several times reads as if it
began with it once: whatever the scores, equal values mix to the same. Shape letters: see
`language_model.py`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from lmtune.spec.model import AttentionConfig

WAVE_BASE = 10_000
"""How much slower than the fastest the slowest wave is, almost; of both papers with waves."""


class Positions(nn.Module):
    """No positions at all, and what the other kinds change.

    A decoder still tells positions apart, since each sees another number of tokens; an encoder
    reads its source as a bag of tokens.

    Source: Kazemnejad et al. 2023 (NoPE).
    """

    def add(self, x_BTD: Tensor, start: int) -> Tensor:
        """Mark token vectors, the first of which stands at `start`."""
        return x_BTD

    def turns(self, start: int, length: int) -> Tensor | None:
        """What `rotate` turns the queries and keys of each head by; None for not at all."""
        return None

    def score_bias(self, start: int, length: int) -> Tensor | None:
        """What is added to the scores of queries from `start` on with all keys up to their end.

        Returns:
            float (H, length, start + length), or None for nothing.
        """
        return None


class LearnedPositions(Positions):
    """A learned vector for each position. Source: Radford et al. 2019.

    Args:
        num_positions: how many.
        width: D.
        std: of the normal distribution that the vectors start from.
    """

    def __init__(self, num_positions: int, width: int, *, std: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(num_positions, width).normal_(std=std))

    def add(self, x_BTD: Tensor, start: int) -> Tensor:
        """Add the vectors of the positions."""
        return x_BTD + self.weight[start : start + x_BTD.shape[1]]


class SinusoidalPositions(Positions):
    """Sines and cosines of the position, of ever slower waves.

    Source: Vaswani et al. 2017, sec. 3.5. Differs: not token vectors are scaled up, but the waves
    down, to the spread that learned positions start with.

    Args:
        num_positions: how many.
        width: D.
        std: root mean square of the values.
    """

    table_TD: Tensor

    def __init__(self, num_positions: int, width: int, *, std: float) -> None:
        super().__init__()
        angles = _angles(num_positions, width)
        waves = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)[:, :width]
        self.register_buffer("table_TD", (math.sqrt(2) * std * waves).float(), persistent=False)

    def add(self, x_BTD: Tensor, start: int) -> Tensor:
        """Add the vectors of the positions."""
        return x_BTD + self.table_TD[start : start + x_BTD.shape[1]]


class RotaryPositions(Positions):
    """Queries and keys are turned by their position: a score depends on how far apart they are.

    Source: Su et al. 2021, sec. 3.2.2.

    Args:
        num_positions: how many.
        head_size: K, even.
    """

    turns_TK: Tensor

    def __init__(self, num_positions: int, head_size: int) -> None:
        super().__init__()
        angles = _angles(num_positions, head_size)
        turns = torch.polar(torch.ones_like(angles), angles).to(torch.complex64)
        self.register_buffer("turns_TK", turns, persistent=False)

    def turns(self, start: int, length: int) -> Tensor:
        """Complex numbers of length 1, (length, K / 2)."""
        return self.turns_TK[start : start + length]


class AlibiPositions(Positions):
    """Scores fall with the distance of query and key, in each head at a rate of its own.

    Source: Press et al. 2022, sec. 3. Differs: an encoder has it too, alike in both directions.
    """

    slopes_H: Tensor

    def __init__(self, num_heads: int) -> None:
        super().__init__()
        self.register_buffer("slopes_H", torch.tensor(alibi_slopes(num_heads)), persistent=False)

    def score_bias(self, start: int, length: int) -> Tensor:
        """Minus slope times distance."""
        keys_S = torch.arange(start + length, device=self.slopes_H.device)
        distances_TS = (keys_S[start:, None] - keys_S).abs()
        return distances_TS * -self.slopes_H[:, None, None]


def make_positions(config: AttentionConfig, context_length: int, *, std: float) -> Positions:
    """The kind that the config names, for sequences of up to `context_length` tokens.

    Args:
        config: of the model.
        context_length: tokens of the longest sequence.
        std: spread of the values of token vectors at the start.
    """
    match config.position:
        case "learned":
            return LearnedPositions(context_length, config.d_model, std=std)
        case "sinusoidal":
            return SinusoidalPositions(context_length, config.d_model, std=std)
        case "rotary":
            return RotaryPositions(context_length, config.d_model // config.num_heads)
        case "alibi":
            return AlibiPositions(config.num_heads)
        case "none":
            return Positions()


def count_positions(config: AttentionConfig, context_length: int) -> int:
    """Count the weights of `make_positions`."""
    return context_length * config.d_model if config.position == "learned" else 0


def rotate(x_BHTK: Tensor, turns_TK: Tensor) -> Tensor:
    """Turn each pair of neighbouring values, taken as a complex number; gives fp32."""
    pairs = torch.view_as_complex(x_BHTK.float().unflatten(-1, (-1, 2)))  # type: ignore[no-untyped-call]
    return torch.view_as_real(pairs * turns_TK).flatten(-2)


def alibi_slopes(num_heads: int) -> list[float]:
    """A slope for each head: a geometric series from 2 ** (-8 / H) to 2 ** -8.

    Where H is no power of 2, the heads beyond the last power take every other slope of the
    series of twice that power. Source: the code of Press et al. 2022.
    """
    power: int = 2 ** (num_heads.bit_length() - 1)
    series = [2.0 ** (-8 * head / power) for head in range(1, power + 1)]
    between = [2.0 ** (-4 * head / power) for head in range(1, 2 * power, 2)]
    return series + between[: num_heads - power]


def _angles(num_positions: int, width: int) -> Tensor:
    """Position times frequency, one frequency a pair of values: float64 (T, ceil(width / 2))."""
    frequencies = WAVE_BASE ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    return torch.arange(num_positions, dtype=torch.float64)[:, None] * frequencies
