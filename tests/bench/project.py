"""A temporary project with one sweep in it: sixteen equal trials, two at once."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import yaml

from lmtune.datasets import Dataset, prepare_text
from lmtune.records import ExperimentFolder
from lmtune.spec import read_sweep
from lmtune.spec.sweep import SweepSpec
from lmtune.spec.trial import TrialConfig, TrialSpec
from lmtune.training.loop import TrainingRun
from tests.bench.commands import CommandTimes, TrialTimes, run_commands

NUM_TRIALS = 16
NUM_SLOTS = 2
NUM_CONFIRMED = 2
WARMUP_STEPS = 5
TIMED_STEPS = 20


@dataclass(frozen=True)
class TrialShape:
    """What each trial of a sweep looks like.

    Attributes:
        length_s: about how long it takes, alone on a core of this machine.
        epochs: evaluations, reports and checkpoints.
        num_layers: of its GPT of size `small`.
    """

    length_s: float
    epochs: int
    num_layers: int


USUAL = TrialShape(length_s=8.0, epochs=4, num_layers=4)
SHORT = TrialShape(length_s=1.0, epochs=2, num_layers=1)


class Project:
    """A project folder in which the command of a user is run.

    Args:
        path: the folder.
        shape: of the trials; the number of steps that they need is found by timing some here.
    """

    def __init__(self, path: Path, shape: TrialShape) -> None:
        self.path = path
        self.shape = shape
        self.sweep_yaml = path / "bench.yaml"
        self._write(steps_per_epoch=1)
        self._write(steps_per_epoch=self._calibrate())

    @property
    def sweep(self) -> SweepSpec:
        """The sweep as lmtune reads it."""
        return read_sweep(self.sweep_yaml)

    @property
    def experiment(self) -> ExperimentFolder:
        """The records of the sweep."""
        return ExperimentFolder(self.path / "experiments" / self.sweep.name)

    def dataset(self) -> Dataset:
        """What the trials read, tokenized now if it is not yet."""
        config = self.sweep.variants[0].config.dataset
        return prepare_text(config, project=self.path)

    def run_sweep(self) -> CommandTimes:
        """Run the user's command on the sweep, from the start; data and MLflow's runs are kept."""
        shutil.rmtree(self.experiment.path, ignore_errors=True)
        times = run_commands([["-m", "lmtune.run", self.sweep_yaml.name]], self.path)
        num_trials = len(times.trials())
        if num_trials != NUM_TRIALS:
            raise RuntimeError(f"{num_trials} trials were timed, {NUM_TRIALS} expected")
        return times

    def forget_data(self) -> None:
        """Leave the project as it is before its first sweep."""
        for name in ("data", "experiments", "mlruns"):
            shutil.rmtree(self.path / name, ignore_errors=True)

    def _write(self, steps_per_epoch: int) -> None:
        text = yaml.safe_dump(_sweep(self.shape, steps_per_epoch), sort_keys=False)
        self.sweep_yaml.write_text(text, encoding="utf-8")

    def _calibrate(self) -> int:
        """Steps an epoch, by timing some steps and an evaluation in this process."""
        run = training_run(self.sweep.variants[0].config, self.dataset(), torch.device("cpu"))
        with one_thread():
            train_steps(run, WARMUP_STEPS)
            started_s = time.perf_counter()
            train_steps(run, TIMED_STEPS)
            trained_s = time.perf_counter()
            run._validate()
            validated_s = time.perf_counter()
        step_s = (trained_s - started_s) / TIMED_STEPS
        training_s = self.shape.length_s / self.shape.epochs - (validated_s - trained_s)
        return max(1, round(training_s / step_s))


@contextmanager
def temporary_project(shape: TrialShape) -> Iterator[Project]:
    """A project that is removed afterwards."""
    with TemporaryDirectory(prefix="lmtune-bench-") as name:
        yield Project(Path(name), shape)


def search_handovers(times: CommandTimes) -> list[tuple[TrialTimes, TrialTimes]]:
    """A trial and the next in its worker, where the next could start at once.

    The first confirm trial waits until the last trial of the search has ended, and so all confirm
    trials are left out.
    """
    searched = times.trials()[:-NUM_CONFIRMED]
    return [pair for pair in times.handovers() if pair[1] in searched]


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread, as a trial of one CPU does."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def training_run(config: TrialConfig, dataset: Dataset, device: torch.device) -> TrainingRun:
    """A trial's run before its first step."""
    trial = TrialSpec(
        variant="bench",
        phase="confirm",
        seed=0,
        config=config,
        data_fingerprint=dataset.fingerprint,
    )
    return TrainingRun(trial, dataset, device)


def train_steps(run: TrainingRun, count: int) -> None:
    """Train as `TrainingRun.train_epoch` does, without the evaluation that ends an epoch."""
    run.model.train()
    with run._dropout_stream():
        for _ in range(count):
            run.progress.train_loss_sum += run._train_step()
            run.progress.step += 1


def _sweep(shape: TrialShape, steps_per_epoch: int) -> dict[str, Any]:
    """Equal trials that use all of the way: Optuna, tune and confirm, checkpoints, MLflow.

    Random search proposes the same values every time, whichever trial ends first.
    """
    return {
        "name": "bench",
        "question": "What does the sweep itself cost?",
        "base": {
            "dataset": {"corpus": "python_docs", "tokenizer": "char", "context_length": 64},
            "model": {"type": "gpt", "size": "small", "num_layers": shape.num_layers},
            "optimizer": {"type": "adamw", "learning_rate": 0.003},
            "training": {
                "epochs": shape.epochs,
                "steps_per_epoch": steps_per_epoch,
                "batch_size": 16,
            },
        },
        "parameters": {
            "optimizer.learning_rate": {
                "distribution": "log_uniform_values",
                "min": 0.001,
                "max": 0.003,
            }
        },
        "method": "random",
        "budget": {"trials": NUM_TRIALS - NUM_CONFIRMED},
        "seeds": {"tune": [0], "confirm": [1], "top_k": NUM_CONFIRMED},
        "resources": {"cpu": 1, "max_concurrent": NUM_SLOTS},
    }
