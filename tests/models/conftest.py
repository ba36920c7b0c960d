"""Every architecture found in the package, with every option: a new file needs no test of its own.

The options of an architecture are the words and switches among its config's fields. Each is changed
alone, and some together as published models have them.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

import pytest
import torch
from torch import Tensor

import lmtune.models
from lmtune.models import LanguageModel, PairBatch, build_model
from lmtune.spec.model import AnyModelConfig, InstantConfig, ModelConfig

VOCAB_SIZE = 12
CONTEXT_LENGTH = 8

NUM_OUTPUTS = 8
START_TOKEN = 8
"""Of pairs: tokens 0 to 6 and the end, 7, are written; 8 and those above are read alone."""

MODEL_TYPES = [
    module.name
    for module in pkgutil.iter_modules(lmtune.models.__path__)
    if hasattr(importlib.import_module(f"lmtune.models.{module.name}"), "build")
]

CONFIGS: dict[str, type[ModelConfig]] = {
    get_args(kind.model_fields["type"].annotation)[0]: kind
    for kind in get_args(get_args(AnyModelConfig)[0])
    if kind is not InstantConfig  # has tests of its own, with the training that it stands for
}

DIMENSIONS = {
    "num_layers": 2,
    "num_encoder_layers": 1,
    "num_decoder_layers": 2,
    "d_model": 32,
    "num_heads": 4,
    "hidden_size": 32,
}
"""Of the models under test, as far as they have them."""

MORE_OPTIONS: list[dict[str, Any]] = [
    {"num_kv_heads": 2},
    {"num_kv_heads": 1},
    {  # as in LLaMA and what came after it
        "norm": "rmsnorm",
        "position": "rotary",
        "activation": "swiglu",
        "qk_norm": True,
        "num_kv_heads": 2,
        "tie_embeddings": False,
    },
    {  # as in 2017
        "norm_position": "post",
        "position": "sinusoidal",
        "activation": "relu",
        "bias": True,
    },
    {
        "norm": "rmsnorm",
        "norm_position": "post",
        "position": "alibi",
        "activation": "relu_squared",
        "qk_norm": True,
        "bias": True,
        "num_kv_heads": 1,
    },
    {"embedding_dim": 12},
    {"embedding_dim": 12, "tie_embeddings": False},
    {"forget_bias": 0.0},
]


def options_of(kind: type[ModelConfig]) -> Iterator[dict[str, Any]]:
    """None, then each word or switch changed alone, then `MORE_OPTIONS` that it has."""
    yield {}
    for name, field in kind.model_fields.items():
        values = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
        if field.annotation is bool:
            values = (False, True)
        if name not in ("type", "size", "carry_state"):  # how to evaluate, not what to build
            yield from ({name: value} for value in values if value != field.default)
    yield from (options for options in MORE_OPTIONS if options.keys() <= kind.model_fields.keys())


def make_config(model_type: str, **fields: Any) -> AnyModelConfig:  # noqa: ANN401 - any value
    """A config of the type; its dimensions are those of its size unless given."""
    return CONFIGS[model_type].model_validate({"type": model_type, **fields})  # type: ignore[return-value]


def small_dimensions(model_type: str) -> dict[str, int]:
    """`DIMENSIONS` that the type has."""
    fields = CONFIGS[model_type].model_fields
    return {name: value for name, value in DIMENSIONS.items() if name in fields}


CASES = [(name, options) for name in MODEL_TYPES for options in options_of(CONFIGS[name])]


def case_id(case: tuple[str, dict[str, Any]]) -> str:
    """Type and options, as in `gpt,position=rotary`."""
    name, options = case
    return ",".join([name, *(f"{key}={value}" for key, value in options.items())])


@pytest.fixture(params=CASES, ids=case_id)
def case(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """An architecture and the options that are not its default."""
    name_and_options: tuple[str, dict[str, Any]] = request.param
    return name_and_options


@pytest.fixture(params=MODEL_TYPES)
def model_type(request: pytest.FixtureRequest) -> str:
    """Name of an architecture's file."""
    name: str = request.param
    return name


@pytest.fixture
def config(case: tuple[str, dict[str, Any]]) -> AnyModelConfig:
    """The architecture with the options, small."""
    name, options = case
    return make_config(name, **small_dimensions(name), **options)


@pytest.fixture
def model(config: AnyModelConfig) -> LanguageModel:
    """A model of running text, as it starts."""
    return build_model(config, vocab_size=VOCAB_SIZE, context_length=CONTEXT_LENGTH, seed=0).eval()


@pytest.fixture
def pair_model(config: AnyModelConfig) -> LanguageModel:
    """A model of pairs, as it starts."""
    return build_model(
        config,
        vocab_size=VOCAB_SIZE,
        num_outputs=NUM_OUTPUTS,
        context_length=CONTEXT_LENGTH,
        seed=0,
    ).eval()


@pytest.fixture
def tokens_BT() -> Tensor:
    """Three full windows of random tokens."""
    generator = torch.Generator().manual_seed(1)
    return torch.randint(VOCAB_SIZE, (3, CONTEXT_LENGTH), generator=generator)


@pytest.fixture
def pairs() -> PairBatch:
    """Three pairs of other lengths, the second without padding, the third as long as can be."""
    generator = torch.Generator().manual_seed(2)
    target_lengths_B = torch.tensor([3, 4, 3])
    target_BN = torch.randint(NUM_OUTPUTS - 1, (3, 4), generator=generator)
    target_BN[torch.arange(3), target_lengths_B - 1] = NUM_OUTPUTS - 1
    return PairBatch(
        source_BS=torch.randint(START_TOKEN + 1, VOCAB_SIZE, (3, 5), generator=generator),
        source_lengths_B=torch.tensor([1, 3, 5]),
        target_BN=target_BN,
        target_lengths_B=target_lengths_B,
        start_token=START_TOKEN,
    )
