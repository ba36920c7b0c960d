"""Stochastic gradient descent with momentum."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from lmtune.spec.training import SGDConfig
from lmtune.training.weight_decay import decay_groups


def build(
    config: SGDConfig, named_parameters: Iterable[tuple[str, nn.Parameter]]
) -> torch.optim.SGD:
    """Build torch's fused SGD, which CPU and CUDA both have.

    Source: Sutskever et al. 2013, sec. 2. Differs: as in torch, the learning rate multiplies the
    velocity instead of being inside it, and the decay is added to the gradient, so that it passes
    through the momentum.
    """
    return torch.optim.SGD(
        decay_groups(named_parameters, config.weight_decay),
        lr=config.learning_rate,
        momentum=config.momentum,
        nesterov=config.nesterov,
        fused=True,
    )
