"""The `parameters`, `method`, `early_terminate`, `budget` and `seeds` of a sweep file."""

from __future__ import annotations

import math
from abc import abstractmethod
from random import Random
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from lmtune.spec.config import (
    Config,
    Conflict,
    FiniteFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)
from lmtune.spec.trial import Scalar

Method = Literal["grid", "random", "qmc", "tpe", "cmaes", "gp"]

_MOST_STEPS = 1_000_000


class Searched(Config):
    """What a searched field's values come from."""

    @property
    @abstractmethod
    def num_points(self) -> int | None:
        """How many values there are; None for real numbers."""

    @abstractmethod
    def corners(self) -> tuple[Scalar, ...]:
        """The values that are most likely to break a rule: every word, both ends of a range."""

    @abstractmethod
    def draw(self, generator: Random) -> Scalar:
        """Any of the values."""


class Constant(Searched):
    """A single value: written `{value: x}`."""

    value: Scalar

    @property
    def num_points(self) -> int:
        """One."""
        return 1

    def corners(self) -> tuple[Scalar, ...]:
        """The value."""
        return (self.value,)

    def draw(self, generator: Random) -> Scalar:
        """The value."""
        return self.value


class Categorical(Searched):
    """Values without an order: written `{values: [...]}`."""

    values: Annotated[tuple[Scalar, ...], Field(min_length=1, strict=False)]

    @model_validator(mode="after")
    def _differ(self) -> Categorical:
        # 1 and true are equal to Python, but not to a reader.
        distinct = {(isinstance(value, bool), value) for value in self.values}
        if len(distinct) < len(self.values):
            raise Conflict("values", what="a value is given twice", fix="list each value once")
        return self

    @property
    def num_points(self) -> int:
        """As many as are listed."""
        return len(self.values)

    def corners(self) -> tuple[Scalar, ...]:
        """All values."""
        return self.values

    def draw(self, generator: Random) -> Scalar:
        """One of the values, each as likely."""
        return generator.choice(self.values)


class Range(Searched):
    """Numbers from `min` to `max`, both included. Subclasses give the two their types."""

    distribution: str
    min: FiniteFloat
    max: FiniteFloat

    @model_validator(mode="after")
    def _is_a_range(self) -> Range:
        if self.min >= self.max:
            raise Conflict(
                "min",
                "max",
                what=f"min: {self.min} is not below max: {self.max}",
                expected="min below max",
                fix="exchange them, or write {value: ...} for a single value",
            )
        if self.is_logarithmic and self.min <= 0:
            raise Conflict(
                "min",
                what=f"min: {self.min} has no logarithm, which {self.distribution} needs",
                expected="min above 0",
                fix="raise min above 0, or take a distribution without log",
            )
        return self

    @property
    def is_logarithmic(self) -> bool:
        """True where the logarithm is what is uniform."""
        return "log" in self.distribution

    def corners(self) -> tuple[Scalar, ...]:
        """Both ends."""
        return (self.min, self.max)


class FloatRange(Range):
    """Real numbers: uniform, or uniform in the logarithm. `uniform` where none is named."""

    distribution: Literal["uniform", "log_uniform_values"] = "uniform"

    @property
    def num_points(self) -> None:
        """None: they are not counted."""
        return None

    def draw(self, generator: Random) -> float:
        """A number, uniform in itself or in its logarithm."""
        if not self.is_logarithmic:
            return generator.uniform(self.min, self.max)
        value = math.exp(generator.uniform(math.log(self.min), math.log(self.max)))
        return min(max(value, self.min), self.max)


class IntRange(Range):
    """Whole numbers. `int_uniform` where none is named and both ends are whole."""

    distribution: Literal["int_uniform", "int_log_uniform_values"] = "int_uniform"
    min: int
    max: int

    @property
    def num_points(self) -> int:
        """All whole numbers of the range."""
        return self.max - self.min + 1

    def draw(self, generator: Random) -> int:
        """A whole number, each as likely."""
        return generator.randint(self.min, self.max)


class QuantizedRange(Range):
    """`min`, `min + q`, ... `max`; whole numbers where all three are."""

    distribution: Literal["q_uniform"]
    q: PositiveFloat = Field(description="the step; divides max - min")

    @model_validator(mode="after")
    def _steps_fit(self) -> QuantizedRange:
        steps = (self.max - self.min) / self.q
        if steps > _MOST_STEPS:
            raise Conflict(
                "q",
                what=f"q: {self.q} makes too many steps between min and max",
                expected=f"at most {_MOST_STEPS} steps",
                fix="raise q, or take uniform, which has no steps",
            )
        if not math.isclose(steps, round(steps), rel_tol=1e-9):
            nearest = self.min + math.floor(steps) * self.q
            raise Conflict(
                "q",
                what=f"q: {self.q} does not divide max - min: {self.max - self.min}",
                expected="max a whole number of steps above min",
                fix=f"set max: {nearest:.12g} or {nearest + self.q:.12g}",
            )
        return self

    @property
    def is_whole(self) -> bool:
        """True where every value is a whole number, and given as one."""
        return all(number.is_integer() for number in (self.min, self.max, self.q))

    @property
    def num_points(self) -> int:
        """The steps, both ends included."""
        return round((self.max - self.min) / self.q) + 1

    def value(self, step: int) -> float:
        """The value that many steps above `min`."""
        value = min(self.min + step * self.q, self.max)
        return int(value) if self.is_whole else value

    def corners(self) -> tuple[Scalar, ...]:
        """`min` and the last step."""
        return (self.value(0), self.value(self.num_points - 1))

    def draw(self, generator: Random) -> float:
        """A step, each as likely."""
        return self.value(generator.randrange(self.num_points))


_RANGES = {
    "uniform": "FloatRange",
    "log_uniform_values": "FloatRange",
    "int_uniform": "IntRange",
    "int_log_uniform_values": "IntRange",
    "q_uniform": "QuantizedRange",
}


def _kind(written: object) -> str | None:
    """The class that a `parameters` entry asks for, or the unknown word that it names."""
    if isinstance(written, Searched):
        return type(written).__name__
    if not isinstance(written, dict):
        return None
    if "value" in written:
        return "Constant"
    if "values" in written:
        return "Categorical"
    if "distribution" in written:
        word = str(written["distribution"])
        return _RANGES.get(word, word)
    if "min" in written or "max" in written:
        ends = (written.get("min"), written.get("max"))
        return "IntRange" if all(type(end) is int for end in ends) else "FloatRange"
    return None


Distribution = Annotated[
    Annotated[Constant, Tag("Constant")]
    | Annotated[Categorical, Tag("Categorical")]
    | Annotated[FloatRange, Tag("FloatRange")]
    | Annotated[IntRange, Tag("IntRange")]
    | Annotated[QuantizedRange, Tag("QuantizedRange")],
    Discriminator(_kind),
]


class Asha(Config):
    """Asynchronous successive halving (Li et al. 2020): it stops, and never pauses, trials."""

    type: Literal["asha"]
    min_iter: PositiveInt = Field(default=1, description="epochs before the first rung")
    eta: Annotated[int, Field(ge=2)] = Field(
        default=3, description="one in eta trials goes on at each rung"
    )


def asha_rungs(asha: Asha, epochs: int) -> list[int]:
    """The epochs at which trials are compared: min_iter times a power of eta, below `epochs`."""
    rungs = []
    rung = asha.min_iter
    while rung < epochs:
        rungs.append(rung)
        rung *= asha.eta
    return rungs


class Budget(Config):
    """What a sweep may spend."""

    trials: PositiveInt | None = Field(
        default=None, description="tuned trials a variant; None for all points of a grid"
    )
    time_s: float | None = Field(default=None, description="for the whole sweep")


class Seeds(Config):
    """Seeds of the two phases; the same for every variant, none in both."""

    tune: Annotated[tuple[NonNegativeInt, ...], Field(strict=False)] = Field(
        default=(0,), description="one, or none where nothing is searched"
    )
    confirm: Annotated[tuple[NonNegativeInt, ...], Field(strict=False)] = (1, 2, 3)
    top_k: PositiveInt = Field(default=1, description="best configurations of a variant to confirm")
