"""A sweep: variants x search x seeds, and where and how it runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from lmtune.errors import SpecError
from lmtune.spec.config import Config, Conflict, NonNegativeFloat, NonNegativeInt, PositiveInt
from lmtune.spec.match import Match, Matched
from lmtune.spec.paths import with_value
from lmtune.spec.problems import Problems
from lmtune.spec.search import Asha, Budget, Distribution, Method, Seeds
from lmtune.spec.tree import Spot, node_of
from lmtune.spec.trial import Scalar, TrialConfig

MetricName = Literal[
    "val_loss",
    "val_perplexity",
    "val_bits_per_byte",
    "val_accuracy",
    "val_bleu",
    "val_chrf",
    "val_exact_match",
]
GENERATION_METRICS = ("val_bleu", "val_chrf", "val_exact_match")
"""Of the model's own text: known only after epochs in which it is evaluated."""


class Metric(Config):
    """What a sweep compares by."""

    name: MetricName = "val_loss"
    goal: Literal["minimize", "maximize"] = "minimize"

    @model_validator(mode="before")
    @classmethod
    def _goal_follows(cls, value: Any) -> Any:  # noqa: ANN401 - raw YAML
        """Where no goal is given, it is the metric's own."""
        if not isinstance(value, dict):
            return value
        return {"goal": _goal(value.get("name")), **value}

    @model_validator(mode="after")
    def _goal_fits(self) -> Metric:
        if self.goal != _goal(self.name):
            raise Conflict(
                "goal",
                what=f"goal: {self.goal} would look for the worst {self.name}",
                expected=f"goal: {_goal(self.name)}",
                fix=f"write goal: {_goal(self.name)}, or leave goal out",
            )
        return self


def _goal(metric: object) -> str:
    return "maximize" if metric in ("val_accuracy", *GENERATION_METRICS) else "minimize"


class Resources(Config):
    """What one trial gets."""

    cpu: PositiveInt = 1
    gpu: NonNegativeFloat = Field(default=0, description="a fraction shares a GPU between trials")
    max_concurrent: PositiveInt | None = Field(
        default=None, description="trials at once; as many as fit if left out"
    )

    @field_validator("gpu")
    @classmethod
    def _whole_above_one(cls, gpu: float) -> float:
        if gpu > 1 and not gpu.is_integer():
            raise Conflict(
                what=f"gpu: {gpu} is neither a share of one GPU nor a number of GPUs",
                expected="at most 1, or a whole number",
                fix=f"write {int(gpu)} or {int(gpu) + 1}",
            )
        return gpu


class OnFailure(Config):
    """What follows when a trial's process dies or raises."""

    retries: NonNegativeInt = Field(
        default=2, description="of one trial in one run of the sweep, from its last checkpoint"
    )


class Keep(Config):
    """Which weights are left when trials have ended; those under way keep all that they need."""

    checkpoints: Literal["best", "last", "all", "none"] = Field(
        default="all", description="of a trial: of its best epoch, of its last, both, or neither"
    )
    top_k: PositiveInt | None = Field(
        default=None,
        description="trials of the whole sweep that keep theirs, by the metric, confirm trials "
        "first; all if left out",
    )


class MlflowTracking(Config):
    """Where MLflow keeps the runs."""

    uri: str = "sqlite:///mlruns/mlflow.db"


class Tracking(Config):
    """Which trackers follow the sweep."""

    mlflow: MlflowTracking | None = MlflowTracking()


class Variant(Config):
    """One answer to the sweep's question."""

    name: str
    overrides: dict[str, Scalar] = Field(
        default={}, description="what it sets of its own, by dotted path"
    )
    config: TrialConfig = Field(description="complete; searched fields hold the base's value")
    given: dict[str, Any] = Field(
        description="config as far as the file gives it; the rest follows from size and defaults"
    )
    parameters: dict[str, Distribution] = Field(default={}, description="searched, by dotted path")
    matched: Matched | None = Field(default=None, description="where the sweep asks for a match")

    def resized(self, matched: Matched) -> Variant:
        """The variant with the widths that a match solved for it."""
        given = self.given
        for path, width in matched.solved.items():
            given = with_value(given, path, width)
        config = self.trial_config(matched.solved)
        return self.model_copy(update={"config": config, "given": given, "matched": matched})

    def trial_config(self, parameters: Mapping[str, Scalar]) -> TrialConfig:
        """The configuration with the searched fields set.

        What follows from them follows here too: `d_ff` from a searched `d_model`, say.

        Raises:
            SpecError: the values do not go together with each other or the variant.
        """
        given = self.given
        for path, value in parameters.items():
            given = with_value(given, path, value)
        try:
            return TrialConfig.model_validate(given)
        except ValidationError as error:
            raise self._invalid(error, parameters, given) from None

    def _invalid(
        self, error: ValidationError, parameters: Mapping[str, Scalar], given: dict[str, Any]
    ) -> SpecError:
        values = ", ".join(f"{path}={value}" for path, value in parameters.items())
        problems = Problems()
        spot = Spot(f"variant {self.name} with {values}")
        problems.add_invalid(error, node_of(given, spot), TrialConfig)
        return problems.error()


class SweepSpec(Config):
    """A sweep file as understood: complete, checked, and the same for everyone who reads it."""

    name: str
    question: str
    metric: Metric
    variants: tuple[Variant, ...] = Field(description="the first is the base of the comparison")
    method: Method | None = Field(description="None where nothing is searched")
    early_terminate: Asha | None
    budget: Budget
    seeds: Seeds
    resources: Resources
    tracking: Tracking
    on_failure: OnFailure = OnFailure()
    keep: Keep = Keep()
    match: Match | None = Field(default=None, description="None where widths are as the file says")
    overrides: tuple[str, ...] = Field(default=(), description="the --set options, as given")

    def num_tune_trials(self, variant: Variant) -> int:
        """How many trials the search of a variant has: 0 where nothing is searched."""
        if not variant.parameters:
            return 0
        if self.budget.trials is not None:
            return self.budget.trials
        return math.prod(found.num_points or 1 for found in variant.parameters.values())

    def num_confirm_trials(self, variant: Variant) -> int:
        """How many trials confirm a variant, at most: fewer where its search completes fewer."""
        tune = self.num_tune_trials(variant)
        configurations = min(self.seeds.top_k, tune) if tune else 1
        return configurations * len(self.seeds.confirm)
