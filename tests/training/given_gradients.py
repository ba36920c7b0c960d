"""A small model whose gradients are given, to follow optimizers step by step."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter
from torch import nn

from lmtune.spec.training import OptimizerConfig
from lmtune.training.optimizers import build_optimizer

Array = NDArray[np.float64]

ADAPTER: TypeAdapter[OptimizerConfig] = TypeAdapter(OptimizerConfig)
STEPS = 5


def optimizer_config(type: str, **fields: object) -> OptimizerConfig:
    return ADAPTER.validate_python({"type": type, **fields})


class Model(nn.Module):
    """A hidden matrix, token vectors and a bias."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weight = nn.Parameter(torch.randn(3, 4, generator=generator))
        self.embedding = nn.Embedding(5, 3)
        nn.init.normal_(self.embedding.weight, generator=generator)
        self.bias = nn.Parameter(torch.randn(4, generator=generator))

    def values(self) -> dict[str, Array]:
        return {name: p.detach().double().numpy() for name, p in self.named_parameters()}


def gradients(name: str, shape: tuple[int, ...]) -> list[Array]:
    """Those of each step; they depend on the name."""
    generator = np.random.default_rng(len(name))
    return [generator.normal(size=shape) for _ in range(STEPS)]


def step_through(model: nn.Module, optimizer: torch.optim.Optimizer, steps: range) -> None:
    for step in steps:
        for name, parameter in model.named_parameters():
            gradient = gradients(name, tuple(parameter.shape))[step]
            parameter.grad = torch.tensor(gradient, dtype=torch.float32)
        optimizer.step()


def assert_follows(
    config: OptimizerConfig, by_hand: Callable[[str, Array, list[Array]], Array]
) -> None:
    """All steps give what `by_hand` makes of a parameter's name, start and gradients."""
    model = Model()
    expected = {
        name: by_hand(name, start, gradients(name, start.shape))
        for name, start in model.values().items()
    }
    step_through(model, build_optimizer(config, model.named_parameters()), range(STEPS))
    for name, value in model.values().items():
        np.testing.assert_allclose(value, expected[name], rtol=2e-5, atol=2e-6, err_msg=name)


def adamw_by_hand(
    x: Array,
    grads: list[Array],
    *,
    lr: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    decay: float = 0.0,
    l2: float = 0.0,
) -> Array:
    """Adam with decoupled decay (Loshchilov and Hutter 2019, alg. 2) or as L2 regularisation."""
    m, v = np.zeros_like(x), np.zeros_like(x)
    for t, gradient in enumerate(grads, start=1):
        g = gradient + l2 * x
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
        x = x - lr * decay * x - lr * m_hat / (np.sqrt(v_hat) + epsilon)
    return x
