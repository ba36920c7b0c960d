"""What every architecture offers to training, evaluation and generation.

Shape letters of this room: B batch, T time, S source time, N scored positions, M scored tokens of
all rows, D d_model, E embedding_dim, G hidden_size (H is taken), H heads, K head size, L layers,
V vocabulary, of which the first O tokens can be predicted.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor, nn

from lmtune.models.pairs import PairBatch


@dataclass(frozen=True)
class ParameterCount:
    """Trainable numbers of a model.

    Attributes:
        total: all of them, a tied embedding counted once.
        non_embedding: without token and position embeddings and an output layer of its own, as
            Kaplan et al. 2020 count.
    """

    total: int
    non_embedding: int


class Stream(ABC):
    """What a model remembers of the tokens that it has read, one text a row.

    A stream may be changed by the step that goes on from it: use what the step returns.

    Attributes:
        num_free: how many more tokens can be read; None for any number.
    """

    num_free: int | None

    @abstractmethod
    def select(self, rows_B: Tensor) -> Stream:
        """The stream of other rows: some left out, some twice, in any order (int64 indices)."""


class LanguageModel(nn.Module, ABC):
    """A model of the next token, of a running text or of a target given its source.

    Four ways to use it, all with the same numbers: `next_token_logits` scores the end of each
    window at once, `pair_logits` the targets of pairs; `open_stream` and `open_pair_stream` with
    `step` do the same token by token, for generation.
    """

    @abstractmethod
    def targets_per_window(self, context_length: int) -> int:
        """How many positions of a training window are scored: its last ones."""

    def next_token_logits(self, tokens_BT: Tensor, num_targets: int) -> Tensor:
        """Predict the token after each of the window's last `num_targets` positions.

        Args:
            tokens_BT: int64 token windows, 1 <= T <= context_length.
            num_targets: N, from 1 to T.

        Returns:
            float logits (B, N, O); those of a position depend on the tokens up to it alone.

        Raises:
            ValueError: `num_targets` is not within the window.
        """
        length = tokens_BT.shape[1]
        if not 1 <= num_targets <= length:
            raise ValueError(f"{num_targets=} is not from 1 to the window's {length} tokens")
        logits_BNO: Tensor = self(tokens_BT, num_targets)
        return logits_BNO

    @abstractmethod
    def forward(self, tokens_BT: Tensor, num_targets: int) -> Tensor:
        """Do the work of `next_token_logits`, whose arguments have been checked."""

    @abstractmethod
    def pair_logits(self, pairs: PairBatch) -> Tensor:
        """Predict each token of the targets from the source and the target's tokens before it.

        Args:
            pairs: no source with its target and start token longer than context_length.

        Returns:
            float logits (M, O), in the order of `pairs.targets_M`; those of a row depend neither
            on padding nor on other rows.
        """

    @abstractmethod
    def open_stream(self, prompt_BT: Tensor) -> tuple[Tensor, Stream]:
        """Read the beginning of a text that is to be gone on with.

        The logits are those of `next_token_logits(prompt_BT, 1)`, and those of later steps are
        what it says of the same tokens. A caller whose stream is full opens another with the last
        half of context_length tokens.

        Args:
            prompt_BT: int64, 1 <= T <= context_length.

        Returns:
            float logits (B, O) of the next token, and the stream to go on with.
        """

    @abstractmethod
    def open_pair_stream(self, source_BS: Tensor, start_token: int) -> tuple[Tensor, Stream]:
        """Read sources of one length whose targets are to be written.

        Args:
            source_BS: int64, without padding, S + 1 <= context_length.
            start_token: what stands between source and target.

        Returns:
            float logits (B, O) of the target's first token, and the stream to go on with.
        """

    @abstractmethod
    def step(self, tokens_B: Tensor, stream: Stream) -> tuple[Tensor, Stream]:
        """Read one more token a row.

        Args:
            tokens_B: int64.
            stream: of an earlier call, not full.

        Returns:
            float logits (B, O) of the next token, and the stream to go on with.
        """
