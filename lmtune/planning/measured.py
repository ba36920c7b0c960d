"""What a probe is asked and what it answers."""

from __future__ import annotations

from typing import Literal

from lmtune.spec.config import Config
from lmtune.spec.trial import TrialConfig


class ShapeOrder(Config):
    """A shape to be measured: a trial that has it, and the folder of its prepared data."""

    config: TrialConfig
    dataset: str


class ProbeOrder(Config):
    """What is to be measured, and how."""

    shapes: tuple[ShapeOrder, ...]
    num_at_once: int
    num_threads: int
    device: Literal["cpu", "cuda"]
    scratch: str


class Measured(Config):
    """What a shape costs: seconds of a step, a whole evaluation, a checkpoint; sizes.

    Attributes:
        generation_s: writing and scoring the model's own text; 0 where that is not asked for.
        build_s: making model and optimizer.
        memory_mib: resident, of the process, its libraries included.
    """

    step_s: float
    evaluation_s: float
    generation_s: float
    save_s: float
    build_s: float
    memory_mib: float
    gpu_memory_mib: float
    checkpoint_mib: float
