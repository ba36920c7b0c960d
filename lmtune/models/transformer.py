"""Transformer: an encoder reads what comes before, a decoder predicts the rest.

Source: Vaswani et al. 2017. Differs: by default pre-norm, GELU, learned positions; the one
embedding for source, target and output (sec. 3.4) is not scaled by sqrt(d_model), as positions
start as small.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lmtune.models.attention import count_key_value_products
from lmtune.models.attention_model import (
    AttentionLanguageModel,
    count_with_embedding,
    embedding_std,
)
from lmtune.models.language_model import ParameterCount, Stream
from lmtune.models.layer_stack import LayerStack, count_layer_products, count_layer_stack
from lmtune.models.pairs import PairBatch
from lmtune.models.positions import count_positions
from lmtune.spec.model import TransformerConfig


class Transformer(AttentionLanguageModel):
    """Source and target each have positions of their own, counted from 0.

    Of a running text, the encoder reads at most half of `context_length`, and so does the decoder:
    what training windows give them. Of pairs, each may have all of it.
    """

    def __init__(
        self, config: TransformerConfig, *, vocab_size: int, num_outputs: int, context_length: int
    ) -> None:
        super().__init__(config, vocab_size=vocab_size, num_outputs=num_outputs)
        self.context_length = context_length
        self.encoder = LayerStack(
            config,
            num_layers=config.num_encoder_layers,
            context_length=context_length,
            embedding_std=embedding_std(config),
            is_causal=False,
        )
        self.decoder = LayerStack(
            config,
            num_layers=config.num_decoder_layers,
            context_length=context_length,
            embedding_std=embedding_std(config),
            is_causal=True,
            has_memory=True,
        )

    def targets_per_window(self, context_length: int) -> int:
        """The second half; the first is the source."""
        return num_targets(context_length)

    def encode(self, source_BS: Tensor, is_token_BS: Tensor | None = None) -> Tensor:
        """Read the source; gives the memory (B, S, D) that `decode` attends to."""
        memory_BSD: Tensor = self.encoder(self.embedding(source_BS), is_token_BT=is_token_BS)
        return memory_BSD

    def forward(self, tokens_BT: Tensor, num_targets: int) -> Tensor:
        """See `LanguageModel.next_token_logits`.

        The decoder reads the true tokens of the window's end, so it needs no start token. Where
        they are the whole window, the first of them is the source as well: there is nothing else.
        """
        memory_BSD = self.encode(self._source(tokens_BT, num_targets))
        x_BND = self.decoder(self.embedding(tokens_BT[:, -num_targets:]), memory_BSD)
        return self.embedding.logits(x_BND)

    def pair_logits(self, pairs: PairBatch) -> Tensor:
        """See `LanguageModel.pair_logits`. Masks hide what pads sources; targets' ends are last."""
        is_source_BS = pairs.source_mask_BS
        x_BND = self.decoder(
            self.embedding(pairs.decoder_input_BN),
            self.encode(pairs.source_BS, is_source_BS),
            is_memory_BS=is_source_BS,
        )
        return self.embedding.logits(x_BND[pairs.target_mask_BN])

    @torch.no_grad()
    def open_stream(self, prompt_BT: Tensor) -> tuple[Tensor, Stream]:
        """See `LanguageModel.open_stream`.

        The decoder starts at the prompt's last token; the encoder reads what stands before it.
        """
        memory_BSD = self.encode(self._source(prompt_BT, 1))
        stream = self.decoder.open(num_targets(self.context_length), memory_BSD)
        return self._read(prompt_BT[:, -1:], stream)

    @torch.no_grad()
    def open_pair_stream(self, source_BS: Tensor, start_token: int) -> tuple[Tensor, Stream]:
        """See `LanguageModel.open_pair_stream`."""
        stream = self.decoder.open(self.context_length, self.encode(source_BS))
        return self._read(torch.full_like(source_BS[:, :1], start_token), stream)

    def _source(self, tokens_BT: Tensor, num_targets: int) -> Tensor:
        """What the encoder reads of a window whose last `num_targets` tokens the decoder does."""
        end = max(tokens_BT.shape[1] - num_targets, 1)
        return tokens_BT[:, max(end - self.context_length // 2, 0) : end]


def build(
    config: TransformerConfig, *, vocab_size: int, num_outputs: int, context_length: int
) -> Transformer:
    """Build the model; its weights come from torch's global generator."""
    return Transformer(
        config, vocab_size=vocab_size, num_outputs=num_outputs, context_length=context_length
    )


def num_targets(context_length: int) -> int:
    """How many positions of a training window are scored: half of them, the last ones."""
    return context_length // 2


def count_parameters(
    config: TransformerConfig, *, vocab_size: int, num_outputs: int, context_length: int
) -> ParameterCount:
    """Count without building."""
    encoder = count_layer_stack(config, num_layers=config.num_encoder_layers)
    decoder = count_layer_stack(config, num_layers=config.num_decoder_layers, has_memory=True)
    return count_with_embedding(
        config,
        stacks=encoder + decoder,
        positions=2 * count_positions(config, context_length),
        vocab_size=vocab_size,
        num_outputs=num_outputs,
    )


def sequence_flops(
    config: TransformerConfig, *, num_outputs: int, num_source: float, num_target: float
) -> float:
    """Count training FLOPs as `gpt.sequence_flops` does.

    The encoder's layers and the decoder's keys and values of the memory see the source, the rest
    of the decoder and the head the target.
    """
    source_weights = config.num_encoder_layers * count_layer_products(
        config
    ) + config.num_decoder_layers * count_key_value_products(config)
    target_weights = (
        config.num_decoder_layers * count_layer_products(config, has_memory=True)
        + num_outputs * config.d_model
    )
    num_scores = (
        config.num_encoder_layers * num_source** 2
        + config.num_decoder_layers * num_target * (num_target + num_source)
    )
    weights = num_source * source_weights + num_target * target_weights
    return 6 * weights + 12 * num_scores * config.d_model
