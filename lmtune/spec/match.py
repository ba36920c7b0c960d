"""`match`: every variant gets the width at which it is as large, or as costly, as the target."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from lmtune.spec.config import Config, Conflict
from lmtune.spec.trial import TrialConfig

MatchBy = Literal["params", "non_embedding_params", "flops_per_token"]


def _count_or_base(value: object) -> object:
    """A target as a whole number, however it was written: `1e6` is one."""
    if value == "base":
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        whole = int(value)
        if whole == value and whole > 0:
            return whole
    raise Conflict(
        what="the target is neither the word base nor a count",
        expected="base, or a whole number above 0",
        fix="write target: base, or leave it out, which means the same",
    )


class MatchEntry(Config):
    """The `match` of a sweep file."""

    by: MatchBy = Field(description="what is to be the same")
    target: Annotated[
        Literal["base"] | int,
        BeforeValidator(_count_or_base, json_schema_input_type=Literal["base"] | float),
    ] = Field(default="base", description="a number, or what the base has")
    tolerance: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.02, description="share of the target that a variant may miss it by"
    )


class Match(MatchEntry):
    """A `match` as understood."""

    base: TrialConfig = Field(description="the file's base, which may be no variant itself")


class Matched(Config):
    """What came of a match for one variant."""

    by: MatchBy
    target: int
    reached: int
    mismatch: float = Field(description="reached / target - 1")
    solved: dict[str, int] = Field(description="the widths that were solved, by dotted path")
