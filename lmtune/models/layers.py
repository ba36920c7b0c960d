"""The smallest parts that architectures are built from: linear maps, norms, dropout.

All weights are drawn from torch's global generator in the order of construction. Shape letters:
see `language_model.py`.
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from lmtune.spec.model import AttentionConfig

LINEAR_STD = 0.55
"""Times 1 / sqrt(in_features): the 0.02 of GPT-2 at its width of 768, kept alike at all widths."""

NORM_EPSILON = 1e-5
"""Added to the variance, or to the mean square, so that a vector of zeros stays finite."""


def make_dropout(p: float) -> nn.Module:
    """Dropout; for 0 nothing at all, since dropout would copy its input even then."""
    return nn.Dropout(p) if p > 0 else nn.Identity()


def make_linear(
    in_features: int, out_features: int, *, has_bias: bool, scale: float = 1.0
) -> nn.Linear:
    """A linear map whose normal weights start `scale` times as wide as usual, its bias at 0."""
    linear = nn.Linear(in_features, out_features, bias=has_bias)
    nn.init.normal_(linear.weight, std=scale * LINEAR_STD / math.sqrt(in_features))
    if has_bias:
        nn.init.zeros_(linear.bias)
    return linear


class RMSNorm(nn.RMSNorm):
    """Root mean square norm, in fp32 under autocast too. Source: Zhang and Sennrich 2019, eq. 4."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the last dimension."""
        return super().forward(x.float())


def make_norm(config: AttentionConfig, width: int, *, has_bias: bool) -> nn.Module:
    """A norm over the last dimension with a gain a value; only a layer norm may have a bias.

    Source: Ba et al. 2016, sec. 3 (layernorm).
    """
    if config.norm == "rmsnorm":
        return RMSNorm(width, eps=NORM_EPSILON)
    return nn.LayerNorm(width, eps=NORM_EPSILON, bias=has_bias)


def count_norm(config: AttentionConfig, width: int, *, has_bias: bool) -> int:
    """Count the weights of a norm."""
    return width * (2 if has_bias and config.norm == "layernorm" else 1)
