"""Parameters and FLOPs of recurrent models, against formulas and what a pass multiplies."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter
from torch.utils.flop_counter import FlopCounterMode

from lmtune.models.language_model import LanguageModel
from lmtune.models.pairs import PairBatch
from lmtune.spec.model import AnyModelConfig, RecurrentConfig

NUM_GATES = {"rnn": 1, "gru": 3, "lstm": 4}
SIZES = {"vocab_size": 21, "num_outputs": 9, "context_length": 16}
NUM_SOURCE, NUM_TARGET = 5, 5

PAIRS = PairBatch(
    source_BS=torch.zeros(2, NUM_SOURCE, dtype=torch.int64),
    source_lengths_B=torch.tensor([NUM_SOURCE] * 2),
    target_BN=torch.zeros(2, NUM_TARGET, dtype=torch.int64),
    target_lengths_B=torch.tensor([NUM_TARGET] * 2),
    start_token=10,
)
"""Fewer tokens than the vocabulary has: where there are more, each token is mapped once."""


@pytest.fixture(params=NUM_GATES)
def model_type(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def architecture(model_type: str) -> ModuleType:
    return importlib.import_module(f"lmtune.models.{model_type}")


def make_config(model_type: str, **values: Any) -> RecurrentConfig:  # noqa: ANN401 - any field
    adapter: TypeAdapter[AnyModelConfig] = TypeAdapter(AnyModelConfig)
    config = adapter.validate_python({"type": model_type, "num_layers": 2, **values})
    assert isinstance(config, RecurrentConfig)
    return config


@pytest.mark.science
@pytest.mark.parametrize("tie_embeddings", [True, False])
@pytest.mark.parametrize("embedding_dim", [3, 5])
def test_count_of_parameters_is_the_closed_formula_and_that_of_the_module(
    architecture: ModuleType, model_type: str, embedding_dim: int, tie_embeddings: bool
) -> None:
    """A layer has g (h i + h^2 + 2 h) parameters: method.md, row 10."""
    h, e, g = 5, embedding_dim, NUM_GATES[model_type]
    config = make_config(model_type, hidden_size=h, embedding_dim=e, tie_embeddings=tie_embeddings)
    layers = sum(g * (h * i + h**2 + 2 * h) for i in (e, h))
    non_embedding = layers + (h * e if h != e else 0)
    total = non_embedding + 21 * e + (0 if tie_embeddings else 9 * e)
    count = architecture.count_parameters(config, **SIZES)
    assert (count.total, count.non_embedding) == (total, non_embedding)
    model: LanguageModel = architecture.build(config, **SIZES)
    assert sum(parameter.numel() for parameter in model.parameters()) == total


@pytest.mark.filterwarnings("ignore:TF32 acceleration")  # torch's, on touching its mkldnn flags
@pytest.mark.parametrize("tie_embeddings", [True, False])
@pytest.mark.parametrize("embedding_dim", [3, 5])
def test_flops_of_a_sequence_are_those_of_its_products(
    architecture: ModuleType, model_type: str, embedding_dim: int, tie_embeddings: bool
) -> None:
    config = make_config(
        model_type, hidden_size=5, embedding_dim=embedding_dim, tie_embeddings=tie_embeddings
    )
    model: LanguageModel = architecture.build(config, **SIZES)
    # The counter knows matrix products, not the CPU's fused cells.
    kernels = torch.backends.mkldnn.flags(enabled=False)
    with FlopCounterMode(display=False) as counter, kernels:
        model.pair_logits(PAIRS).sum().backward()  # type: ignore[no-untyped-call]
    formula = architecture.sequence_flops(
        config, num_outputs=9, num_source=NUM_SOURCE, num_target=NUM_TARGET
    )
    counted = counter.get_total_flops() / 2
    # The first state is zero and needs no gradient: one product of 3 T is missing at most.
    num_tokens = NUM_SOURCE + NUM_TARGET
    assert formula * (1 - 1 / (3 * num_tokens)) <= counted <= formula


def test_targets_of_a_window_are_all_of_it(architecture: ModuleType, model_type: str) -> None:
    model: LanguageModel = architecture.build(make_config(model_type, hidden_size=4), **SIZES)
    assert architecture.num_targets(16) == model.targets_per_window(16) == 16
