"""What all sections of a sweep file have in common: strict, frozen, and every field described."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

PositiveInt = Annotated[int, Field(gt=0)]
NonNegativeInt = Annotated[int, Field(ge=0)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegativeFloat = Annotated[float, Field(ge=0, allow_inf_nan=False)]
FiniteFloat = Annotated[float, Field(allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Probability = Annotated[float, Field(ge=0, lt=1, description="chance of dropping a value")]


class Config(BaseModel):
    """A section of a sweep file. Unknown keys, wrong types and later changes are refused."""

    # Validators are built when first used: a file with a mistake needs only some of them.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)


class Conflict(ValueError):
    """A value that breaks a rule which no type can say; for validators to raise.

    Args:
        fields: the fields at fault, dotted from the validator's section, the likeliest first;
            none where the section as a whole is.
        what: what is wrong, with the values.
        expected: the rule or the choices; empty where `what` says it.
        fix: an edit.
    """

    def __init__(self, *fields: str, what: str, expected: str = "", fix: str) -> None:
        super().__init__(what)
        self.fields = fields
        self.what = what
        self.expected = expected
        self.fix = fix
