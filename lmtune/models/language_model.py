"""What every architecture offers to training, evaluation and generation.

Shape letters of this room: B batch, T time, S source time, N scored positions, D d_model,
E embedding_dim, G hidden_size (H is taken), H heads, K head size, L layers, V vocabulary.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class ParameterCount:
    """Trainable numbers of a model.

    Attributes:
        total: all of them, the tied embedding counted once.
        non_embedding: without token and position embeddings, as Kaplan et al. 2020 count.
    """

    total: int
    non_embedding: int


class LanguageModel(nn.Module, ABC):
    """A model of the next token. Subclasses implement `forward` and `targets_per_window`."""

    @abstractmethod
    def targets_per_window(self, context_length: int) -> int:
        """How many positions of a training window are scored: its last ones."""

    def next_token_logits(self, tokens_BT: Tensor, num_targets: int) -> Tensor:
        """Predict the token after each of the window's last `num_targets` positions.

        Args:
            tokens_BT: int64 token windows, 1 <= T <= context_length.
            num_targets: N, from 1 to T.

        Returns:
            float logits (B, N, V); those of a position depend on the tokens up to it alone.

        Raises:
            ValueError: `num_targets` is not within the window.
        """
        length = tokens_BT.shape[1]
        if not 1 <= num_targets <= length:
            raise ValueError(f"{num_targets=} is not from 1 to the window's {length} tokens")
        logits_BNV: Tensor = self(tokens_BT, num_targets)
        return logits_BNV

    @abstractmethod
    def forward(self, tokens_BT: Tensor, num_targets: int) -> Tensor:
        """Do the work of `next_token_logits`, whose arguments have been checked."""
