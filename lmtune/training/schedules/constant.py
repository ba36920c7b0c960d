"""The full learning rate to the end."""

from __future__ import annotations

from lmtune.spec.training import ConstantSchedule


def factor(config: ConstantSchedule, step: int, total_steps: int) -> float:
    """Always 1."""
    return 1.0
