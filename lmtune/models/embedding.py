"""Token vectors, and the output layer that is tied to them or not. Letters: `language_model.py`."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the field's name


class TokenEmbedding(nn.Module):
    """Token vectors, and the weights of the output layer: the same, transposed, where tied.

    A tied parameter is used twice, rather than two that share memory: a state dict holds it once.
    Source: Press and Wolf 2017, sec. 3.

    Args:
        vocab_size: V.
        width: of a token's vector.
        std: of the normal distribution that all weights start from.
        num_outputs: O; the first O tokens can be predicted.
        is_tied: whether the output layer is the embedding.
    """

    def __init__(
        self, vocab_size: int, width: int, *, std: float, num_outputs: int, is_tied: bool
    ) -> None:
        super().__init__()
        self.num_outputs = num_outputs
        self.weight = nn.Parameter(torch.empty(vocab_size, width).normal_(std=std))
        self.output_weight = (
            None if is_tied else nn.Parameter(torch.empty(num_outputs, width).normal_(std=std))
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Look up int64 tokens of any shape (...); gives (..., width)."""
        return F.embedding(tokens, self.weight)

    def logits(self, x: Tensor) -> Tensor:
        """Score every token that can be predicted against vectors (..., width); gives (..., O)."""
        if self.output_weight is not None:
            return F.linear(x, self.output_weight)
        if self.num_outputs == len(self.weight):
            return F.linear(x, self.weight)
        return F.linear(x, self.weight[: self.num_outputs])


def count_embedding(vocab_size: int, width: int, *, num_outputs: int, is_tied: bool) -> int:
    """Count the weights of a `TokenEmbedding`."""
    return (vocab_size if is_tied else vocab_size + num_outputs) * width
