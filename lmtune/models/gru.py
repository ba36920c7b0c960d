"""GRU: cells whose gates decide what to recall and how much of the state to replace.

Source: Cho et al. 2014, as `torch.nn.GRU` has it: the reset gate acts after the product of matrices
rather than before. Shape letters: see `language_model.py`.
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
from lmtune.spec.model import GRUConfig

__all__ = ["GatedLayer", "build", "count_parameters", "num_targets", "sequence_flops"]

NUM_GATES = 3


class GatedLayer(Function):
    """h_t = (1 - z_t) n_t + z_t h_(t-1) for all steps, of mapped inputs x.

    With the three parts of x_t, and of m_t = W_hh h_(t-1) + b_hh, in the order r, z, n:
    r_t = sigmoid(x_t + m_t); z_t = sigmoid(x_t + m_t); n_t = tanh(x_t + r_t m_t).
    """

    @staticmethod
    def forward(
        ctx: FunctionCtx, inputs_TBF: Tensor, h_BG: Tensor, w_hh_FG: Tensor, b_hh_F: Tensor
    ) -> Tensor:
        """Return the states after each step, (T, B, G)."""
        states = open_states(inputs_TBF, h_BG)
        recalled, gates = torch.empty_like(inputs_TBF), torch.empty_like(inputs_TBF)
        recurrent_GF = w_hh_FG.T.contiguous()  # a faster product, for every step
        parts = zip(*(_parts_of_steps(x) for x in (inputs_TBF, recalled, gates)), strict=True)
        steps = zip(pairwise(states.unbind()), recalled.unbind(), parts, strict=True)
        for (before, after), m, ((x_rz, x_n), (m_rz, m_n), (rz, n)) in steps:
            torch.addmm(b_hh_F, before, recurrent_GF, out=m)
            torch.add(x_rz, m_rz, out=rz).sigmoid_()
            r, z = rz.chunk(2, dim=1)
            torch.addcmul(x_n, r, m_n, out=n).tanh_()
            torch.lerp(n, before, z, out=after)
        ctx.save_for_backward(states, recalled, gates, w_hh_FG)
        return states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_TBG: Tensor) -> tuple[Tensor, ...]:  # noqa: ANN401 - torch's
        """Return the gradients of what `forward` was given."""
        states, recalled, gates, w_hh_FG = ctx.saved_tensors
        r, z, n = gates.chunk(3, dim=2)
        # How much a state changes with the sums inside r, z and n.
        slope_n = (1 - z) * (1 - n.square())
        slope_r = slope_n * recalled.chunk(3, dim=2)[2] * r * (1 - r)
        slope_z = (states[:-1] - n) * z * (1 - z)
        # From slopes of the states by m to gradients, as soon as those of the states are complete.
        grads_m = torch.stack((slope_r, slope_z, slope_n * r), dim=2)
        grads = torch.cat((torch.zeros_like(grad_TBG[:1]), grad_TBG))
        of_states = pairwise(reversed(grads.unbind()))
        of_steps = zip(reversed(grads_m.unbind()), reversed(z.unbind()), strict=True)
        for (after, before), (m, z_t) in zip(of_states, of_steps, strict=True):
            before.addcmul_(after, z_t)
            m.mul_(after[:, None])
            torch.addmm(before, m.flatten(1), w_hh_FG, out=before)
        grads_m = grads_m.flatten(2)
        grads_rz = grads_m[..., : 2 * n.shape[2]]
        return (
            torch.cat((grads_rz, grads[1:] * slope_n), dim=2),
            grads[0],
            weight_gradient(grads_m, states[:-1]),
            grads_m.sum((0, 1)),
        )


def _parts_of_steps(whole_TBF: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Views of each step's parts: those of r and z, (B, 2 G), and that of n, (B, G)."""
    start_of_n = whole_TBF.shape[2] * 2 // NUM_GATES
    return [(step[:, :start_of_n], step[:, start_of_n:]) for step in whole_TBF.unbind()]


def build(
    config: GRUConfig, *, vocab_size: int, num_outputs: int, context_length: int
) -> RecurrentLanguageModel:
    """Build the model; its weights come from torch's global generator."""
    return RecurrentLanguageModel(
        config, vocab_size=vocab_size, num_outputs=num_outputs, cell=nn.GRU, layer=GatedLayer
    )


def count_parameters(
    config: GRUConfig, *, vocab_size: int, num_outputs: int, context_length: int
) -> ParameterCount:
    """Count without building; no parameter depends on the context length."""
    return count_recurrent_parameters(
        config, vocab_size=vocab_size, num_outputs=num_outputs, num_gates=NUM_GATES
    )


def sequence_flops(
    config: GRUConfig, *, num_outputs: int, num_source: float, num_target: float
) -> float:
    """Count a sequence's training FLOPs; see `recurrent_sequence_flops`."""
    return recurrent_sequence_flops(
        config,
        num_outputs=num_outputs,
        num_source=num_source,
        num_target=num_target,
        num_gates=NUM_GATES,
    )
