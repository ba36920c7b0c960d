"""Optimizers, one file each, named after its `type` in the configuration.

A file has `build(config, named_parameters)`. What it returns keeps nothing but tensors in its
state, so that a checkpoint can hold it, and leaves each group's `lr`, which may be one of its own,
at the top of the schedule.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable

from torch import nn
from torch.optim import Optimizer

from lmtune.spec.training import OptimizerConfig


def build_optimizer(
    config: OptimizerConfig, named_parameters: Iterable[tuple[str, nn.Parameter]]
) -> Optimizer:
    """Build the optimizer of a model that is on its device already."""
    module = importlib.import_module(f"{__name__}.{config.type}")
    optimizer: Optimizer = module.build(config, named_parameters)
    return optimizer
