"""AdamW: Adam with weight decay apart from the gradient."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from lmtune.spec.training import AdamWConfig
from lmtune.training.weight_decay import decay_groups


def build(
    config: AdamWConfig, named_parameters: Iterable[tuple[str, nn.Parameter]]
) -> torch.optim.AdamW:
    """Build torch's fused AdamW, which CPU and CUDA both have.

    Source: Loshchilov and Hutter 2019, alg. 2. Differs: the decay is multiplied by the learning
    rate, as everywhere in torch.
    """
    return torch.optim.AdamW(
        decay_groups(named_parameters, config.weight_decay),
        lr=config.learning_rate,
        betas=(config.beta1, config.beta2),
        eps=config.epsilon,
        fused=True,
    )
