"""(c) Tokens a second: lmtune's training steps against a plain torch loop on the same sizes.

Both sides clip gradients, neither evaluates. lmtune also follows its schedule and fetches every
loss, to stop before an update from one that is not finite. Tokens are those of training windows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import nn

from lmtune.datasets import Dataset, prepare_text
from lmtune.spec.trial import TrialConfig
from tests.bench.figures import Figure, ratio
from tests.bench.plain_models import PlainLoop, build_plain_model, build_torch_gpt
from tests.bench.project import train_steps, training_run

LMTUNE = "lmtune"
PLAIN = "plain torch"
TORCH_MODULES = "nn.TransformerEncoder"
REFERENCES = {"gpt": [PLAIN, TORCH_MODULES]}
"""Where there is more than one plain way: nanoGPT's module, and torch's own as for the others."""

MODELS = ("gpt", "transformer", "rnn", "lstm", "gru")
BATCH_SIZE = 16
CONTEXT_LENGTH = 64
WARMUP_STEPS = 5


def measure(*, device: torch.device, block_s: float, blocks: int) -> list[Figure]:
    """Time blocks of steps of each model in turns: lmtune, plain, plain, lmtune, lmtune, ...

    Each side trains in a process of its own.

    Args:
        device: that both sides train on.
        block_s: about how long a block takes.
        blocks: of each side.
    """
    figures = []
    with TemporaryDirectory(prefix="lmtune-bench-") as folder:
        for name in MODELS:
            print(f"tokens per second: {name}", flush=True)
            config = _config(name)
            prepare_text(config.dataset, project=Path(folder))
            figures += _measure_model(name, config, Path(folder), device, block_s, blocks)
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
    folder: Path,
    device: torch.device,
    block_s: float,
    blocks: int,
) -> list[Figure]:
    references = REFERENCES.get(name, [PLAIN])
    names = [LMTUNE, *references]
    with ExitStack() as stack:
        sides = {
            side: stack.enter_context(_side_process(side, config, folder, device)) for side in names
        }
        num_parameters = {side: measured.num_parameters for side, measured in sides.items()}
        if len(set(num_parameters.values())) > 1:
            raise RuntimeError(f"{name}: not the same sizes: {num_parameters} parameters")
        for measured in sides.values():
            measured.time_steps(WARMUP_STEPS)
        count = max(1, round(block_s / sides[PLAIN].time_steps(WARMUP_STEPS) * WARMUP_STEPS))
        tokens = count * BATCH_SIZE * CONTEXT_LENGTH
        rates: dict[str, list[float]] = {side: [] for side in names}
        for block in range(blocks):
            for side in names if block % 2 == 0 else reversed(names):
                rates[side].append(tokens / sides[side].time_steps(count))
    return [
        *(ratio(f"{name}: lmtune / {side}", rates[LMTUNE], rates[side]) for side in references),
        *(Figure(f"{name}: {side}", "tokens/s", rates[side]) for side in names),
    ]


@dataclass(frozen=True)
class Side:
    """One of the things that are compared.

    Attributes:
        num_parameters: of its model.
        time_steps: trains so many steps; returns the seconds.
    """

    num_parameters: int
    time_steps: Callable[[int], float]


@contextmanager
def _side_process(
    side: str, config: TrialConfig, folder: Path, device: torch.device
) -> Iterator[Side]:
    """A process of its own that trains as asked: what one side sets for its process, as
    flushing of subnormal numbers or the C library's memory, the other does not have."""
    context = get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(
        target=_train_when_asked, args=(side, config, folder, device, there), daemon=True
    )
    process.start()
    there.close()

    def time_steps(count: int) -> float:
        here.send(count)
        elapsed_s: float = here.recv()
        return elapsed_s

    try:
        yield Side(here.recv(), time_steps)
    finally:
        here.close()
        process.join()


def _train_when_asked(
    side: str, config: TrialConfig, folder: Path, device: torch.device, asked: Connection
) -> None:
    """Train as many steps as come in, answer with the seconds, until nobody asks any more."""
    torch.set_num_threads(1)
    dataset = prepare_text(config.dataset, project=folder)
    if side == LMTUNE:
        run = training_run(config, dataset, device)
        model: nn.Module = run.model
        train: Callable[[int], None] = partial(train_steps, run)
    else:
        plain = _plain_loop(side, config, dataset, device)
        model, train = plain.model, plain.train_steps
    asked.send(sum(parameter.numel() for parameter in model.parameters()))
    while True:
        try:
            count = asked.recv()
        except EOFError:
            return
        asked.send(_time(partial(train, count), device))


def _plain_loop(
    side: str, config: TrialConfig, dataset: Dataset, device: torch.device
) -> PlainLoop:
    build = build_torch_gpt if side == TORCH_MODULES else build_plain_model
    model = build(config.model, vocab_size=dataset.vocab_size, context_length=CONTEXT_LENGTH)
    return PlainLoop(
        model,
        torch.from_numpy(dataset.train.tokens.astype(np.int64)),
        batch_size=BATCH_SIZE,
        context_length=CONTEXT_LENGTH,
        device=device,
    )


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
