"""Learning-rate schedules, one file each: the factor on the optimizer's learning rate at a step.

A file named after its `type` in the configuration has `factor(config, step, total_steps)` for the
steps after the warm-up; the warm-up is the same for all and is here. Steps are optimizer steps,
counted from 0: `step` is the number of those finished.
"""

from __future__ import annotations

import importlib

from lmtune.spec.training import ScheduleConfig


def learning_rate_factor(config: ScheduleConfig, step: int, total_steps: int) -> float:
    """Factor of the step that follows `step` finished ones, in [0, 1].

    The warm-up is linear: the first step gets 1 / warmup_steps, the last of the warm-up gets 1.
    What a schedule ends at would be reached at `step == total_steps`, after the last step, so that
    no step is spent on a rate of 0.
    """
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    schedule = importlib.import_module(f"{__name__}.{config.type}")
    factor: float = schedule.factor(config, step, total_steps)
    return factor
