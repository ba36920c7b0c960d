"""LSTM: cells whose gates decide what to forget, take in and give out.

Source: Gers et al. 2000, as `torch.nn.LSTM` has it (no peepholes).
"""

from __future__ import annotations

import torch
from torch import nn

from lmtune.models.language_model import ParameterCount
from lmtune.models.recurrent import (
    RecurrentLanguageModel,
    count_recurrent_parameters,
    recurrent_flops_per_token,
)
from lmtune.spec.model import LSTMConfig

NUM_GATES = 4
FORGET_BIAS = 1.0


def build(config: LSTMConfig, *, vocab_size: int, context_length: int) -> RecurrentLanguageModel:
    """Build the model; its weights come from torch's global generator."""
    model = RecurrentLanguageModel(config, vocab_size=vocab_size, cell=nn.LSTM)
    _open_forget_gates(model.cells, config)
    return model


def count_parameters(config: LSTMConfig, *, vocab_size: int, context_length: int) -> ParameterCount:
    """Count without building; no parameter depends on the context length."""
    return count_recurrent_parameters(config, vocab_size=vocab_size, num_gates=NUM_GATES)


def flops_per_token(config: LSTMConfig, *, vocab_size: int, context_length: int) -> int:
    """Count matrix products; a token costs the same in a window of any length."""
    return recurrent_flops_per_token(config, vocab_size=vocab_size, num_gates=NUM_GATES)


def _open_forget_gates(cells: nn.RNNBase, config: LSTMConfig) -> None:
    """Let the cells remember from the start, for the gradient to reach far back.

    The gates lie as input, forget, cell, output in each bias; torch adds its two biases, so one of
    them carries the value and the other is 0. Source: Jozefowicz et al. 2015, sec. 2.2.
    """
    forget = slice(config.hidden_size, 2 * config.hidden_size)
    with torch.no_grad():
        for layer in range(config.num_layers):
            getattr(cells, f"bias_ih_l{layer}")[forget] = FORGET_BIAS
            getattr(cells, f"bias_hh_l{layer}")[forget] = 0.0
