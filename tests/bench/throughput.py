"""(c) Tokens a second: lmtune's training steps against a plain torch loop on the same sizes.

Both sides clip gradients, neither evaluates. lmtune also follows its schedule and fetches every
loss, to stop before an update from one that is not finite. Tokens are those of training windows.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import nn

from lmtune.datasets import Dataset, prepare_text
from lmtune.spec.trial import TrialConfig
from lmtune.training.loop import _prepare_process
from tests.bench.figures import Figure, ratio
from tests.bench.plain_models import PlainLoop, build_plain_model
from tests.bench.project import one_thread, train_steps, training_run

MODELS = ("gpt", "transformer", "rnn", "lstm", "gru")
BATCH_SIZE = 16
CONTEXT_LENGTH = 64
WARMUP_STEPS = 5


def measure(*, device: torch.device, block_s: float, blocks: int) -> list[Figure]:
    """Time blocks of steps of each model in turns: lmtune, plain, plain, lmtune, lmtune, ...

    Args:
        device: that both sides train on.
        block_s: about how long a block takes.
        blocks: of each side.
    """
    figures = []
    with TemporaryDirectory(prefix="lmtune-bench-") as folder, one_thread():
        for name in MODELS:
            print(f"tokens per second: {name}", flush=True)
            config = _config(name)
            dataset = prepare_text(config.dataset, project=Path(folder))
            figures += _measure_model(name, config, dataset, device, block_s, blocks)
    return figures


def _config(model: str) -> TrialConfig:
    return TrialConfig.model_validate(
        {
            "dataset": {
                "corpus": {"type": "python_docs"},
                "tokenizer": {"type": "char"},
                "context_length": CONTEXT_LENGTH,
            },
            "model": {"type": model, "size": "default"},
            "optimizer": {"type": "adamw"},
            "training": {"epochs": 1, "steps_per_epoch": 10**6, "batch_size": BATCH_SIZE},
        }
    )


def _measure_model(
    name: str,
    config: TrialConfig,
    dataset: Dataset,
    device: torch.device,
    block_s: float,
    blocks: int,
) -> list[Figure]:
    run = training_run(config, dataset, device)
    plain = _plain_loop(config, dataset, device)
    num_parameters = [_count_parameters(model) for model in (run.model, plain.model)]
    if num_parameters[0] != num_parameters[1]:
        raise RuntimeError(f"{name}: not the same sizes: {num_parameters} parameters")

    def time_lmtune(count: int) -> float:
        _prepare_process(device)
        return _time(lambda: train_steps(run, count), device)

    def time_plain(count: int) -> float:
        _as_torch_starts()
        return _time(lambda: plain.train_steps(count), device)

    sides = {"lmtune": time_lmtune, "plain": time_plain}
    for measured in sides.values():
        measured(WARMUP_STEPS)
    count = max(1, round(block_s / time_plain(WARMUP_STEPS) * WARMUP_STEPS))
    tokens = count * BATCH_SIZE * CONTEXT_LENGTH
    rates: dict[str, list[float]] = {side: [] for side in sides}
    for block in range(blocks):
        for side in sorted(sides, reverse=block % 2 == 1):
            rates[side].append(tokens / sides[side](count))
    return [
        ratio(f"{name}: lmtune / plain torch", rates["lmtune"], rates["plain"]),
        Figure(f"{name}: lmtune", "tokens/s", rates["lmtune"]),
        Figure(f"{name}: plain torch", "tokens/s", rates["plain"]),
    ]


def _plain_loop(config: TrialConfig, dataset: Dataset, device: torch.device) -> PlainLoop:
    model = build_plain_model(
        config.model, vocab_size=dataset.vocab_size, context_length=CONTEXT_LENGTH
    )
    return PlainLoop(
        model,
        torch.from_numpy(dataset.train.tokens.astype(np.int64)),
        batch_size=BATCH_SIZE,
        context_length=CONTEXT_LENGTH,
        device=device,
    )


def _count_parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _as_torch_starts() -> None:
    """Undo what lmtune sets for its process: the plain side does not know of it."""
    torch.set_flush_denormal(False)
    torch.use_deterministic_algorithms(False)


def _time(work: Callable[[], None], device: torch.device) -> float:
    """Seconds until the work is done, on the device too."""
    _wait_for(device)
    started_s = time.perf_counter()
    work()
    _wait_for(device)
    return time.perf_counter() - started_s


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
