"""The `model` section: each architecture's dimensions, and what small, default and large mean.

`size` gives the dimensions that the file leaves out; at a vocabulary of 100 tokens the sizes have
about 0.2, 1 and 10 million parameters for every architecture.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from lmtune.spec.config import Config, Conflict, PositiveInt, Probability

Size = Literal["small", "default", "large"]


class ModelConfig(Config):
    """What every architecture has. Subclasses fill `SIZES` with one set of dimensions a size."""

    SIZES: ClassVar[dict[str, dict[str, int]]]

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


class AttentionConfig(ModelConfig):
    """Dimensions of the architectures that attend."""

    d_model: PositiveInt = Field(description="width of the residual stream")
    num_heads: PositiveInt = Field(description="attention heads; divides d_model")
    d_ff: PositiveInt = Field(
        description="width inside the feed-forward part; 4 d_model if left out"
    )

    @classmethod
    def _derive(cls, value: dict[str, Any]) -> dict[str, Any]:
        d_model = value.get("d_model")
        return {"d_ff": 4 * d_model, **value} if type(d_model) is int else value

    @model_validator(mode="after")
    def _heads_divide_width(self) -> AttentionConfig:
        if self.d_model % self.num_heads:
            divisors = [n for n in range(1, 65) if self.d_model % n == 0]
            raise Conflict(
                "num_heads",
                "d_model",
                what=f"num_heads: {self.num_heads} does not divide d_model: {self.d_model}",
                expected=f"num_heads one of {', '.join(map(str, divisors))}",
                fix=f"set num_heads to one of them, or d_model to a multiple of {self.num_heads}",
            )
        return self


class GPTConfig(AttentionConfig):
    """Decoder-only Transformer (Radford et al. 2019), pre-norm, tied embeddings."""

    SIZES = {
        "small": {"num_layers": 4, "d_model": 64, "num_heads": 4},
        "default": {"num_layers": 5, "d_model": 128, "num_heads": 4},
        "large": {"num_layers": 6, "d_model": 384, "num_heads": 6},
    }

    type: Literal["gpt"]
    num_layers: PositiveInt


class TransformerConfig(AttentionConfig):
    """Encoder-decoder Transformer (Vaswani et al. 2017), pre-norm, tied embeddings."""

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
    """Dimensions of the recurrent architectures."""

    num_layers: PositiveInt
    embedding_dim: PositiveInt = Field(
        description="width of a token's vector; hidden_size if left out"
    )
    hidden_size: PositiveInt = Field(description="width of the state")
    carry_state: bool = Field(
        default=False,
        description="keep the state over the whole split when evaluating: a longer context than "
        "context_length, which the report says beside the number",
    )

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


AnyModelConfig = Annotated[
    GPTConfig | TransformerConfig | RNNConfig | LSTMConfig, Field(discriminator="type")
]
