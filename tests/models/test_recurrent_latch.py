"""What cells can hold on to: a token is reported after noise that says nothing of it.

Known truth 14: the forget gates' bias decides whether an LSTM learns this. A guess costs ln 10.
"""

from __future__ import annotations

from statistics import mean
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the field's name

from lmtune.models import build_model
from lmtune.spec.model import AnyModelConfig

NUM_SYMBOLS = 10
HIDDEN_SIZE = 32
BATCH_SIZE = 32


def latch_loss(model: dict[str, Any], *, num_noise: int, num_steps: int, seed: int) -> float:
    """Nats of the first symbol in new texts, after training on random ones."""
    adapter: TypeAdapter[AnyModelConfig] = TypeAdapter(AnyModelConfig)
    config = adapter.validate_python({"num_layers": 1, "hidden_size": HIDDEN_SIZE, **model})
    context_length = 1 + num_noise
    built = build_model(config, vocab_size=NUM_SYMBOLS, context_length=context_length, seed=seed)
    optimizer = torch.optim.AdamW(built.parameters(), lr=1e-2)
    generator = torch.Generator().manual_seed(1)

    def loss_of_texts(count: int) -> Tensor:
        texts = torch.randint(NUM_SYMBOLS, (count, context_length), generator=generator)
        return F.cross_entropy(built.next_token_logits(texts, 1)[:, 0], texts[:, 0])

    for _ in range(num_steps):
        optimizer.zero_grad()
        loss_of_texts(BATCH_SIZE).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    with torch.inference_mode():
        return loss_of_texts(2000).item()


@pytest.mark.slow
@pytest.mark.science
def test_lstm_with_open_forget_gates_recalls_what_others_lose() -> None:
    def mean_loss(**model: Any) -> float:  # noqa: ANN401 - any field
        return mean(latch_loss(model, num_noise=20, num_steps=500, seed=seed) for seed in range(3))

    assert mean_loss(type="lstm", forget_bias=2.0) < 0.7
    assert mean_loss(type="lstm", forget_bias=0.0) > 1.5
    assert mean_loss(type="rnn") > 1.5


def test_lstm_with_open_forget_gates_recalls_over_less_noise_sooner() -> None:
    opened, closed = (
        latch_loss({"type": "lstm", "forget_bias": bias}, num_noise=10, num_steps=150, seed=0)
        for bias in (2.0, 0.0)
    )
    assert opened < 0.7
    assert closed > 1.5
