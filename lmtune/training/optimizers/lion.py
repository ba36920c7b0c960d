"""Lion: every weight moves by the learning rate, in the direction of a momentum."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import (
    Tensor,
    _foreach_add_,
    _foreach_lerp,
    _foreach_lerp_,
    _foreach_mul_,
    _foreach_sign_,
    nn,
)
from torch.optim import Optimizer

from lmtune.spec.training import LionConfig
from lmtune.training.weight_decay import decay_groups


class Lion(Optimizer):
    """Chen et al. 2023, alg. 2, over all tensors of a group at once.

    Each group holds its `lr`, `weight_decay` and `betas`.
    """

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override] # no closures here
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            if parameters:
                gradients = [p.grad for p in parameters]
                momenta = [self._momentum(p) for p in parameters]
                beta1, beta2 = group["betas"]
                updates = _foreach_lerp(momenta, gradients, 1 - beta1)
                _foreach_sign_(updates)
                _foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
                _foreach_add_(parameters, updates, alpha=-group["lr"])
                _foreach_lerp_(momenta, gradients, 1 - beta2)

    def _momentum(self, parameter: Tensor) -> Tensor:
        state = self.state[parameter]
        if not state:
            state["exp_avg"] = torch.zeros_like(parameter)
        momentum: Tensor = state["exp_avg"]
        return momentum


def build(config: LionConfig, named_parameters: Iterable[tuple[str, nn.Parameter]]) -> Lion:
    """Build Lion, which torch has not."""
    groups = decay_groups(named_parameters, config.weight_decay)
    return Lion(groups, {"lr": config.learning_rate, "betas": (config.beta1, config.beta2)})
