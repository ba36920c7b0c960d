"""A trial: one configuration trained once with one seed, and the name that follows from it."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from lmtune.spec.config import Config, Conflict, NonNegativeInt
from lmtune.spec.dataset import DatasetConfig
from lmtune.spec.model import AnyModelConfig, InstantConfig, RecurrentConfig
from lmtune.spec.training import (
    ConstantSchedule,
    GenerationEvaluation,
    OptimizerConfig,
    ScheduleConfig,
    TrainingConfig,
)

RECORD_FORMAT = 2
"""Raised when the same configuration no longer gives the same numbers or the same files."""

Phase = Literal["tune", "confirm"]


def _single(value: object) -> object:
    if isinstance(value, (dict, list, tuple)):
        raise Conflict(
            what="a mapping or list stands where one value is expected",
            expected="a number, a word, true, false or null",
            fix="write a single value",
        )
    return value


Scalar = Annotated[bool | int | float | str | None, BeforeValidator(_single)]
"""The value of one field."""


class TrialConfig(Config):
    """Everything that a training run needs besides its seed: the `base` of a sweep file."""

    dataset: DatasetConfig
    model: AnyModelConfig
    optimizer: OptimizerConfig
    schedule: ScheduleConfig = Field(default=ConstantSchedule(type="constant"))
    training: TrainingConfig

    @model_validator(mode="after")
    def _warmup_ends(self) -> TrialConfig:
        steps_per_epoch = self.training.steps_per_epoch
        if steps_per_epoch is None:
            return self
        steps = steps_per_epoch * self.training.epochs
        if self.schedule.warmup_steps >= steps:
            raise Conflict(
                "schedule.warmup_steps",
                "training.epochs",
                "training.steps_per_epoch",
                what=f"schedule.warmup_steps: {self.schedule.warmup_steps} is not below the "
                f"{steps} steps of the whole training",
                expected="fewer than epochs x steps_per_epoch",
                fix="shorten the warm-up or train longer",
            )
        return self

    @model_validator(mode="after")
    def _pairs_start_afresh(self) -> TrialConfig:
        carries = isinstance(self.model, RecurrentConfig) and self.model.carry_state
        if self.dataset.is_pairs and carries:
            raise Conflict(
                "model.carry_state",
                "dataset.corpus",
                what="carry_state: true keeps the state from one text to the next, and pairs have "
                "nothing to do with each other",
                fix="remove carry_state",
            )
        return self

    @model_validator(mode="after")
    def _instant_writes_nothing(self) -> TrialConfig:
        if isinstance(self.model, InstantConfig) and self.generation is not None:
            raise Conflict(
                "training.evaluate_generation",
                "model.type",
                what="an instant model writes no text that could be evaluated",
                fix="set training.evaluate_generation: false",
            )
        return self

    @property
    def generation(self) -> GenerationEvaluation | None:
        """How the model's own text is scored; None where it is not."""
        asked = self.training.evaluate_generation
        if asked is None and self.dataset.is_pairs:
            return GenerationEvaluation()
        return asked or None

    def content(self) -> dict[str, Any]:
        """All of it that determines a trial's numbers.

        The word `size` alone does not, nor does when a checkpoint is written.
        """
        content: dict[str, Any] = self.model_dump(mode="json")
        del content["model"]["size"]
        del content["training"]["checkpoint_every"]
        return content


class TrialSpec(Config):
    """One trial, as it is sent to a worker and kept in the records."""

    variant: str
    phase: Phase
    seed: NonNegativeInt
    config: TrialConfig
    parameters: dict[str, Scalar] = Field(
        default={}, description="the searched values by dotted path"
    )
    data_fingerprint: str = Field(description="content hash of the token arrays")
    study: str = Field(default="", description="that proposed it; empty for a confirm trial")
    proposal: NonNegativeInt = Field(default=0, description="which one of the study's, from 0")

    @cached_property
    def trial_id(self) -> str:
        """Hash of all that determines the trial's numbers; the same trial has the same id.

        A variant's name and the phase do not change a number, so they are left out.
        """
        content = {
            "config": self.config.content(),
            "data_fingerprint": self.data_fingerprint,
            "format": RECORD_FORMAT,
            "seed": self.seed,
        }
        text = json.dumps(content, sort_keys=True, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:12]
