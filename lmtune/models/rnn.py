"""RNN: tanh cells, each fed by its own last output. Source: Elman 1990, as `torch.nn.RNN` has it.

Shape letters: see `language_model.py`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import FunctionCtx, once_differentiable

from lmtune.models.cells import open_states, weight_gradient
from lmtune.models.language_model import ParameterCount
from lmtune.models.recurrent import (
    RecurrentLanguageModel,
    count_recurrent_parameters,
    num_targets,
    recurrent_sequence_flops,
)
from lmtune.spec.model import RNNConfig

__all__ = ["TanhLayer", "build", "count_parameters", "num_targets", "sequence_flops"]

NUM_GATES = 1


class TanhLayer(Function):
    """h_t = tanh(x_t + W_hh h_(t-1) + b_hh) for all steps, of mapped inputs x."""

    @staticmethod
    def forward(
        ctx: FunctionCtx, inputs_TBG: Tensor, h_BG: Tensor, w_hh_GG: Tensor, b_hh_G: Tensor
    ) -> Tensor:
        """Return the states after each step, (T, B, G)."""
        states = open_states(inputs_TBG, h_BG)
        torch.add(inputs_TBG, b_hh_G, out=states[1:])
        recurrent_GG = w_hh_GG.T.contiguous()  # a faster product, for every step
        for before_BG, after_BG in pairwise(states.unbind()):
            torch.addmm(after_BG, before_BG, recurrent_GG, out=after_BG).tanh_()
        ctx.save_for_backward(states, w_hh_GG)
        return states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_TBG: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401 - torch's
        """Return the gradients of what `forward` was given."""
        states, w_hh_GG = ctx.saved_tensors
        slopes = 1 - states[1:].square()
        # Gradients of the states, to which later steps add; then of what their tanh was taken of.
        grads = grad_TBG.clone(memory_format=torch.contiguous_format)
        steps = zip(reversed(grads.unbind()), reversed(slopes.unbind()), strict=True)
        for (after_BG, slope_BG), (before_BG, _) in pairwise(steps):
            torch.addmm(before_BG, after_BG.mul_(slope_BG), w_hh_GG, out=before_BG)
        first_BG = grads[0].mul_(slopes[0])
        return (
            grads,
            first_BG @ w_hh_GG if ctx.needs_input_grad[1] else None,
            weight_gradient(grads, states[:-1]),
            grads.sum((0, 1)),
        )


def build(
    config: RNNConfig, *, vocab_size: int, num_outputs: int, context_length: int
) -> RecurrentLanguageModel:
    """Build the model; its weights come from torch's global generator."""
    return RecurrentLanguageModel(
        config, vocab_size=vocab_size, num_outputs=num_outputs, cell=nn.RNN, layer=TanhLayer
    )


def count_parameters(
    config: RNNConfig, *, vocab_size: int, num_outputs: int, context_length: int
) -> ParameterCount:
    """Count without building; no parameter depends on the context length."""
    return count_recurrent_parameters(
        config, vocab_size=vocab_size, num_outputs=num_outputs, num_gates=NUM_GATES
    )


def sequence_flops(
    config: RNNConfig, *, num_outputs: int, num_source: float, num_target: float
) -> float:
    """Count a sequence's training FLOPs; see `recurrent_sequence_flops`."""
    return recurrent_sequence_flops(
        config,
        num_outputs=num_outputs,
        num_source=num_source,
        num_target=num_target,
        num_gates=NUM_GATES,
    )
