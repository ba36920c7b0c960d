"""Transformer: an encoder reads the first part of a window, a decoder predicts the rest.

Source: Vaswani et al. 2017. Differs: pre-norm, GELU, learned positions; the one embedding for
source, target and output (sec. 3.4) is not scaled by sqrt(d_model), as positions start as small.
"""

from __future__ import annotations

from torch import Tensor

from lmtune.models.language_model import LanguageModel, ParameterCount
from lmtune.models.layers import (
    LayerStack,
    TokenEmbedding,
    attention_embedding_std,
    count_layer_weights,
)
from lmtune.spec.model import TransformerConfig


class Transformer(LanguageModel):
    """Source and target each have positions of their own, counted from 0."""

    def __init__(self, config: TransformerConfig, *, vocab_size: int, context_length: int) -> None:
        super().__init__()
        std = attention_embedding_std(config.d_model)
        self.embedding = TokenEmbedding(vocab_size, config.d_model, std=std)
        self.encoder = LayerStack(
            config,
            num_layers=config.num_encoder_layers,
            context_length=context_length,
            is_causal=False,
        )
        self.decoder = LayerStack(
            config,
            num_layers=config.num_decoder_layers,
            context_length=context_length,
            is_causal=True,
            has_memory=True,
        )

    def targets_per_window(self, context_length: int) -> int:
        """The second half; the first is the source."""
        return context_length // 2

    def encode(self, source_BS: Tensor) -> Tensor:
        """Read the source; gives the memory (B, S, D) that `decode` attends to."""
        memory_BSD: Tensor = self.encoder(self.embedding(source_BS))
        return memory_BSD

    def decode(self, target_BN: Tensor, memory_BSD: Tensor) -> Tensor:
        """Predict the token after each of the target's; gives logits (B, N, V)."""
        return self.embedding.logits(self.decoder(self.embedding(target_BN), memory_BSD))

    def forward(self, tokens_BT: Tensor, num_targets: int) -> Tensor:
        """See `LanguageModel.next_token_logits`.

        The decoder reads the true tokens of the window's end, so it needs no start token. Where
        they are the whole window, the first of them is the source as well: there is nothing else.
        """
        num_source = max(tokens_BT.shape[1] - num_targets, 1)
        memory_BSD = self.encode(tokens_BT[:, :num_source])
        return self.decode(tokens_BT[:, -num_targets:], memory_BSD)


def build(config: TransformerConfig, *, vocab_size: int, context_length: int) -> Transformer:
    """Build the model; its weights come from torch's global generator."""
    return Transformer(config, vocab_size=vocab_size, context_length=context_length)


def count_parameters(
    config: TransformerConfig, *, vocab_size: int, context_length: int
) -> ParameterCount:
    """Count without building: matrices, a norm before each part of a layer and after each stack."""
    encoder_layer = count_layer_weights(config) + 2 * config.d_model
    decoder_layer = count_layer_weights(config, has_memory=True) + 3 * config.d_model
    non_embedding = (
        config.num_encoder_layers * encoder_layer
        + config.num_decoder_layers * decoder_layer
        + 2 * config.d_model
    )
    embedding = (vocab_size + 2 * context_length) * config.d_model
    return ParameterCount(total=embedding + non_embedding, non_embedding=non_embedding)


def flops_per_token(config: TransformerConfig, *, vocab_size: int, context_length: int) -> int:
    """Count a window's training FLOPs, as `gpt.flops_per_token` does, by its number of tokens.

    Of a window's tokens the encoder's layers and the decoder's keys and values of the memory see
    the source half, the rest of the decoder and the head the target half.
    """
    num_target = context_length // 2
    num_source = context_length - num_target
    memory_weights = 2 * config.d_model**2
    source_weights = (
        config.num_encoder_layers * count_layer_weights(config)
        + config.num_decoder_layers * memory_weights
    )
    target_weights = (
        config.num_decoder_layers * (count_layer_weights(config, has_memory=True) - memory_weights)
        + vocab_size * config.d_model
    )
    num_scores = (
        config.num_encoder_layers * num_source** 2
        + config.num_decoder_layers * num_target * (num_target + num_source)
    )
    weights_flops = 6 * (num_source * source_weights + num_target * target_weights)
    return (weights_flops + 12 * num_scores * config.d_model) // context_length
