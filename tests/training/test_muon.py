"""Muon against singular value decompositions in numpy, and which parameters it is for."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lmtune.models import build_model
from lmtune.training.hidden_matrices import is_hidden_matrix, stacked_rows
from lmtune.training.optimizers import build_optimizer
from lmtune.training.optimizers.muon import orthogonalize
from tests.models.conftest import CASES, CONFIGS, case_id, make_config, small_dimensions
from tests.training.given_gradients import (
    STEPS,
    Array,
    adamw_by_hand,
    assert_follows,
    gradients,
    optimizer_config,
    step_through,
)

ADAMW: dict[str, Any] = {"beta1": 0.8, "beta2": 0.9, "epsilon": 1e-3}


def polynomial_of_singular_values(x: Array, num_iterations: int) -> Array:
    u, values, v = np.linalg.svd(x, full_matrices=False)
    values = values / np.sqrt((values**2).sum())
    for _ in range(num_iterations):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    return np.asarray((u * values) @ v)


def muon_by_hand(
    x: Array,
    grads: list[Array],
    *,
    lr: float,
    decay: float,
    momentum: float = 0.9,
    nesterov: bool = True,
    num_iterations: int = 5,
) -> Array:
    """The steps of Jordan et al. 2024, with the sum of past gradients that they write."""
    buffer = np.zeros_like(x)
    rows, columns = x.shape
    for g in grads:
        buffer = momentum * buffer + g
        update = g + momentum * buffer if nesterov else buffer
        orthogonal = polynomial_of_singular_values(update, num_iterations)
        x = x - lr * decay * x - lr * math.sqrt(max(1, rows / columns)) * orthogonal
    return x


@pytest.mark.parametrize(
    "settings",
    [{"nesterov": True}, {"nesterov": False}, {"momentum": 0.5}, {"num_iterations": 3}],
    ids=str,
)
def test_muon_follows_the_formula_for_hidden_matrices_and_adamw_for_the_rest(
    settings: dict[str, Any],
) -> None:
    settings = {"momentum": 0.9, **settings}
    config = optimizer_config(
        "muon",
        learning_rate=0.1,
        adamw_learning_rate=0.3,
        weight_decay=0.5,
        **settings,
        **ADAMW,
    )

    def by_hand(name: str, x: Array, grads: list[Array]) -> Array:
        if name == "weight":
            return muon_by_hand(x, grads, lr=0.1, decay=0.5, **settings)
        return adamw_by_hand(x, grads, lr=0.3, decay=0.0 if name == "bias" else 0.5, **ADAMW)

    assert_follows(config, by_hand)


def test_muon_where_maps_are_stacked_makes_each_orthogonal_by_itself() -> None:
    model = nn.Module()
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(8, 4, generator=generator)
    model.query_key_value = nn.Linear(4, 8, bias=False)
    with torch.no_grad():
        model.query_key_value.weight.copy_(start)
    config = optimizer_config("muon", learning_rate=0.1, momentum=0.9)
    step_through(model, build_optimizer(config, model.named_parameters()), range(STEPS))
    ((name, parameter),) = model.named_parameters()
    grads = gradients(name, (8, 4))
    for rows in (slice(0, 4), slice(4, 6), slice(6, 8)):
        expected = muon_by_hand(
            start[rows].double().numpy(), [g[rows] for g in grads], lr=0.1, decay=0.0
        )
        np.testing.assert_allclose(parameter[rows].detach().numpy(), expected, rtol=2e-5, atol=2e-6)


def test_orthogonalize_when_shapes_are_mixed_brings_all_singular_values_near_one() -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = [(6, 6), (3, 8), (8, 3), (6, 6), (1, 5)]
    matrices = [torch.randn(shape, generator=generator) * 100 for shape in shapes]
    for matrix, result in zip(matrices, orthogonalize(matrices, 5), strict=True):
        expected = polynomial_of_singular_values(matrix.double().numpy(), 5)
        np.testing.assert_allclose(result.numpy(), expected, rtol=1e-3, atol=1e-4)
        values = np.linalg.svd(result.numpy(), compute_uv=False)
        assert (values > 0.5).all()
        assert (values < 1.3).all()


VOCAB_SIZE, CONTEXT_LENGTH = 37, 18
"""Of no dimension of the models."""


def parameters_of(case: tuple[str, dict[str, Any]]) -> dict[str, nn.Parameter]:
    name, options = case
    config = make_config(name, **small_dimensions(name), **options)
    model = build_model(config, vocab_size=VOCAB_SIZE, context_length=CONTEXT_LENGTH, seed=0)
    return dict(model.named_parameters())


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_hidden_matrices_of_any_model_are_those_that_know_no_token_and_no_position(
    case: tuple[str, dict[str, Any]],
) -> None:
    for name, parameter in parameters_of(case).items():
        is_outer = {VOCAB_SIZE, CONTEXT_LENGTH} & set(parameter.shape)
        assert is_hidden_matrix(name, parameter) == (parameter.dim() == 2 and not is_outer), name


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_stacked_rows_of_any_model_fill_each_matrix(case: tuple[str, dict[str, Any]]) -> None:
    shapes = {name: parameter.shape for name, parameter in parameters_of(case).items()}
    rows = stacked_rows(shapes)
    assert rows.keys() == {name for name, shape in shapes.items() if len(shape) == 2}
    assert all(sum(rows[name]) == shapes[name][0] for name in rows)


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (("rnn", {}), {"weight_ih": (32,), "weight_hh": (32,)}),
        (("gru", {"embedding_dim": 12}), {"weight_ih": (32,) * 3, "projection": (12,)}),
        (("lstm", {"embedding_dim": 12}), {"weight_ih": (32,) * 4, "weight_hh": (32,) * 4}),
        (("gpt", {}), {"query_key_value": (32,) * 3, "hidden": (128,), "output.weight": (32,)}),
        (("gpt", {"num_kv_heads": 1}), {"query_key_value": (32, 8, 8)}),
        (("gpt", {"activation": "swiglu"}), {"hidden": (88, 88), "output.weight": (32,)}),
        (("transformer", {}), {".query.": (32,), ".key_value": (32, 32)}),
    ],
    ids=lambda value: case_id(value) if isinstance(value, tuple) else "",
)
def test_stacked_rows_are_queries_keys_values_and_gates(
    case: tuple[str, dict[str, Any]], expected: dict[str, tuple[int, ...]]
) -> None:
    rows = stacked_rows({name: p.shape for name, p in parameters_of(case).items()})
    for word, wanted in expected.items():
        found = {each for name, each in rows.items() if word in name and "embedding" not in name}
        assert found == {wanted}


def test_muon_of_any_model_updates_every_parameter_at_its_own_rate() -> None:
    for model_type in CONFIGS:
        parameters = parameters_of((model_type, {}))
        config = optimizer_config("muon", learning_rate=0.02, adamw_learning_rate=0.001)
        optimizer = build_optimizer(config, parameters.items())
        rate_of = {id(p): g["lr"] for g in optimizer.param_groups for p in g["params"]}
        for name, parameter in parameters.items():
            expected = 0.02 if is_hidden_matrix(name, parameter) else 0.001
            assert rate_of[id(parameter)] == expected, name
