"""No model: a loss by formula, so that a trial costs nothing but what the sweep costs.

For load tests, and for samplers and schedulers under test: where the loss is lowest is known.
"""

from __future__ import annotations

import math
from random import Random

from lmtune.models.language_model import ParameterCount
from lmtune.spec.model import InstantConfig
from lmtune.spec.trial import TrialConfig

_EXCESS = 2.0
"""Nats above the end, before the first step."""


def loss_at(config: TrialConfig, *, seed: int, step: int, num_steps: int) -> float:
    """The loss after some steps: from an excess it falls to `floor` and what is chosen badly adds.

    floor + log10(learning_rate / best_learning_rate)^2 + x^2 + (y - x^2)^2 + _EXCESS (1 - t)^2,
    with t the share of all steps that is done; the seed adds the same noise to every step.

    Args:
        config: of the trial.
        seed: of the trial.
        step: optimizer steps done.
        num_steps: of the whole trial.

    Returns:
        Nats a token; NaN where the learning rate is above `diverges_above`.
    """
    model, learning_rate = config.model, config.optimizer.learning_rate
    assert isinstance(model, InstantConfig)
    if model.diverges_above is not None and learning_rate > model.diverges_above:
        return math.nan
    distance = math.log10(learning_rate / model.best_learning_rate)
    chosen = distance**2 + model.x**2 + (model.y - model.x**2) ** 2
    left = _EXCESS * (1 - step / num_steps) ** 2
    return model.floor + chosen + left + abs(Random(seed).gauss(0, model.noise))


def num_targets(context_length: int) -> int:
    """All tokens of a window count as scored."""
    return context_length


def count_parameters(
    config: InstantConfig, *, vocab_size: int, num_outputs: int, context_length: int
) -> ParameterCount:
    """As many as its width; it has none."""
    return ParameterCount(total=config.width, non_embedding=config.width)


def sequence_flops(
    config: InstantConfig, *, num_outputs: int, num_source: float, num_target: float
) -> float:
    """Count what as many parameters would cost in matrix products: six FLOPs each, for a token."""
    return 6 * config.width * (num_source + num_target)
