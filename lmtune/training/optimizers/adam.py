"""Adam: steps as long as the mean of the gradient over its root mean square."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from lmtune.spec.training import AdamConfig
from lmtune.training.weight_decay import decay_groups


def build(
    config: AdamConfig, named_parameters: Iterable[tuple[str, nn.Parameter]]
) -> torch.optim.Adam:
    """Build torch's fused Adam, which CPU and CUDA both have.

    Source: Kingma and Ba 2015, alg. 1; the decay by Loshchilov and Hutter 2019, alg. 2, line 6
    (L2 regularisation): it is added to the gradient, so that it passes through both means.
    """
    return torch.optim.Adam(
        decay_groups(named_parameters, config.weight_decay),
        lr=config.learning_rate,
        betas=(config.beta1, config.beta2),
        eps=config.epsilon,
        fused=True,
    )
