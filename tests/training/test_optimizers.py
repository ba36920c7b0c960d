"""Optimizers against the papers' formulas in numpy, and what every one of them must offer."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter
from torch import nn

from lmtune.spec.training import OptimizerConfig
from lmtune.training.optimizer_state import load_optimizer_tensors, optimizer_tensors
from lmtune.training.optimizers import build_optimizer
from lmtune.training.weight_decay import decay_groups

Array = NDArray[np.float64]

ADAPTER: TypeAdapter[OptimizerConfig] = TypeAdapter(OptimizerConfig)
TYPES = [
    get_args(config.model_fields["type"].annotation)[0]
    for config in get_args(get_args(OptimizerConfig)[0])
]
STEPS = 5


def optimizer_config(type: str, **fields: object) -> OptimizerConfig:
    return ADAPTER.validate_python({"type": type, **fields})


class Model(nn.Module):
    """A matrix and a vector; gradients are given, not computed."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weight = nn.Parameter(torch.randn(3, 4, generator=generator))
        self.bias = nn.Parameter(torch.randn(4, generator=generator))


def gradients(name: str) -> list[Array]:
    shape = {"weight": (3, 4), "bias": (4,)}[name]
    generator = np.random.default_rng(len(name))
    return [generator.normal(size=shape) for _ in range(STEPS)]


def step_through(model: Model, optimizer: torch.optim.Optimizer, steps: range) -> None:
    for step in steps:
        for name, parameter in model.named_parameters():
            parameter.grad = torch.tensor(gradients(name)[step], dtype=torch.float32)
        optimizer.step()


def adamw_by_hand(x: Array, grads: list[Array], *, lr: float, decay: float) -> Array:
    beta1, beta2, epsilon = 0.8, 0.9, 1e-3
    m, v = np.zeros_like(x), np.zeros_like(x)
    for t, g in enumerate(grads, start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
        x = x - lr * decay * x - lr * m_hat / (np.sqrt(v_hat) + epsilon)
    return x


def sgd_by_hand(
    x: Array, grads: list[Array], *, lr: float, decay: float, momentum: float, nesterov: bool
) -> Array:
    velocity = np.zeros_like(x)
    for gradient in grads:
        g = gradient + decay * x
        velocity = momentum * velocity + g
        x = x - lr * (g + momentum * velocity if nesterov else velocity)
    return x


def assert_same(model: Model, expected: dict[str, Array]) -> None:
    for name, parameter in model.named_parameters():
        np.testing.assert_allclose(parameter.detach().numpy(), expected[name], rtol=2e-5, atol=1e-6)


def test_adamw_follows_the_formula_and_decays_the_matrix_alone() -> None:
    model = Model()
    start = {name: p.detach().double().numpy() for name, p in model.named_parameters()}
    config = optimizer_config(
        "adamw", learning_rate=0.1, weight_decay=0.5, beta1=0.8, beta2=0.9, epsilon=1e-3
    )
    step_through(model, build_optimizer(config, model.named_parameters()), range(STEPS))
    expected = {
        name: adamw_by_hand(x, gradients(name), lr=0.1, decay=0.5 if name == "weight" else 0.0)
        for name, x in start.items()
    }
    assert_same(model, expected)


@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, False), (0.9, False), (0.9, True)])
def test_sgd_follows_the_formula_and_decays_the_matrix_alone(
    momentum: float, nesterov: bool
) -> None:
    model = Model()
    start = {name: p.detach().double().numpy() for name, p in model.named_parameters()}
    config = optimizer_config(
        "sgd", learning_rate=0.1, weight_decay=0.5, momentum=momentum, nesterov=nesterov
    )
    step_through(model, build_optimizer(config, model.named_parameters()), range(STEPS))
    expected = {
        name: sgd_by_hand(
            x,
            gradients(name),
            lr=0.1,
            decay=0.5 if name == "weight" else 0.0,
            momentum=momentum,
            nesterov=nesterov,
        )
        for name, x in start.items()
    }
    assert_same(model, expected)


@pytest.mark.parametrize("type", TYPES)
def test_optimizer_of_any_type_starts_at_the_top_of_the_schedule(type: str) -> None:
    config = optimizer_config(type, learning_rate=0.25)
    optimizer = build_optimizer(config, Model().named_parameters())
    assert {group["lr"] for group in optimizer.param_groups} == {0.25}


@pytest.mark.parametrize("type", TYPES)
def test_optimizer_of_any_type_goes_on_to_the_bit_from_its_tensors(type: str) -> None:
    whole, halved = Model(), Model()
    config = optimizer_config(type)
    step_through(whole, build_optimizer(config, whole.named_parameters()), range(STEPS))
    first = build_optimizer(config, halved.named_parameters())
    step_through(halved, first, range(2))
    tensors = {k: t.clone() for k, t in optimizer_tensors(halved, first).items()}
    second = build_optimizer(config, halved.named_parameters())
    load_optimizer_tensors(halved, second, tensors)
    step_through(halved, second, range(2, STEPS))
    assert all(
        torch.equal(a, b) for a, b in zip(whole.parameters(), halved.parameters(), strict=True)
    )


def test_optimizer_tensors_of_another_model_are_refused() -> None:
    model = Model()
    optimizer = build_optimizer(optimizer_config("adamw"), model.named_parameters())
    with pytest.raises(KeyError, match="other"):
        load_optimizer_tensors(model, optimizer, {"other.exp_avg": torch.zeros(1)})


def test_decay_groups_split_by_number_of_dimensions() -> None:
    parameters = {f"{n}d": nn.Parameter(torch.zeros([2] * n)) for n in range(4)}
    decayed, others = decay_groups(parameters.items(), 0.3)
    assert decayed["weight_decay"] == 0.3
    assert [p.dim() for p in decayed["params"]] == [2, 3]
    assert others["weight_decay"] == 0.0
    assert [p.dim() for p in others["params"]] == [0, 1]


def test_decay_groups_leave_out_a_group_without_parameters() -> None:
    assert len(decay_groups([("weight", nn.Parameter(torch.zeros(2, 2)))], 0.3)) == 1
