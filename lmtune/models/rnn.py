"""RNN: tanh cells, each fed by its own last output. Source: Elman 1990."""

from __future__ import annotations

from torch import nn

from lmtune.models.language_model import ParameterCount
from lmtune.models.recurrent import (
    RecurrentLanguageModel,
    count_recurrent_parameters,
    recurrent_flops_per_token,
)
from lmtune.spec.model import RNNConfig

NUM_GATES = 1


def build(config: RNNConfig, *, vocab_size: int, context_length: int) -> RecurrentLanguageModel:
    """Build the model; its weights come from torch's global generator."""
    return RecurrentLanguageModel(config, vocab_size=vocab_size, cell=nn.RNN)


def count_parameters(config: RNNConfig, *, vocab_size: int, context_length: int) -> ParameterCount:
    """Count without building; no parameter depends on the context length."""
    return count_recurrent_parameters(config, vocab_size=vocab_size, num_gates=NUM_GATES)


def flops_per_token(config: RNNConfig, *, vocab_size: int, context_length: int) -> int:
    """Count matrix products; a token costs the same in a window of any length."""
    return recurrent_flops_per_token(config, vocab_size=vocab_size, num_gates=NUM_GATES)
