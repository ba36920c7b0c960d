"""The sweep file as it may be written, short forms included; `reader.py` makes it a SweepSpec."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from lmtune.spec.config import Config, Conflict, NonNegativeInt, PositiveInt
from lmtune.spec.duration import Duration
from lmtune.spec.match import MatchEntry
from lmtune.spec.names import check_sweep_name
from lmtune.spec.search import Asha, Distribution, Method
from lmtune.spec.sweep import Keep, Metric, OnFailure, Resources, Tracking
from lmtune.spec.trial import TrialConfig

MAX_SEEDS = 1000


def _counted(value: object) -> object:
    """`3` is short for `{confirm: [0, 1, 2]}`."""
    if type(value) is not int:
        return value
    if not 1 <= value <= MAX_SEEDS:
        raise Conflict(
            what=f"{value} seeds cannot be run",
            expected=f"a number from 1 to {MAX_SEEDS}, or {{tune, confirm, top_k}}",
            fix="write seeds: 3, say",
        )
    return {"confirm": list(range(value))}


def _distinct(seeds: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(seeds)) < len(seeds):
        raise Conflict(what="a seed is given twice", fix="give each seed once")
    return seeds


_Seeds = Annotated[
    tuple[NonNegativeInt, ...], Field(strict=False, min_length=1), AfterValidator(_distinct)
]


class SeedsEntry(Config):
    """The `seeds` of a sweep file; those left out are chosen apart from those given."""

    tune: _Seeds | None = Field(default=None, description="the seed that trials are tuned with")
    confirm: _Seeds | None = Field(default=None, description="the seeds that comparisons rest on")
    top_k: PositiveInt | None = Field(
        default=None, description="best configurations of a variant to confirm"
    )


class BudgetEntry(Config):
    """The `budget` of a sweep file."""

    trials: PositiveInt | None = Field(default=None, description="tuned trials a variant")
    time: Duration | None = Field(
        default=None, description="for the whole sweep, all runs of it: 30m, 1h30m or seconds"
    )


class VariantEntry(Config):
    """One of the `variants` of a sweep file: what it changes of the base, section by section."""

    dataset: dict[str, Any] = {}
    model: dict[str, Any] = {}
    optimizer: dict[str, Any] = {}
    schedule: dict[str, Any] = {}
    training: dict[str, Any] = {}
    parameters: dict[str, Distribution] = Field(
        default={}, description="searched in this variant, besides the sweep's"
    )


Values = Annotated[list[Any], Field(min_length=1)]
ValuesByPath = Annotated[dict[str, Values], Field(min_length=1)]


class SweepFile(Config):
    """A sweep file: variants x search x seeds."""

    name: Annotated[str, BeforeValidator(check_sweep_name)] = Field(
        description="of the experiment's folder"
    )
    question: str | None = Field(default=None, description="what the sweep is to answer")
    metric: Metric = Metric()
    base: TrialConfig = Field(description="a complete trial; variants say how they differ from it")
    variants: Annotated[dict[str, VariantEntry | None], Field(min_length=1)] | None = Field(
        default=None, description="by name, what each changes of the base"
    )
    ablate: ValuesByPath | None = Field(
        default=None, description="dotted path to values: one change at a time, after the base"
    )
    grid: ValuesByPath | None = Field(
        default=None, description="dotted path to values: every combination"
    )
    match: MatchEntry | None = Field(
        default=None, description="solve each variant's width, so that all are of one size"
    )
    parameters: dict[str, Distribution] = Field(
        default={}, description="dotted path to what is searched inside each variant"
    )
    method: Method | None = Field(default=None, description="who proposes; qmc if left out")
    early_terminate: Asha | None = None
    budget: BudgetEntry = BudgetEntry()
    seeds: Annotated[
        SeedsEntry, BeforeValidator(_counted, json_schema_input_type=int | SeedsEntry)
    ] = SeedsEntry()
    resources: Resources = Resources()
    on_failure: OnFailure = OnFailure()
    keep: Keep = Keep()
    tracking: Tracking = Tracking()


def sweep_json_schema() -> dict[str, Any]:
    """The JSON Schema of a sweep file, for editors that check while one types."""
    return SweepFile.model_json_schema()
