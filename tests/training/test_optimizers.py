"""Optimizers of torch against the papers' formulas, and what every optimizer must offer."""

from __future__ import annotations

import pkgutil
from typing import Any, get_args

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from torch import nn

import lmtune.training.optimizers
from lmtune.spec.training import OptimizerConfig
from lmtune.training.optimizer_state import load_optimizer_tensors, optimizer_tensors
from lmtune.training.optimizers import build_optimizer
from lmtune.training.weight_decay import decay_groups
from tests.training.given_gradients import (
    STEPS,
    Array,
    Model,
    adamw_by_hand,
    assert_follows,
    gradients,
    optimizer_config,
    step_through,
)

TYPES = [module.name for module in pkgutil.iter_modules(lmtune.training.optimizers.__path__)]
ADAM: dict[str, Any] = {"beta1": 0.8, "beta2": 0.9, "epsilon": 1e-3}


def decay_of(name: str) -> float:
    return 0.0 if name == "bias" else 0.5


def test_optimizers_when_counted_are_those_of_the_configuration() -> None:
    configs = get_args(get_args(OptimizerConfig)[0])
    assert sorted(TYPES) == sorted(
        get_args(config.model_fields["type"].annotation)[0] for config in configs
    )


def test_adamw_follows_the_formula_and_decays_matrices_alone() -> None:
    config = optimizer_config("adamw", learning_rate=0.1, weight_decay=0.5, **ADAM)
    assert_follows(
        config, lambda name, x, g: adamw_by_hand(x, g, lr=0.1, decay=decay_of(name), **ADAM)
    )


def test_adam_follows_the_formula_and_regularises_matrices_alone() -> None:
    config = optimizer_config("adam", learning_rate=0.1, weight_decay=0.5, **ADAM)
    assert_follows(
        config, lambda name, x, g: adamw_by_hand(x, g, lr=0.1, l2=decay_of(name), **ADAM)
    )


def sgd_by_hand(
    x: Array, grads: list[Array], *, lr: float, decay: float, momentum: float, nesterov: bool
) -> Array:
    velocity = np.zeros_like(x)
    for gradient in grads:
        g = gradient + decay * x
        velocity = momentum * velocity + g
        x = x - lr * (g + momentum * velocity if nesterov else velocity)
    return x


@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, False), (0.9, False), (0.9, True)])
def test_sgd_follows_the_formula_and_decays_matrices_alone(momentum: float, nesterov: bool) -> None:
    settings: dict[str, Any] = {"momentum": momentum, "nesterov": nesterov}
    config = optimizer_config("sgd", learning_rate=0.1, weight_decay=0.5, **settings)
    assert_follows(
        config, lambda name, x, g: sgd_by_hand(x, g, lr=0.1, decay=decay_of(name), **settings)
    )


@pytest.mark.parametrize("type", TYPES)
def test_optimizer_of_any_type_starts_at_the_top_of_the_schedule(type: str) -> None:
    config = optimizer_config(type, learning_rate=0.25)
    optimizer = build_optimizer(config, Model().named_parameters())
    rates = {value for name, value in config if name.endswith("learning_rate")}
    assert {group["lr"] for group in optimizer.param_groups} == rates


@pytest.mark.parametrize("type", TYPES)
def test_optimizer_of_any_type_moves_no_further_than_the_schedule_lets_it(type: str) -> None:
    """The loop scales every group's rate; all that a step does is in proportion to it."""
    whole, halved = Model(), Model()
    for model, factor in ((whole, 1.0), (halved, 0.5)):
        optimizer = build_optimizer(optimizer_config(type), model.named_parameters())
        for group in optimizer.param_groups:
            group["lr"] *= factor
        step_through(model, optimizer, range(1))
    for name, start in Model().values().items():
        moved = whole.values()[name] - start
        assert np.abs(moved).max() > 0
        np.testing.assert_allclose(halved.values()[name] - start, moved / 2, rtol=1e-2, atol=1e-6)


@pytest.mark.parametrize("type", TYPES)
def test_optimizer_of_any_type_goes_on_to_the_bit_from_its_tensors(type: str) -> None:
    whole, halved = Model(), Model()
    config = optimizer_config(type)
    step_through(whole, build_optimizer(config, whole.named_parameters()), range(STEPS))
    first = build_optimizer(config, halved.named_parameters())
    step_through(halved, first, range(2))
    tensors = load(save(optimizer_tensors(halved, first)))
    second = build_optimizer(config, halved.named_parameters())
    load_optimizer_tensors(halved, second, tensors)
    step_through(halved, second, range(2, STEPS))
    for name, value in whole.state_dict().items():
        assert torch.equal(value, halved.state_dict()[name]), name


@pytest.mark.parametrize("type", TYPES)
def test_optimizer_of_any_type_where_gradients_are_zero_shrinks_matrices_alone(type: str) -> None:
    model = Model()
    start = model.values()
    config = optimizer_config(type, weight_decay=0.5)
    optimizer = build_optimizer(config, model.named_parameters())
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    assert np.array_equal(model.values()["bias"], start["bias"])
    for name in ("weight", "embedding.weight"):
        assert (np.abs(model.values()[name]) < np.abs(start[name])).all()


@pytest.mark.parametrize("type", TYPES)
def test_optimizer_of_any_type_leaves_what_has_no_gradient(type: str) -> None:
    model = Model()
    start = model.values()
    optimizer = build_optimizer(optimizer_config(type), model.named_parameters())
    optimizer.step()
    for name, parameter in model.named_parameters():
        assert np.array_equal(parameter.detach().numpy(), start[name])
    model.weight.grad = torch.tensor(gradients("weight", (3, 4))[0], dtype=torch.float32)
    optimizer.step()
    assert not np.array_equal(model.values()["weight"], start["weight"])
    assert np.array_equal(model.values()["bias"], start["bias"])


@pytest.mark.parametrize("type", TYPES)
def test_optimizer_of_any_type_finds_a_minimum(type: str) -> None:
    """Of the squared distance to a target, at twice the default rate for want of steps."""
    model, target = Model(), Model()
    with torch.no_grad():
        for parameter in target.parameters():
            parameter.add_(0.1)
    config = optimizer_config(type, weight_decay=0.0)
    rates = {name: value * 2 for name, value in config if name.endswith("learning_rate")}
    config = optimizer_config(type, weight_decay=0.0, **rates)
    optimizer = build_optimizer(config, model.named_parameters())

    def distance() -> torch.Tensor:
        pairs = zip(model.parameters(), target.parameters(), strict=True)
        return torch.stack([(a - b).square().sum() for a, b in pairs]).sum()

    first = distance().item()
    for _ in range(300):
        optimizer.zero_grad()
        distance().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert distance().item() < 0.5 * first


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
