"""Warm-up, stable, decay: the full learning rate, then a straight line down."""

from __future__ import annotations

from lmtune.spec.training import WSDSchedule


def factor(config: WSDSchedule, step: int, total_steps: int) -> float:
    """Factor of a step after the warm-up.

    Source: Haegele et al. 2024, sec. 3, linear cooldown. A warm-up that reaches into the decay
    shortens it, so that the rate never jumps.
    """
    decay_steps = round(config.decay_fraction * total_steps)
    decay_start = max(total_steps - decay_steps, config.warmup_steps)
    if step < decay_start:
        return 1.0
    progress = (step - decay_start) / (total_steps - decay_start)
    return 1 - (1 - config.final_fraction) * progress
