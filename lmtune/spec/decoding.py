"""How a model's text is chosen token by token: the `decoding` of evaluation and of `generate`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lmtune.spec.config import Config, NonNegativeFloat, PositiveFloat, PositiveInt


class GreedyDecoding(Config):
    """The likeliest token each time."""

    type: Literal["greedy"]


class SampleDecoding(Config):
    """A token drawn by its probability, among the likeliest alone where asked for.

    Source: Fan et al. 2018 (top-k); Holtzman et al. 2020 (top-p, the nucleus).
    """

    type: Literal["sample"]
    temperature: PositiveFloat = Field(default=1.0, description="logits are divided by it")
    top_k: PositiveInt | None = Field(
        default=None, description="draw from so many tokens; from all if left out"
    )
    top_p: Annotated[float, Field(gt=0, le=1)] = Field(
        default=1.0, description="draw from the fewest tokens that have this probability together"
    )


class BeamDecoding(Config):
    """The likeliest text of several kept side by side.

    Source: Wu et al. 2016, sec. 7 (length penalty), without the coverage penalty.
    """

    type: Literal["beam"]
    beam_size: Annotated[int, Field(ge=1, le=64)] = 4
    length_penalty: NonNegativeFloat = Field(
        default=0.6, description="exponent alpha; 0 for none, more prefers longer texts"
    )


DecodingConfig = Annotated[
    GreedyDecoding | SampleDecoding | BeamDecoding, Field(discriminator="type")
]
