"""Runs a conductor without Ray or training: losses by formula, trials in lockstep."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lmtune.datasets import Dataset, PairsDataset, PreparedDatasets
from lmtune.records import ExperimentFolder
from lmtune.spec import read_sweep
from lmtune.spec.result import Evaluation, TrialFacts, TrialResult
from lmtune.spec.sweep import SweepSpec
from lmtune.spec.trial import TrialSpec
from lmtune.tracking import Observer, RecordsObserver
from lmtune.tuning.conductor import Conductor
from lmtune.tuning.runner import prepare_conductor

SWEEP = """\
name: simulated
question: Does it work?
base:
  dataset: {corpus: {type: markov, length: 2000}, tokenizer: byte, context_length: 8}
  model: {type: gpt, num_layers: 2, d_model: 16, num_heads: 2}
  optimizer: {type: adamw, learning_rate: 1e-3}
  training: {epochs: 9, steps_per_epoch: 1, batch_size: 2}
ablate:
  model.num_layers: [1]
parameters:
  optimizer.learning_rate: {distribution: log_uniform_values, min: 1e-4, max: 1e-1}
method: qmc
early_terminate: {type: asha, min_iter: 1, eta: 3}
budget: {trials: 6}
seeds: {tune: [0], confirm: [1, 2, 3]}
"""

Loss = Callable[[TrialSpec, int], float]


def quadratic_loss(trial: TrialSpec, epoch: int) -> float:
    """Best at a learning rate of 1e-2; falls with the epochs; a little luck by seed."""
    distance = math.log10(trial.config.optimizer.learning_rate) + 2
    return 1 + distance**2 + 1 / epoch + 0.001 * trial.seed


def evaluation(epoch: int, loss: float) -> Evaluation:
    """An evaluation with this validation loss."""
    return Evaluation(
        epoch=epoch,
        step=epoch,
        train_tokens=16 * epoch,
        train_loss=loss,
        val_loss=loss,
        val_perplexity=math.exp(loss),
        val_bits_per_byte=loss / math.log(2),
        val_accuracy=0.5,
        learning_rate=1e-3,
        elapsed_s=float(epoch),
    )


class Log:
    """An observer that remembers what it was told."""

    def __init__(self) -> None:
        self.started: list[TrialSpec] = []
        self.known: list[TrialSpec] = []
        self.ended: list[tuple[TrialSpec, TrialResult]] = []
        self.num_evaluations = 0
        self.said: list[str] = []

    def sweep_started(
        self, sweep: SweepSpec, datasets: Mapping[str, Dataset | PairsDataset]
    ) -> None:
        pass

    def trial_known(
        self, trial: TrialSpec, result: TrialResult, curve: Sequence[Evaluation]
    ) -> None:
        self.known.append(trial)

    def trial_started(self, trial: TrialSpec, facts: TrialFacts) -> None:
        self.started.append(trial)

    def trial_evaluated(self, trial: TrialSpec, evaluation: Evaluation) -> None:
        self.num_evaluations += 1

    def trial_ended(self, trial: TrialSpec, result: TrialResult) -> None:
        self.ended.append((trial, result))

    def sweep_ended(self, finished: bool) -> None:
        pass


def load(project: Path, text: str = SWEEP) -> SweepSpec:
    """The sweep of a YAML text."""
    path = project / "sweep.yaml"
    path.write_text(text, encoding="utf-8")
    return read_sweep(path)


def conductor(project: Path, sweep: SweepSpec, log: Log) -> Conductor:
    """A conductor over the project's records, resumed."""
    folder = ExperimentFolder(project / "experiments" / sweep.name)
    observers: list[Observer] = [RecordsObserver(folder), log]
    made = prepare_conductor(
        sweep,
        folder=folder,
        datasets=PreparedDatasets(project),
        observers=observers,
        say=log.said.append,
    )
    made.resume()
    return made


def simulate(
    conductor: Conductor,
    loss: Loss = quadratic_loss,
    *,
    num_slots: int = 1,
    max_evaluations: int | None = None,
) -> None:
    """Run trials in lockstep until nothing is left, or the process "dies" at an evaluation."""
    running: dict[str, tuple[TrialSpec, int]] = {}
    evaluations = 0
    while True:
        while len(running) < num_slots and (trial := conductor.next_trial()) is not None:
            running[trial.trial_id] = trial, 0
        if not running:
            return
        for trial_id, (trial, epoch) in list(running.items()):
            if evaluations == max_evaluations:
                return
            evaluations += 1
            value = loss(trial, epoch + 1)
            if math.isnan(value):
                conductor.ended(trial, "diverged", "loss became nan")
                del running[trial_id]
                continue
            goes_on = conductor.evaluated(trial, evaluation(epoch + 1, value))
            running[trial_id] = trial, epoch + 1
            if not goes_on or epoch + 1 == trial.config.training.epochs:
                conductor.ended(trial, "completed" if goes_on else "stopped")
                del running[trial_id]
