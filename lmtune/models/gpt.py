"""GPT: a decoder-only Transformer. Source: Radford et al. 2019, sec. 2.3."""

from __future__ import annotations

from torch import Tensor

from lmtune.models.language_model import LanguageModel, ParameterCount
from lmtune.models.layers import (
    LayerStack,
    TokenEmbedding,
    attention_embedding_std,
    count_layer_weights,
)
from lmtune.spec.model import GPTConfig


class GPT(LanguageModel):
    """Every position attends to itself and those before it, and predicts the next token."""

    def __init__(self, config: GPTConfig, *, vocab_size: int, context_length: int) -> None:
        super().__init__()
        std = attention_embedding_std(config.d_model)
        self.embedding = TokenEmbedding(vocab_size, config.d_model, std=std)
        self.decoder = LayerStack(
            config,
            num_layers=config.num_layers,
            context_length=context_length,
            is_causal=True,
        )

    def targets_per_window(self, context_length: int) -> int:
        """All of them."""
        return context_length

    def forward(self, tokens_BT: Tensor, num_targets: int) -> Tensor:
        """See `LanguageModel.next_token_logits`."""
        x_BTD = self.decoder(self.embedding(tokens_BT))
        return self.embedding.logits(x_BTD[:, -num_targets:])


def build(config: GPTConfig, *, vocab_size: int, context_length: int) -> GPT:
    """Build the model; its weights come from torch's global generator."""
    return GPT(config, vocab_size=vocab_size, context_length=context_length)


def count_parameters(config: GPTConfig, *, vocab_size: int, context_length: int) -> ParameterCount:
    """Count without building: matrices, two norms a layer, one at the end, embeddings."""
    layer = count_layer_weights(config) + 2 * config.d_model
    non_embedding = config.num_layers * layer + config.d_model
    embedding = (vocab_size + context_length) * config.d_model
    return ParameterCount(total=embedding + non_embedding, non_embedding=non_embedding)


def flops_per_token(config: GPTConfig, *, vocab_size: int, context_length: int) -> int:
    """Count the training FLOPs of matrix products: 6 a weight, 12 d_model a score of attention.

    Causal attention is counted as full, and what is not a matrix product not at all.
    Source: Chowdhery et al. 2022, appendix B; 6 = 2 a multiply-add, once forward, twice backward.
    """
    weights = config.num_layers * count_layer_weights(config) + vocab_size * config.d_model
    return 6 * weights + 12 * config.num_layers * context_length * config.d_model
