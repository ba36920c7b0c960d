"""The `optimizer`, `schedule` and `training` sections."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from lmtune.spec.config import (
    Config,
    Conflict,
    Fraction,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)

Momentum = Annotated[float, Field(ge=0, lt=1)]


class AdamWConfig(Config):
    """AdamW (Loshchilov and Hutter 2019); weights of two or more dimensions decay."""

    type: Literal["adamw"]
    learning_rate: PositiveFloat = Field(default=1e-3, description="at the top of the schedule")
    weight_decay: NonNegativeFloat = 0.1
    beta1: Momentum = 0.9
    beta2: Momentum = 0.95
    epsilon: PositiveFloat = 1e-8


class SGDConfig(Config):
    """Stochastic gradient descent; weights of two or more dimensions decay."""

    type: Literal["sgd"]
    learning_rate: PositiveFloat = Field(default=0.1, description="at the top of the schedule")
    weight_decay: NonNegativeFloat = 0.0
    momentum: Momentum = 0.9
    nesterov: bool = False

    @model_validator(mode="after")
    def _nesterov_has_momentum(self) -> SGDConfig:
        if self.nesterov and self.momentum == 0:
            raise Conflict(
                "nesterov",
                "momentum",
                what="nesterov: true needs momentum, which is 0",
                expected="momentum above 0",
                fix="set momentum (0.9, say) or leave nesterov out",
            )
        return self


OptimizerConfig = Annotated[AdamWConfig | SGDConfig, Field(discriminator="type")]


class ConstantSchedule(Config):
    """A linear warm-up, then the optimizer's learning rate to the end."""

    type: Literal["constant"]
    warmup_steps: NonNegativeInt = Field(default=0, description="optimizer steps")


class CosineSchedule(Config):
    """A linear warm-up, then half a cosine (Loshchilov and Hutter 2017, one cycle)."""

    type: Literal["cosine"]
    warmup_steps: NonNegativeInt = Field(default=0, description="optimizer steps")
    final_fraction: Fraction = Field(default=0.1, description="of the learning rate, at the end")


class WSDSchedule(Config):
    """Warm-up, stable, decay (Haegele et al. 2024): linear down over the last part."""

    type: Literal["wsd"]
    warmup_steps: NonNegativeInt = Field(default=0, description="optimizer steps")
    decay_fraction: Fraction = Field(default=0.2, description="of all steps, at the end")
    final_fraction: Fraction = Field(default=0.0, description="of the learning rate, at the end")


ScheduleConfig = Annotated[
    ConstantSchedule | CosineSchedule | WSDSchedule, Field(discriminator="type")
]


class TrainingConfig(Config):
    """How long and how a model is trained."""

    epochs: PositiveInt = Field(description="evaluations; each follows one epoch")
    steps_per_epoch: PositiveInt | None = Field(
        default=None, description="optimizer steps; a pass over the training split if left out"
    )
    batch_size: PositiveInt = Field(default=16, description="windows for one optimizer step")
    accumulation_steps: PositiveInt = Field(
        default=1, description="parts that a batch is computed in; the same step in less memory"
    )
    gradient_clip: PositiveFloat | None = Field(
        default=1.0, description="largest global norm of the gradient; null for no clipping"
    )
    precision: Literal["fp32", "bf16"] = Field(
        default="fp32", description="of the forward and backward pass; weights stay fp32"
    )

    @model_validator(mode="after")
    def _batch_divides(self) -> TrainingConfig:
        if self.batch_size % self.accumulation_steps:
            raise Conflict(
                "accumulation_steps",
                "batch_size",
                what=f"accumulation_steps: {self.accumulation_steps} does not divide "
                f"batch_size: {self.batch_size}",
                expected="accumulation_steps a divisor of batch_size",
                fix=f"set batch_size to a multiple of {self.accumulation_steps}, "
                "or leave accumulation_steps out",
            )
        return self
