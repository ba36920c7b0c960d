"""`python -m lmtune.planning.probe`: train a few steps of each shape, and say what they cost.

Reads a `ProbeOrder` as JSON from its standard input and prints a line of JSON for each shape: its
`Measured`, or null where its process was ended. Each shape is measured in new processes, as many at
once as trials will run, which have loaded the libraries but done nothing before: their largest
memory is that of a worker.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import torch

from lmtune.datasets import Dataset, PairsDataset, PairSplit, RaggedTokens, Split, open_dataset
from lmtune.models import loss_formula
from lmtune.planning.measured import Measured, ProbeOrder, ShapeOrder
from lmtune.spec.trial import TrialConfig, TrialSpec
from lmtune.training import CheckpointFolder, make_task
from lmtune.training.loop import TrainingRun

_WARMUP_STEPS = 3
_LEAST_STEPS, _MOST_STEPS = 10, 20
_ENOUGH_S = 1.0
_WINDOWS_SCORED = 256
_PAIRS_SCORED = 256
_TEXTS_WRITTEN = 64
_WORKER_NICENESS = 15
"""What Ray gives its workers, so that what else runs on the machine slows both alike."""

_EPOCHS = 1000
"""More than a probe has steps for: no schedule comes to its end."""

_TINY = 1e-12
"""A learning rate at which no loss explodes."""


def measure(order: ShapeOrder, *, device: torch.device, scratch: Path) -> Measured:
    """Train some steps of a shape in this process and time all parts of an epoch.

    Args:
        order: configuration and data.
        device: where to.
        scratch: a folder on the disk that checkpoints will be written to.
    """
    if loss_formula(order.config.model) is not None:
        return _nothing()
    config = _gentle(order.config)
    dataset = open_dataset(Path(order.dataset))
    part, share_scored = _part(dataset, config.dataset.context_length)
    started_s = time.perf_counter()
    trial = TrialSpec(
        variant="probe",
        phase="confirm",
        seed=0,
        config=config,
        data_fingerprint=dataset.fingerprint,
    )
    run = TrainingRun(trial, part, device)
    build_s = time.perf_counter() - started_s
    step_s = _step_s(run)
    evaluation_s = _seconds(lambda: run.task.evaluate(run.model, "validation"))
    generation_s = 0.0
    if config.generation is not None:
        task = make_task(config, dataset, seed=0, device=device)
        written_s = _seconds(lambda: task.evaluate_generation(run.model, "validation"))
        generation_s = written_s * _rounds(order.config, dataset) * _share_written(dataset)
    with TemporaryDirectory(dir=scratch, prefix=".probe-") as name:
        checkpoints = CheckpointFolder(Path(name, "checkpoints"))
        save_s = _seconds(lambda: checkpoints.save(run.checkpoint(), is_best=True))
        files = [path for path in checkpoints.path.rglob("*") if path.is_file()]
        checkpoint_bytes = sum(path.stat().st_size for path in files)
    return Measured(
        step_s=step_s,
        evaluation_s=evaluation_s / share_scored,
        generation_s=generation_s,
        save_s=save_s,
        build_s=build_s,
        memory_mib=_largest_memory_mib(),
        gpu_memory_mib=_largest_gpu_memory_mib(device),
        checkpoint_mib=checkpoint_bytes / 2**20,
    )


def _nothing() -> Measured:
    """What it costs to train nothing."""
    sizes = {"memory_mib": _largest_memory_mib()}
    return Measured(**{**dict.fromkeys(Measured.model_fields, 0.0), **sizes})


def _gentle(config: TrialConfig) -> TrialConfig:
    """The same work, with a learning rate that cannot diverge and fewer texts to write."""
    optimizer = config.optimizer.model_copy(update={"learning_rate": _TINY})
    training = config.training.model_copy(update={"epochs": _EPOCHS})
    if asked := config.generation:
        few = min(asked.num_examples, _TEXTS_WRITTEN)
        fewer = asked.model_copy(update={"num_examples": few})
        training = training.model_copy(update={"evaluate_generation": fewer})
    return config.model_copy(update={"optimizer": optimizer, "training": training})


def _part(
    dataset: Dataset | PairsDataset, context_length: int
) -> tuple[Dataset | PairsDataset, float]:
    """The dataset with the beginning of its validation split, and how much of it that is."""
    if isinstance(dataset, PairsDataset):
        pairs = dataset.validation
        count = min(len(pairs), _PAIRS_SCORED)
        first = PairSplit(
            sources=RaggedTokens(pairs.sources.tokens, pairs.sources.offsets[: count + 1]),
            targets=RaggedTokens(pairs.targets.tokens, pairs.targets.offsets[: count + 1]),
            source_texts=pairs.source_texts,
            target_texts=pairs.target_texts,
            scored_bytes=pairs.scored_bytes,
        )
        return replace(dataset, validation=first), count / len(pairs)
    split = dataset.validation
    count = min(len(split.tokens), _WINDOWS_SCORED * context_length)
    part = Split(split.tokens[:count], split.scored_bytes, split.source_loss)
    return replace(dataset, validation=part), count / len(split.tokens)


def _rounds(config: TrialConfig, dataset: Dataset | PairsDataset) -> int:
    """How many times as many texts a trial writes as the probe did."""
    assert config.generation is not None
    if isinstance(dataset, PairsDataset):
        available = len(dataset.validation)
    else:
        available = len(dataset.validation.tokens) // config.dataset.context_length
    return math.ceil(min(config.generation.num_examples, available) / _TEXTS_WRITTEN)


def _share_written(dataset: Dataset | PairsDataset) -> float:
    """How much of what an untrained model writes a trained one does.

    Only the trained one knows where a target ends; both are cut off at half as long again as the
    longest that training shows.
    """
    return 2 / 3 if isinstance(dataset, PairsDataset) else 1.0


def _step_s(run: TrainingRun) -> float:
    """Of the median step: a hiccup of the machine is no step's cost."""
    run.train_steps(_WARMUP_STEPS)
    times: list[float] = []
    while len(times) < _LEAST_STEPS or (len(times) < _MOST_STEPS and sum(times) < _ENOUGH_S):
        times.append(_seconds(lambda: run.train_steps(1)))
    return median(times)


def _seconds(work: Callable[[], object]) -> float:
    started_s = time.perf_counter()
    work()
    return time.perf_counter() - started_s


def _largest_memory_mib() -> float:
    """Resident memory of this process at its largest, shared libraries included."""
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest / 2**20 if sys.platform == "darwin" else largest / 2**10


def _largest_gpu_memory_mib(device: torch.device) -> float:
    return torch.cuda.max_memory_reserved(device) / 2**20 if device.type == "cuda" else 0.0


def _measure_at_once(shape: ShapeOrder, order: ProbeOrder) -> Measured | None:
    """Measure a shape in several processes at once; None if one of them was ended."""
    context = multiprocessing.get_context("fork")  # of a process without threads
    pairs = [context.Pipe(duplex=False) for _ in range(order.num_at_once)]
    processes = [context.Process(target=_send, args=(sender, shape, order)) for _, sender in pairs]
    for process, (_, sender) in zip(processes, pairs, strict=True):
        process.start()
        sender.close()
    try:
        found = [receiver.recv() for receiver, _ in pairs]
    except EOFError:
        return None
    finally:
        for process in processes:
            process.join()
    return _together(found)


def _send(sender: Connection, shape: ShapeOrder, order: ProbeOrder) -> None:
    os.nice(_WORKER_NICENESS - os.nice(0))
    torch.set_num_threads(order.num_threads)
    sender.send(measure(shape, device=torch.device(order.device), scratch=Path(order.scratch)))


def _together(found: Sequence[Measured]) -> Measured:
    """Mean times and the largest sizes of processes that ran at once."""
    numbers = [each.model_dump() for each in found]
    return Measured(
        **{
            name: (
                sum(each[name] for each in numbers) / len(numbers)
                if name.endswith("_s")
                else max(each[name] for each in numbers)
            )
            for name in Measured.model_fields
        }
    )


def main() -> None:
    """Measure what the standard input asks for."""
    order = ProbeOrder.model_validate_json(sys.stdin.read())
    torch.optim.SGD([torch.zeros(1)], lr=1.0)  # the first one loads a third of torch
    for shape in order.shapes:
        measured = _measure_at_once(shape, order)
        line = "null" if measured is None else measured.model_dump_json()
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
