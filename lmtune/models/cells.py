"""Recurrent layers that read whole sequences, on the CPU.

There torch runs RNN and GRU as a loop of small operations, of which the backward pass records each,
and adds a product of matrices to the weights' gradients at every step. The layers of `rnn.py` and
`gru.py` do step by step only what needs the step before; the rest are a few large products over all
steps. Parameters, dropout and numbers are those of the torch module, which serves as it is on other
devices. Shape letters: see `language_model.py`; F is G times the number of gates.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional as F  # noqa: N812 - the field's name


def read_by_layers(
    cells: nn.RNNBase, layer: type[Function], inputs_TBF: Tensor, h_LBG: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Do what the module does after the first layer's map of its input.

    Args:
        cells: holds the parameters.
        layer: from a layer's mapped input (T, B, F), its first state h_BG, `weight_hh` and
            `bias_hh` to the states after each step, (T, B, G).
        inputs_TBF: of the first layer: its `weight_ih` times each step's vector, plus `bias_ih`.
        h_LBG: first states; None for zeros.

    Returns:
        The last layer's states (T, B, G), and the last states of all layers, (L, B, G).
    """
    if h_LBG is None:
        h_LBG = inputs_TBF.new_zeros(cells.num_layers, inputs_TBF.shape[1], cells.hidden_size)
    states: list[Tensor] = []
    for h_BG, (w_ih, w_hh, b_ih, b_hh) in zip(h_LBG, cells.all_weights, strict=True):
        if states:
            inputs_TBF = F.linear(_drop(states[-1], cells), w_ih, b_ih)
        # Under autocast the map gives another type, and autocast does not reach into a function.
        others = (tensor.to(inputs_TBF.dtype) for tensor in (h_BG, w_hh, b_hh))
        states.append(layer.apply(inputs_TBF, *others))  # type: ignore[no-untyped-call]
    return states[-1], torch.stack([states_TBG[-1] for states_TBG in states])


def _drop(x_TBG: Tensor, cells: nn.RNNBase) -> Tensor:
    """Dropout between layers; for 0 nothing at all."""
    return F.dropout(x_TBG, cells.dropout, cells.training) if cells.dropout > 0 else x_TBG


def open_states(inputs_TBF: Tensor, h_BG: Tensor) -> Tensor:
    """Make room for the state before each step and the last, (T + 1, B, G); h is the first.

    The states before all steps and those after them are then both at hand without a copy.
    """
    states = inputs_TBF.new_empty(len(inputs_TBF) + 1, *h_BG.shape)
    states[0] = h_BG
    return states


def weight_gradient(grad_TBF: Tensor, x_TBG: Tensor) -> Tensor:
    """Gradient (F, G) of the weight of a linear map of all steps, from those of its outputs."""
    return grad_TBF.flatten(0, 1).T @ x_TBG.flatten(0, 1)
