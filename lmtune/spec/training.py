"""The `optimizer`, `schedule` and `training` sections."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from lmtune.spec.config import (
    Config,
    Conflict,
    Fraction,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)
from lmtune.spec.decoding import DecodingConfig, GreedyDecoding
from lmtune.spec.duration import Duration

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


class AdamConfig(Config):
    """Adam (Kingma and Ba 2015): what is decayed is added to the gradient, as L2 regularisation."""

    type: Literal["adam"]
    learning_rate: PositiveFloat = Field(default=1e-3, description="at the top of the schedule")
    weight_decay: NonNegativeFloat = 0.0
    beta1: Momentum = 0.9
    beta2: Momentum = 0.999
    epsilon: PositiveFloat = 1e-8


class LionConfig(Config):
    """Lion (Chen et al. 2023): the sign of a momentum; weights of two or more dimensions decay."""

    type: Literal["lion"]
    learning_rate: PositiveFloat = Field(
        default=1e-4, description="at the top of the schedule; a third to a tenth of AdamW's"
    )
    weight_decay: NonNegativeFloat = 1.0
    beta1: Momentum = 0.9
    beta2: Momentum = 0.99


class MuonConfig(Config):
    """Muon (Jordan et al. 2024) for the hidden matrices, AdamW for the rest."""

    type: Literal["muon"]
    learning_rate: PositiveFloat = Field(
        default=0.02, description="of the matrices, at the top of the schedule"
    )
    weight_decay: NonNegativeFloat = Field(
        default=0.0, description="of all matrices, each times its own learning rate"
    )
    momentum: Momentum = 0.95
    nesterov: bool = True
    num_iterations: PositiveInt = Field(
        default=5, description="of Newton and Schulz, to make an update orthogonal"
    )
    adamw_learning_rate: PositiveFloat = Field(
        default=1e-3, description="of embeddings, output layer, norms and biases"
    )
    beta1: Momentum = Field(default=0.9, description="of AdamW")
    beta2: Momentum = Field(default=0.95, description="of AdamW")
    epsilon: PositiveFloat = Field(default=1e-8, description="of AdamW")


OptimizerConfig = Annotated[
    AdamWConfig | SGDConfig | AdamConfig | LionConfig | MuonConfig, Field(discriminator="type")
]


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


def _switched_on(value: object) -> object:
    """`true` is short for all defaults."""
    return {} if value is True else value


class GenerationEvaluation(Config):
    """When and how the model's own text is scored: BLEU, chrF, exact matches."""

    when: Literal["last_epoch", "every_epoch"] = "last_epoch"
    num_examples: PositiveInt = Field(
        default=200, description="of the validation split, spread evenly over it; all if fewer"
    )
    decoding: DecodingConfig = GreedyDecoding(type="greedy")


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
    checkpoint_every: Duration | None = Field(
        default=None,
        description="a checkpoint inside long epochs, too: 5m, say; changes no number",
    )
    evaluate_generation: Annotated[
        GenerationEvaluation | Literal[False] | None, BeforeValidator(_switched_on)
    ] = Field(
        default=None,
        description="score the model's own text, too; if left out, for pairs alone; "
        "true for the defaults",
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
