"""Lion against the paper's algorithm in numpy."""

from __future__ import annotations

import numpy as np

from tests.training.given_gradients import Array, assert_follows, optimizer_config


def lion_by_hand(x: Array, grads: list[Array], *, lr: float, decay: float) -> Array:
    """Chen et al. 2023, alg. 2."""
    beta1, beta2 = 0.7, 0.95
    m = np.zeros_like(x)
    for g in grads:
        c = beta1 * m + (1 - beta1) * g
        x = x - lr * (np.sign(c) + decay * x)
        m = beta2 * m + (1 - beta2) * g
    return x


def test_lion_follows_the_formula_and_decays_matrices_alone() -> None:
    config = optimizer_config("lion", learning_rate=0.1, weight_decay=0.5, beta1=0.7, beta2=0.95)
    assert_follows(
        config,
        lambda name, x, g: lion_by_hand(x, g, lr=0.1, decay=0.0 if name == "bias" else 0.5),
    )
