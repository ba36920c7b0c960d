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
    num_targets,
    recurrent_sequence_flops,
)
from lmtune.spec.model import LSTMConfig

__all__ = ["build", "count_parameters", "num_targets", "sequence_flops"]

NUM_GATES = 4


def build(
    config: LSTMConfig, *, vocab_size: int, num_outputs: int, context_length: int
) -> RecurrentLanguageModel:
    """Build the model; its weights come from torch's global generator."""
    model = RecurrentLanguageModel(
        config, vocab_size=vocab_size, num_outputs=num_outputs, cell=nn.LSTM
    )
    _set_forget_bias(model.cells, config)
    return model


def count_parameters(
    config: LSTMConfig, *, vocab_size: int, num_outputs: int, context_length: int
) -> ParameterCount:
    """Count without building; no parameter depends on the context length."""
    return count_recurrent_parameters(
        config, vocab_size=vocab_size, num_outputs=num_outputs, num_gates=NUM_GATES
    )


def sequence_flops(
    config: LSTMConfig, *, num_outputs: int, num_source: float, num_target: float
) -> float:
    """Count a sequence's training FLOPs; see `recurrent_sequence_flops`."""
    return recurrent_sequence_flops(
        config,
        num_outputs=num_outputs,
        num_source=num_source,
        num_target=num_target,
        num_gates=NUM_GATES,
    )


def _set_forget_bias(cells: nn.RNNBase, config: LSTMConfig) -> None:
    """Let the cells remember from the start, for the gradient to reach far back.

    The gates lie as input, forget, cell, output in each bias; torch adds its two biases, so one of
    them carries the value and the other is 0. Source: Jozefowicz et al. 2015, sec. 2.2.
    """
    forget = slice(config.hidden_size, 2 * config.hidden_size)
    with torch.no_grad():
        for _, _, bias_ih, bias_hh in cells.all_weights:
            bias_ih[forget] = config.forget_bias
            bias_hh[forget] = 0.0
