"""What the recurrent architectures share: embedding, a stack of cells, projection, tied head.

Inside, time comes first: the embedding is gathered in the order in which the cells read it.
Shape letters: see `language_model.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor, nn

from lmtune.models.language_model import LanguageModel, ParameterCount
from lmtune.models.layers import TokenEmbedding, make_dropout
from lmtune.spec.model import RecurrentConfig

EMBEDDING_STD = 0.8
"""Times 1 / sqrt(embedding_dim): wide enough to learn fast, narrow enough to start at ln V."""

State = Tensor | tuple[Tensor, Tensor]
"""What the cells of all layers remember, as the torch module has it: h_LBG, or (h_LBG, c_LBG)."""


class RecurrentLanguageModel(LanguageModel):
    """Reads tokens one after the other and keeps what it knows in a state of fixed size.

    Args:
        config: the dimensions.
        vocab_size: V.
        cell: the torch module of the architecture, such as `nn.LSTM`.

    The output layer is the input embedding, reached through a projection where widths differ. The
    head needs short vectors, for the first loss to be ln V, the cells need long ones, or they learn
    very slowly; so the cells see the vectors scaled up to unit variance.

    Source: Mikolov et al. 2010; dropout on all but the recurrent connections by Zaremba et al.
    2014; scaling of a tied embedding by Vaswani et al. 2017, sec. 3.4.
    """

    def __init__(
        self, config: RecurrentConfig, *, vocab_size: int, cell: Callable[..., nn.RNNBase]
    ) -> None:
        super().__init__()
        std = EMBEDDING_STD / math.sqrt(config.embedding_dim)
        self.embedding = TokenEmbedding(vocab_size, config.embedding_dim, std=std)
        self.input_scale = 1 / std
        self.dropout = make_dropout(config.dropout)
        self.cells = cell(
            config.embedding_dim,
            config.hidden_size,
            config.num_layers,
            # Between layers: with one layer there is no such place, and torch warns.
            dropout=config.dropout if config.num_layers > 1 else 0.0,
        )
        self.projection: nn.Module = (
            nn.Linear(config.hidden_size, config.embedding_dim, bias=False)
            if config.hidden_size != config.embedding_dim
            else nn.Identity()
        )

    def targets_per_window(self, context_length: int) -> int:
        """All of them."""
        return context_length

    def forward(self, tokens_BT: Tensor, num_targets: int) -> Tensor:
        """See `LanguageModel.next_token_logits`. The state starts from zero."""
        hidden_TBG, _ = self._run(tokens_BT, None)
        return self._logits(hidden_TBG[-num_targets:])

    def stream_logits(self, tokens_BT: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Go on reading where an earlier call stopped.

        Args:
            tokens_BT: the next tokens, of any number.
            state: what the earlier call returned; None at the start of a text.

        Returns:
            Logits (B, T, V) of the token after each position, and the state after the last.
        """
        hidden_TBG, state = self._run(tokens_BT, state)
        return self._logits(hidden_TBG), state

    def _run(self, tokens_BT: Tensor, state: State | None) -> tuple[Tensor, State]:
        x_TBE = self.dropout(self.embedding(tokens_BT.T) * self.input_scale)
        hidden_TBG, state = self.cells(x_TBE, state)
        return hidden_TBG, state

    def _logits(self, hidden_NBG: Tensor) -> Tensor:
        x_BNE = self.projection(self.dropout(hidden_NBG.transpose(0, 1)))
        return self.embedding.logits(x_BNE)


def count_recurrent_parameters(
    config: RecurrentConfig, *, vocab_size: int, num_gates: int
) -> ParameterCount:
    """Count without building; torch's cells have two bias vectors a gate."""
    biases = config.num_layers * num_gates * 2 * config.hidden_size
    non_embedding = _count_weights(config, num_gates) + biases
    embedding = vocab_size * config.embedding_dim
    return ParameterCount(total=embedding + non_embedding, non_embedding=non_embedding)


def recurrent_flops_per_token(config: RecurrentConfig, *, vocab_size: int, num_gates: int) -> int:
    """Count the training FLOPs of matrix products, the head's included: 6 a weight."""
    return 6 * (_count_weights(config, num_gates) + vocab_size * config.embedding_dim)


def _count_weights(config: RecurrentConfig, num_gates: int) -> int:
    """Count the entries of the cells' matrices and of the projection."""
    embedding_dim, hidden_size = config.embedding_dim, config.hidden_size
    inputs = embedding_dim + (config.num_layers - 1) * hidden_size
    cells = num_gates * hidden_size * (inputs + config.num_layers * hidden_size)
    return cells + (hidden_size * embedding_dim if hidden_size != embedding_dim else 0)
