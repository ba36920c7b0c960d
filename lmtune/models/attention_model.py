"""What GPT and the encoder-decoder share: embedding, decoder, reading token by token.

Shape letters: see `language_model.py`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from lmtune.models.embedding import TokenEmbedding, count_embedding
from lmtune.models.language_model import LanguageModel, ParameterCount, Stream
from lmtune.models.layer_stack import LayerStack, LayerStream
from lmtune.spec.model import AttentionConfig

EMBEDDING_STD = 0.2
"""Times 1 / sqrt(d_model); also the spread of the first logits."""

POST_NORM_EMBEDDING_STD = 0.4
"""Times 1 / d_model; also the first logit of a token after itself."""


class AttentionLanguageModel(LanguageModel):
    """A decoder over token vectors. Subclasses say what is read before, and make the decoder."""

    decoder: LayerStack

    def __init__(self, config: AttentionConfig, *, vocab_size: int, num_outputs: int) -> None:
        super().__init__()
        self.embedding = TokenEmbedding(
            vocab_size,
            config.d_model,
            std=embedding_std(config),
            num_outputs=num_outputs,
            is_tied=config.tie_embeddings,
        )

    @torch.no_grad()
    def step(self, tokens_B: Tensor, stream: Stream) -> tuple[Tensor, Stream]:
        """See `LanguageModel.step`.

        Raises:
            ValueError: the stream is full.
        """
        assert isinstance(stream, LayerStream)
        return self._read(tokens_B[:, None], stream)

    def _read(self, tokens_BT: Tensor, stream: LayerStream) -> tuple[Tensor, Stream]:
        """Read the decoder's first tokens, or one more; gives the logits (B, O) of the next."""
        x_BTD = self.decoder.read(self.embedding(tokens_BT), stream)
        return self.embedding.logits(x_BTD[:, -1]), stream


def embedding_std(config: AttentionConfig) -> float:
    """Spread of token and position vectors at the start.

    The head sees normalised vectors, of length sqrt(d_model). Dividing by it gives the first
    logits the same small spread at every width, so that the first loss is ln V. With post-norm the
    head sees mostly the token's own vector, and a tied one would answer with that token: there
    the vectors are shorter, so that even its logit is small; the stack's first norm evens it out.
    Differs: GPT-2 has 0.02 at every width, which starts 0.1 nats above ln V at width 384.
    """
    if config.norm_position == "post":
        return POST_NORM_EMBEDDING_STD / config.d_model
    return EMBEDDING_STD / math.sqrt(config.d_model)


def count_with_embedding(
    config: AttentionConfig, *, stacks: int, positions: int, vocab_size: int, num_outputs: int
) -> ParameterCount:
    """Add the token embedding to the weights of the stacks and of their positions."""
    embedding = count_embedding(
        vocab_size, config.d_model, num_outputs=num_outputs, is_tied=config.tie_embeddings
    )
    return ParameterCount(total=stacks + positions + embedding, non_embedding=stacks)
