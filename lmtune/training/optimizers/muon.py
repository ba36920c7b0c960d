"""Muon: a momentum made orthogonal, for the hidden matrices; AdamW for all other parameters."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, _foreach_lerp, _foreach_lerp_, _foreach_mul_, nn
from torch.optim import Optimizer
from torch.optim.adamw import adamw

from lmtune.spec.training import MuonConfig
from lmtune.training.hidden_matrices import is_hidden_matrix, stacked_rows
from lmtune.training.weight_decay import decay_groups

SLOPE, CUBIC, QUINTIC = 3.4445, -4.7750, 2.0315
"""Of the polynomial that drives singular values towards 1: steep at 0, never settling at 1."""

SMALLEST_NORM = 1e-7
"""A matrix whose norm is below is divided by this: a gradient of zeros stays zeros."""


class Muon(Optimizer):
    """Two kinds of groups, each at its own learning rate, behind one `step`.

    The groups of hidden matrices have `stacked_rows`: for each parameter the rows of the maps that
    lie in it, one below the other. Each map is made orthogonal by itself.

    Source: Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks", with the
    scale of their code, sqrt(max(1, rows / columns)); queries, keys and values apart as they found
    better. Differs: in float32 rather than bfloat16, which few CPUs are fast at, and all maps of
    one shape at once. `torch.optim.Muon` has neither, and takes no parameters but matrices.
    """

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override] # no closures here
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            if any(parameter.grad is not None for parameter in group["params"]):
                if "stacked_rows" in group:
                    self._step_hidden(group)
                else:
                    self._step_others(group)

    def _step_hidden(self, group: dict[str, Any]) -> None:
        """Momentum, orthogonalisation, decoupled decay."""
        found = zip(group["params"], group["stacked_rows"], strict=True)
        given = [(parameter, rows) for parameter, rows in found if parameter.grad is not None]
        parameters = [parameter for parameter, _ in given]
        gradients = [parameter.grad for parameter in parameters]
        momenta = [self._state(parameter, "momentum")["momentum"] for parameter in parameters]
        _foreach_lerp_(momenta, gradients, 1 - group["momentum"])
        updates: Sequence[Tensor] = momenta
        if group["nesterov"]:
            updates = _foreach_lerp(gradients, momenta, group["momentum"])
        _foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
        maps = [part for parameter, rows in given for part in torch.split(parameter, rows)]
        directions = [
            part
            for update, (_, rows) in zip(updates, given, strict=True)
            for part in torch.split(update, rows)
        ]
        orthogonal = orthogonalize(directions, group["num_iterations"])
        for weights, direction in zip(maps, orthogonal, strict=True):
            num_rows, num_columns = weights.shape
            scale = math.sqrt(max(1, num_rows / num_columns))
            weights.add_(direction, alpha=-group["lr"] * scale)

    def _step_others(self, group: dict[str, Any]) -> None:
        """AdamW as `optimizers/adamw.py` has it."""
        parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
        states = [self._state(parameter, "exp_avg", "exp_avg_sq") for parameter in parameters]
        for parameter, state in zip(parameters, states, strict=True):
            # On the parameter's device, as the fused kernel wants it.
            state.setdefault("step", torch.zeros((), device=parameter.device))
        beta1, beta2 = group["betas"]
        adamw(
            parameters,
            [parameter.grad for parameter in parameters],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            fused=group["fused"],
            amsgrad=False,
            beta1=beta1,
            beta2=beta2,
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )

    def _state(self, parameter: Tensor, *names: str) -> dict[str, Tensor]:
        """What is kept for a parameter: tensors of its shape, zeros at first."""
        state: dict[str, Tensor] = self.state[parameter]
        for name in names:
            if name not in state:
                state[name] = torch.zeros_like(parameter)
        return state


def orthogonalize(matrices: Sequence[Tensor], num_iterations: int) -> list[Tensor]:
    """Bring the singular values of each matrix near 1 and leave its singular vectors.

    Those of one shape, or one shape lying down, are computed at once.
    """
    wide = [matrix.mT if matrix.shape[0] > matrix.shape[1] else matrix for matrix in matrices]
    places = defaultdict(list)
    for place, matrix in enumerate(wide):
        places[matrix.shape].append(place)
    for same in places.values():
        batch = _newton_schulz(torch.stack([wide[place] for place in same]), num_iterations)
        for place, result in zip(same, batch, strict=True):
            wide[place] = result
    return [
        result if result.shape == matrix.shape else result.mT
        for result, matrix in zip(wide, matrices, strict=True)
    ]


def _newton_schulz(matrices: Tensor, num_iterations: int) -> Tensor:
    """Apply the polynomial to the singular values; float (count, rows, columns), none of it tall.

    X <- a X + b (X X^T) X + c (X X^T)^2 X, of a start whose singular values are at most 1.
    """
    norms = torch.linalg.matrix_norm(matrices, keepdim=True)
    x: Tensor = matrices / norms.clamp(min=SMALLEST_NORM)
    for _ in range(num_iterations):
        gram = x @ x.mT
        gram = torch.baddbmm(gram, gram, gram, beta=CUBIC, alpha=QUINTIC)
        x = torch.baddbmm(x, gram, x, beta=SLOPE)
    return x


def build(config: MuonConfig, named_parameters: Iterable[tuple[str, nn.Parameter]]) -> Muon:
    """Build Muon for the hidden matrices and AdamW for the rest.

    Source of the weight decay: Liu et al. 2025, "Muon is Scalable for LLM Training", eq. 3: apart
    from the gradient and times the learning rate; vectors do not decay.
    """
    named = list(named_parameters)
    rows_of = stacked_rows({name: parameter.shape for name, parameter in named})
    hidden = [(name, parameter) for name, parameter in named if is_hidden_matrix(name, parameter)]
    others = [
        (name, parameter) for name, parameter in named if not is_hidden_matrix(name, parameter)
    ]
    hidden_group = {
        "params": [parameter for _, parameter in hidden],
        "stacked_rows": [rows_of[name] for name, _ in hidden],
        "lr": config.learning_rate,
        "weight_decay": config.weight_decay,
        "momentum": config.momentum,
        "nesterov": config.nesterov,
        "num_iterations": config.num_iterations,
    }
    adamw_settings = {
        "lr": config.adamw_learning_rate,
        "betas": (config.beta1, config.beta2),
        "eps": config.epsilon,
        "fused": True,
    }
    groups = [{**group, **adamw_settings} for group in decay_groups(others, config.weight_decay)]
    return Muon([hidden_group, *groups] if hidden else groups, {})
