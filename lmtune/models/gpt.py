"""GPT: a decoder-only Transformer. Source: Radford et al. 2019, sec. 2.3."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the field's name

from lmtune.models.attention_model import (
    AttentionLanguageModel,
    count_with_embedding,
    embedding_std,
)
from lmtune.models.language_model import ParameterCount, Stream
from lmtune.models.layer_stack import LayerStack, count_layer_products, count_layer_stack
from lmtune.models.pairs import PairBatch, join
from lmtune.models.positions import count_positions
from lmtune.spec.model import GPTConfig


class GPT(AttentionLanguageModel):
    """Every position attends to itself and those before it, and predicts the next token.

    A pair is read as source, start token and target in one sequence.
    """

    def __init__(
        self, config: GPTConfig, *, vocab_size: int, num_outputs: int, context_length: int
    ) -> None:
        super().__init__(config, vocab_size=vocab_size, num_outputs=num_outputs)
        self.context_length = context_length
        self.decoder = LayerStack(
            config,
            num_layers=config.num_layers,
            context_length=context_length,
            embedding_std=embedding_std(config),
            is_causal=True,
        )

    def targets_per_window(self, context_length: int) -> int:
        """All of them."""
        return num_targets(context_length)

    def forward(self, tokens_BT: Tensor, num_targets: int) -> Tensor:
        """See `LanguageModel.next_token_logits`."""
        x_BTD = self.decoder(self.embedding(tokens_BT))
        return self.embedding.logits(x_BTD[:, -num_targets:])

    def pair_logits(self, pairs: PairBatch) -> Tensor:
        """See `LanguageModel.pair_logits`. Padding comes last, where no other position sees it."""
        joined = join(pairs)
        x_BTD = self.decoder(self.embedding(joined.tokens_BT))
        return self.embedding.logits(x_BTD[joined.is_scored_BT])

    @torch.no_grad()
    def open_stream(self, prompt_BT: Tensor) -> tuple[Tensor, Stream]:
        """See `LanguageModel.open_stream`."""
        return self._read(prompt_BT, self.decoder.open(self.context_length))

    def open_pair_stream(self, source_BS: Tensor, start_token: int) -> tuple[Tensor, Stream]:
        """See `LanguageModel.open_pair_stream`."""
        return self.open_stream(F.pad(source_BS, (0, 1), value=start_token))


def build(config: GPTConfig, *, vocab_size: int, num_outputs: int, context_length: int) -> GPT:
    """Build the model; its weights come from torch's global generator."""
    return GPT(
        config, vocab_size=vocab_size, num_outputs=num_outputs, context_length=context_length
    )


def num_targets(context_length: int) -> int:
    """How many positions of a training window are scored: all of them."""
    return context_length


def count_parameters(
    config: GPTConfig, *, vocab_size: int, num_outputs: int, context_length: int
) -> ParameterCount:
    """Count without building."""
    return count_with_embedding(
        config,
        stacks=count_layer_stack(config, num_layers=config.num_layers),
        positions=count_positions(config, context_length),
        vocab_size=vocab_size,
        num_outputs=num_outputs,
    )


def sequence_flops(
    config: GPTConfig, *, num_outputs: int, num_source: float, num_target: float
) -> float:
    """Count the training FLOPs of matrix products: 6 a weight, 12 d_model a score of attention.

    Causal attention is counted as full, and what is not a matrix product not at all.
    Source: Chowdhery et al. 2022, appendix B; 6 = 2 a multiply-add, once forward, twice backward.
    """
    length = num_source + num_target
    weights = length * config.num_layers * count_layer_products(config)
    head = num_target * num_outputs * config.d_model
    return 6 * (weights + head) + 12 * config.num_layers * length**2 * config.d_model
