"""The `model` section: each architecture's dimensions, and what small, default and large mean.

`size` gives the dimensions that the file leaves out; at a vocabulary of 100 tokens the sizes have
about 0.2, 1 and 10 million parameters for every architecture.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from lmtune.spec.config import (
    Config,
    Conflict,
    FiniteFloat,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    Probability,
)

Size = Literal["small", "default", "large"]


class ModelConfig(Config):
    """What every architecture has.

    Attributes:
        SIZES: one set of dimensions a size.
        DEPTHS: the fields that count layers.
        WIDTHS: the fields that `match` solves: the first in whole steps of `width_step`, the others
            only to take up what such a step leaves over.
    """

    SIZES: ClassVar[dict[str, dict[str, int]]]
    DEPTHS: ClassVar[tuple[str, ...]] = ("num_layers",)
    WIDTHS: ClassVar[tuple[str, ...]]

    size: Size = Field(default="default", description="dimensions for what is not given")
    dropout: Probability = 0.0

    @model_validator(mode="before")
    @classmethod
    def _fill_in_size(cls, value: Any) -> Any:  # noqa: ANN401 - raw YAML
        """Dimensions that are not given come from `size`."""
        if not isinstance(value, dict):
            return value
        size = str(value.get("size"))
        # A wrong size is refused by its field: dimensions are not missing for that.
        known = cls.SIZES.get(size, cls.SIZES["default"])
        return cls._derive({**known, **value})

    @classmethod
    def _derive(cls, value: dict[str, Any]) -> dict[str, Any]:
        """Fill in what follows from other fields; wrong types are left for the fields to refuse."""
        return value

    @property
    def width_step(self) -> int:
        """What the first of `WIDTHS` must be a multiple of."""
        return 1


class AttentionConfig(ModelConfig):
    """Dimensions and parts of the architectures that attend."""

    WIDTHS = ("d_model", "d_ff")

    d_model: PositiveInt = Field(description="width of the residual stream")
    num_heads: PositiveInt = Field(description="attention heads; divides d_model")
    num_kv_heads: PositiveInt = Field(
        description="heads of keys and values, each shared by a group of query heads (Ainslie et "
        "al. 2023); divides num_heads; num_heads if left out"
    )
    d_ff: PositiveInt = Field(
        description="width inside the feed-forward part; if left out 4 d_model, or for swiglu "
        "8/3 d_model rounded up to a multiple of 8, which has as many weights"
    )
    norm: Literal["layernorm", "rmsnorm"] = "layernorm"
    norm_position: Literal["pre", "post"] = Field(
        default="pre", description="before each part of a layer, or after it is added"
    )
    position: Literal["learned", "sinusoidal", "rotary", "alibi", "none"] = "learned"
    activation: Literal["gelu", "relu", "relu_squared", "swiglu"] = "gelu"
    qk_norm: bool = Field(default=False, description="normalise queries and keys in each head")
    bias: bool = Field(default=False, description="in linear maps and layer norms")
    tie_embeddings: bool = Field(default=True, description="the output layer is the embedding")
    attention_dropout: Probability = Field(
        description="chance of dropping an attention weight; dropout if left out"
    )
    residual_dropout: Probability = Field(
        description="chance of dropping a value that a part of a layer adds; dropout if left out"
    )
    embedding_dropout: Probability = Field(
        description="chance of dropping a value of a token's vector; dropout if left out"
    )

    @classmethod
    def _derive(cls, value: dict[str, Any]) -> dict[str, Any]:
        derived: dict[str, Any] = {}
        if type(d_model := value.get("d_model")) is int:
            is_gated = value.get("activation") == "swiglu"
            derived["d_ff"] = -(-d_model // 3) * 8 if is_gated else 4 * d_model
        if "num_heads" in value:
            derived["num_kv_heads"] = value["num_heads"]
        dropout = value.get("dropout", 0.0)
        places = ("attention_dropout", "residual_dropout", "embedding_dropout")
        return {**derived, **dict.fromkeys(places, dropout), **value}

    @property
    def width_step(self) -> int:
        """As many heads as before, each of a whole size, and an even one for `rotary`."""
        return self.num_heads * (2 if self.position == "rotary" else 1)

    @model_validator(mode="after")
    def _heads_divide(self) -> AttentionConfig:
        _refuse_indivisible("num_heads", self.num_heads, "d_model", self.d_model)
        _refuse_indivisible("num_kv_heads", self.num_kv_heads, "num_heads", self.num_heads)
        return self

    @model_validator(mode="after")
    def _rotary_heads_are_even(self) -> AttentionConfig:
        head_size = self.d_model // self.num_heads
        if self.position == "rotary" and head_size % 2:
            raise Conflict(
                "position",
                "num_heads",
                "d_model",
                what=f"position: rotary turns pairs of values, and a head has {head_size} of them",
                expected="d_model / num_heads even",
                fix="change d_model or num_heads, or take another position",
            )
        return self


def _refuse_indivisible(name: str, divisor: int, whole_name: str, whole: int) -> None:
    if whole % divisor:
        divisors = [n for n in range(1, 65) if whole % n == 0]
        raise Conflict(
            name,
            whole_name,
            what=f"{name}: {divisor} does not divide {whole_name}: {whole}",
            expected=f"{name} one of {', '.join(map(str, divisors))}",
            fix=f"set {name} to one of them, or {whole_name} to a multiple of {divisor}",
        )


class GPTConfig(AttentionConfig):
    """Decoder-only Transformer (Radford et al. 2019)."""

    SIZES = {
        "small": {"num_layers": 4, "d_model": 64, "num_heads": 4},
        "default": {"num_layers": 5, "d_model": 128, "num_heads": 4},
        "large": {"num_layers": 6, "d_model": 384, "num_heads": 6},
    }

    type: Literal["gpt"]
    num_layers: PositiveInt


class TransformerConfig(AttentionConfig):
    """Encoder-decoder Transformer (Vaswani et al. 2017)."""

    DEPTHS = ("num_encoder_layers", "num_decoder_layers")
    SIZES = {
        "small": {"num_encoder_layers": 2, "num_decoder_layers": 2, "d_model": 56, "num_heads": 4},
        "default": {
            "num_encoder_layers": 2,
            "num_decoder_layers": 2,
            "d_model": 128,
            "num_heads": 4,
        },
        "large": {"num_encoder_layers": 4, "num_decoder_layers": 4, "d_model": 288, "num_heads": 6},
    }

    type: Literal["transformer"]
    num_encoder_layers: PositiveInt
    num_decoder_layers: PositiveInt


class RecurrentConfig(ModelConfig):
    """Dimensions and parts of the recurrent architectures."""

    WIDTHS = ("hidden_size",)

    num_layers: PositiveInt
    embedding_dim: PositiveInt = Field(
        description="width of a token's vector; hidden_size if left out"
    )
    hidden_size: PositiveInt = Field(description="width of the state")
    tie_embeddings: bool = Field(
        default=True,
        description="the output layer is the embedding, behind a projection where widths differ",
    )
    carry_state: bool = Field(
        default=False,
        description="keep the state over the whole split when evaluating: a longer context than "
        "context_length, which the report says beside the number",
    )

    @model_validator(mode="before")
    @classmethod
    def _reads_forwards(cls, value: Any) -> Any:  # noqa: ANN401 - raw YAML
        if isinstance(value, dict) and "bidirectional" in value:
            raise Conflict(
                "bidirectional",
                what="a cell that also reads backwards sees the token that it is to predict",
                expected="a model that reads forwards alone",
                fix="remove bidirectional; an encoder that reads both ways is type: transformer",
            )
        return value

    @classmethod
    def _derive(cls, value: dict[str, Any]) -> dict[str, Any]:
        hidden_size = value.get("hidden_size")
        return {"embedding_dim": hidden_size, **value} if type(hidden_size) is int else value


class RNNConfig(RecurrentConfig):
    """Elman network with tanh (Elman 1990)."""

    SIZES = {
        "small": {"num_layers": 2, "hidden_size": 208},
        "default": {"num_layers": 2, "hidden_size": 480},
        "large": {"num_layers": 2, "hidden_size": 1536},
    }

    type: Literal["rnn"]


class LSTMConfig(RecurrentConfig):
    """Long short-term memory with a forget gate (Gers et al. 2000)."""

    SIZES = {
        "small": {"num_layers": 2, "hidden_size": 108},
        "default": {"num_layers": 2, "hidden_size": 240},
        "large": {"num_layers": 2, "hidden_size": 776},
    }

    type: Literal["lstm"]
    forget_bias: FiniteFloat = Field(
        default=1.0, description="of the forget gates at the start (Jozefowicz et al. 2015)"
    )


class GRUConfig(RecurrentConfig):
    """Gated recurrent unit (Cho et al. 2014)."""

    SIZES = {
        "small": {"num_layers": 2, "hidden_size": 124},
        "default": {"num_layers": 2, "hidden_size": 284},
        "large": {"num_layers": 2, "hidden_size": 908},
    }

    type: Literal["gru"]


class InstantConfig(ModelConfig):
    """No model: a loss by formula, in no time, to try samplers and to load a sweep with trials.

    The formula is in `models/instant.py`.
    """

    SIZES = {
        "small": {"width": 100_000},
        "default": {"width": 500_000},
        "large": {"width": 5_000_000},
    }
    DEPTHS = ()
    WIDTHS = ("width",)

    type: Literal["instant"]
    width: PositiveInt = Field(description="parameters that it counts as; the loss ignores them")
    floor: NonNegativeFloat = Field(default=1.0, description="nats a token that it tends to")
    best_learning_rate: PositiveFloat = Field(default=1e-2, description="where the loss is lowest")
    x: FiniteFloat = Field(default=0.0, description="to be searched; best at 0")
    y: FiniteFloat = Field(default=0.0, description="to be searched; best at x squared")
    noise: NonNegativeFloat = Field(default=0.0, description="standard deviation over seeds")
    diverges_above: PositiveFloat | None = Field(
        default=None, description="the learning rate from which its loss is not finite"
    )


AnyModelConfig = Annotated[
    GPTConfig | TransformerConfig | RNNConfig | LSTMConfig | GRUConfig | InstantConfig,
    Field(discriminator="type"),
]
