"""What a layer does to each position by itself. Shape letters: see `language_model.py`."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the field's name

from lmtune.models.layers import make_linear
from lmtune.spec.model import AttentionConfig


def relu_squared(x: Tensor) -> Tensor:
    """The square of what is positive. Source: So et al. 2021, sec. 3.1."""
    return F.relu(x).square()


def swiglu(x: Tensor) -> Tensor:
    """The second half times a gate, the SiLU of the first. Source: Shazeer 2020, eq. 6."""
    gate, value = x.chunk(2, dim=-1)
    return F.silu(gate) * value


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,  # the exact one, by erf: Hendrycks and Gimpel 2016, sec. 2
    "relu": F.relu,
    "relu_squared": relu_squared,
    "swiglu": swiglu,
}


class FeedForward(nn.Module):
    """Two linear maps with an activation between. Source: Vaswani et al. 2017, sec. 3.3."""

    def __init__(self, config: AttentionConfig, *, output_scale: float) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[config.activation]
        self.hidden = make_linear(config.d_model, _hidden_width(config), has_bias=config.bias)
        self.output = make_linear(
            config.d_ff, config.d_model, has_bias=config.bias, scale=output_scale
        )

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Transform each position by itself, (B, T, D)."""
        x: Tensor = self.output(self.activation(self.hidden(x_BTD)))
        return x


def count_feed_forward(config: AttentionConfig) -> int:
    """Count the weights of a `FeedForward`."""
    biases = _hidden_width(config) + config.d_model if config.bias else 0
    return count_feed_forward_products(config) + biases


def count_feed_forward_products(config: AttentionConfig) -> int:
    """Count the entries of its matrices."""
    return config.d_model * (_hidden_width(config) + config.d_ff)


def _hidden_width(config: AttentionConfig) -> int:
    """How much the activation takes in: twice what it gives where half is a gate."""
    return config.d_ff * (2 if config.activation == "swiglu" else 1)
