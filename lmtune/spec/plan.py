"""A plan: what a sweep will do and cost, said before it starts and kept with its records."""

from __future__ import annotations

from pydantic import Field

from lmtune.spec.config import Config


class Rung(Config):
    """A moment at which trials of a variant's search are compared, or the end of the last."""

    epoch: int
    trials: float = Field(description="expected to reach it")


class Cost(Config):
    """What one trial of a variant costs, by probes of its shapes."""

    trial_s: float = Field(description="of a whole trial, from the first step to the last score")
    epoch_s: float = Field(description="training, evaluation and checkpoint of one epoch")
    memory_mib: float = Field(description="resident in its process, at the largest")
    gpu_memory_mib: float = Field(description="of the device; 0 on the CPU")
    checkpoint_mib: float = Field(description="of its `last/` and `best/` together")


class VariantPlan(Config):
    """What one variant will do. Where the search changes sizes: the least and the most of them."""

    variant: str
    num_parameters: tuple[int, int]
    flops_per_token: tuple[int, int]
    tokens_per_trial: int = Field(description="training tokens read in all epochs")
    epochs: int
    tune: int = Field(description="trials of the search")
    confirm: int = Field(description="trials on fresh seeds, at most")
    rungs: tuple[Rung, ...] = Field(
        description="of the search, the last epoch at the end; empty where nothing is searched"
    )
    cost: Cost | None = Field(default=None, description="None without a probe")


class Forecast(Config):
    """What the whole sweep costs, by probes on this machine."""

    time_s: float = Field(description="of the command, from its start to its end")
    tune_s: float = Field(description="part of time_s")
    confirm_s: float = Field(description="part of time_s")
    memory_mib: float = Field(description="of all processes at once, on the host")
    gpu_memory_mib: float = Field(description="of a trial's device; 0 on the CPU")
    disk_mib: float = Field(description="checkpoints and records, at the end")


class Machine(Config):
    """What the plan was made for."""

    trials_at_once: int
    memory_available_mib: float | None = Field(description="None where the system does not say")
    disk_free_mib: float


class Plan(Config):
    """A sweep before it starts."""

    name: str
    question: str
    content_hash: str = Field(
        description="of all that trials and their number follow from; another one, another plan"
    )
    variants: tuple[VariantPlan, ...]
    trials: int = Field(description="at most")
    train_tokens: int = Field(description="of all trials, with the expected early stops")
    train_flops: float = Field(description="of the same, evaluation not counted")
    budget_time_s: float | None
    machine: Machine
    forecast: Forecast | None = Field(default=None, description="None without a probe")
