"""Half a cosine from the full learning rate to a fraction of it."""

from __future__ import annotations

import math

from lmtune.spec.training import CosineSchedule


def factor(config: CosineSchedule, step: int, total_steps: int) -> float:
    """Factor of a step after the warm-up.

    Source: Loshchilov and Hutter 2017 (SGDR), eq. 5, one cycle. Differs: it starts where the
    warm-up ends.
    """
    progress = (step - config.warmup_steps) / (total_steps - config.warmup_steps)
    cosine = (1 + math.cos(math.pi * progress)) / 2
    return config.final_fraction + (1 - config.final_fraction) * cosine
