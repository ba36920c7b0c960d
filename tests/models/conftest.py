"""Every architecture found in the package, as fixtures: a new file needs no test of its own."""

from __future__ import annotations

import importlib
import pkgutil

import pytest
import torch
from pydantic import TypeAdapter

import lmtune.models
from lmtune.models import LanguageModel, build_model
from lmtune.spec.model import AnyModelConfig

VOCAB_SIZE = 12
CONTEXT_LENGTH = 8

MODEL_TYPES = [
    module.name
    for module in pkgutil.iter_modules(lmtune.models.__path__)
    if hasattr(importlib.import_module(f"lmtune.models.{module.name}"), "build")
]


@pytest.fixture(params=MODEL_TYPES)
def model_type(request: pytest.FixtureRequest) -> str:
    """Name of an architecture's file."""
    name: str = request.param
    return name


@pytest.fixture
def config(model_type: str) -> AnyModelConfig:
    """The architecture at size small."""
    adapter: TypeAdapter[AnyModelConfig] = TypeAdapter(AnyModelConfig)
    return adapter.validate_python({"type": model_type, "size": "small"})


@pytest.fixture
def model(config: AnyModelConfig) -> LanguageModel:
    """The architecture at size small, as it starts."""
    return build_model(config, vocab_size=VOCAB_SIZE, context_length=CONTEXT_LENGTH, seed=0).eval()


@pytest.fixture
def tokens_BT() -> torch.Tensor:  # noqa: N802 - shape suffix
    """Three full windows of random tokens."""
    generator = torch.Generator().manual_seed(1)
    return torch.randint(VOCAB_SIZE, (3, CONTEXT_LENGTH), generator=generator)
