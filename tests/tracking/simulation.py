"""A small sweep that tells its observers what the tuner would, and reads MLflow back."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run

from lmtune.records import DatasetFacts, ExperimentFolder
from lmtune.spec.result import Evaluation, Status, TrialFacts, TrialResult
from lmtune.spec.search import Budget, Seeds
from lmtune.spec.sweep import Metric, MlflowTracking, Resources, SweepSpec, Tracking, Variant
from lmtune.spec.trial import Phase, TrialConfig, TrialSpec
from lmtune.tracking import MlflowObserver, Observer, RecordsObserver, resolve_uri

with warnings.catch_warnings():  # as the observer does before it loads MLflow
    warnings.filterwarnings("ignore", "The ``noload`` loader", DeprecationWarning)
    from lmtune.tracking.mlflow_database import forget_connections, prepare_database

__all__ = [
    "FACTS",
    "Sweep",
    "Tracked",
    "make_evaluation",
    "make_sweep",
    "make_trial",
    "prepare_database",
    "statuses",
    "wait_until",
]

FACTS = TrialFacts(
    num_parameters=1200, num_non_embedding_parameters=1000, flops_per_token=7200, epochs=4
)


def make_trial(
    learning_rate: float = 1e-3,
    seed: int = 0,
    *,
    variant: str = "base",
    size: str = "small",
    phase: Phase = "tune",
) -> TrialSpec:
    """A trial of a small LSTM."""
    config = TrialConfig.model_validate(
        {
            "dataset": {"corpus": "python_docs", "context_length": 16},
            "model": {"type": "lstm", "size": size, "num_layers": 1, "hidden_size": 8},
            "optimizer": {"type": "adamw", "learning_rate": learning_rate},
            "training": {"epochs": 4, "steps_per_epoch": 10, "gradient_clip": None},
        }
    )
    return TrialSpec(
        variant=variant,
        phase=phase,
        seed=seed,
        config=config,
        parameters={"optimizer.learning_rate": learning_rate},
        data_fingerprint="f00d",
    )


def make_sweep(name: str = "demo") -> SweepSpec:
    """A sweep of one variant; its trials are told to the observers directly."""
    config = make_trial().config
    variant = Variant(name="base", config=config, given=config.model_dump(mode="json"))
    return SweepSpec(
        name=name,
        question="Does it log?",
        metric=Metric(),
        variants=(variant,),
        method=None,
        early_terminate=None,
        budget=Budget(),
        seeds=Seeds(),
        resources=Resources(),
        tracking=Tracking(),
    )


def make_evaluation(epoch: int, val_loss: float | None = None) -> Evaluation:
    """An evaluation; the loss is lowest after epoch 2 unless it is given."""
    loss = {1: 2.5, 2: 2.0}.get(epoch, 2.0 + 0.1 * epoch) if val_loss is None else val_loss
    return Evaluation(
        epoch=epoch,
        step=10 * epoch,
        train_tokens=1600 * epoch,
        train_loss=loss + 0.1,
        val_loss=loss,
        val_perplexity=2.0**loss,
        val_bits_per_byte=loss / 2,
        val_accuracy=0.5,
        learning_rate=1e-3,
        elapsed_s=0.5 * epoch,
    )


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for the thread of an observer that is not ended, as that of a killed driver."""
    deadline = time.monotonic() + 100
    while not condition():
        assert time.monotonic() < deadline, "the thread did not write"
        time.sleep(0.02)


def statuses(tracked: Tracked) -> dict[str, tuple[str, str]]:
    """MLflow's status and the tag, by trial."""
    return {
        trial_id: (run.info.status, run.data.tags["lmtune.status"])
        for trial_id, run in tracked.children.items()
    }


class Sweep:
    """Tells the observers of a sweep what the tuner would, and reads MLflow back."""

    def __init__(self, project: Path, *, uri: str = MlflowTracking().uri) -> None:
        self.project = project
        self.uri = uri
        self.spec = make_sweep()
        self.records = ExperimentFolder(project / "experiments" / self.spec.name)
        self.mlflow = MlflowObserver(
            MlflowTracking(uri=uri),
            project=project,
            experiment=self.records,
            sweep=self.spec,
            git_commit="abc123",
        )
        self.observers: tuple[Observer, ...] = (RecordsObserver(self.records), self.mlflow)

    def write_inputs(self) -> None:
        """Keep with the records what the driver keeps of a sweep as a whole."""
        tracking = Tracking(mlflow=MlflowTracking(uri=self.uri))
        facts = DatasetFacts(
            fingerprint="f00d",
            vocab_size=50,
            train_tokens=1000,
            validation_tokens=100,
            bytes_per_token=1.0,
        )
        self.records.write_sweep_yaml("name: demo\n")
        self.records.write_sweep(
            self.spec.model_copy(update={"tracking": tracking}), {"base": facts}
        )
        self.records.write_environment({"git_commit": "abc123"})

    def start(self) -> None:
        for observer in self.observers:
            observer.sweep_started(self.spec, {})

    def start_trial(self, trial: TrialSpec) -> None:
        for observer in self.observers:
            observer.trial_started(trial, FACTS)

    def evaluate(self, trial: TrialSpec, *evaluations: Evaluation) -> None:
        for evaluation in evaluations:
            for observer in self.observers:
                observer.trial_evaluated(trial, evaluation)

    def end_trial(self, trial: TrialSpec, status: Status, message: str = "") -> None:
        curve = self.records.trial(trial.trial_id).read_curve()
        result = TrialResult(
            trial_id=trial.trial_id,
            status=status,
            epochs_done=len(curve),
            facts=FACTS,
            train_time_s=curve[-1].elapsed_s if curve else 0.0,
            message=message,
        )
        for observer in self.observers:
            observer.trial_ended(trial, result)

    def end(self, *, finished: bool = True) -> None:
        for observer in self.observers:
            observer.sweep_ended(finished)

    def run_trial(self, trial: TrialSpec, status: Status = "completed", epochs: int = 4) -> None:
        self.start_trial(trial)
        self.evaluate(trial, *(make_evaluation(epoch) for epoch in range(1, epochs + 1)))
        self.end_trial(trial, status)

    def tracked(self) -> Tracked:
        return Tracked(self.project, self.spec.name, uri=self.uri)


class Tracked:
    """What MLflow itself says of a sweep."""

    def __init__(self, project: Path, name: str, *, uri: str = MlflowTracking().uri) -> None:
        found = resolve_uri(uri, project)
        forget_connections(found.address)  # another process may have made the database anew
        self.client = MlflowClient(found.address)
        experiment = self.client.get_experiment_by_name(name)
        assert experiment is not None
        self.experiment = experiment
        self.runs: list[Run] = list(self.client.search_runs([experiment.experiment_id]))

    @property
    def parents(self) -> list[Run]:
        return [run for run in self.runs if "lmtune.sweep" in run.data.tags]

    @property
    def children(self) -> dict[str, Run]:
        children = [run for run in self.runs if "lmtune.trial_id" in run.data.tags]
        by_id = {run.data.tags["lmtune.trial_id"]: run for run in children}
        assert len(by_id) == len(children), "a trial has two runs"
        return by_id

    def points(self, trial: TrialSpec, metric: str) -> list[tuple[int, float]]:
        run_id = self.children[trial.trial_id].info.run_id
        history = self.client.get_metric_history(run_id, metric)
        return sorted((point.step, point.value) for point in history)

    def content(self) -> dict[str, Any]:
        """All that MLflow says, without the ids that it gave; equal for equal runs."""
        (parent,) = self.parents
        children = self.children
        for run in children.values():
            assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        content = {trial_id: self._run_content(run) for trial_id, run in children.items()}
        for trial_id, run in children.items():
            content[trial_id]["time"] = (run.info.start_time, run.info.end_time)
        files = self.client.list_artifacts(parent.info.run_id)
        return {
            **content,
            "sweep": self._run_content(parent),
            "files": {file.path: file.file_size for file in files},
        }

    def _run_content(self, run: Run) -> dict[str, Any]:
        tags = {name: tag for name, tag in run.data.tags.items() if name != "mlflow.parentRunId"}
        metrics = {
            name: sorted(
                (point.step, repr(point.value), point.timestamp)
                for point in self.client.get_metric_history(run.info.run_id, name)
            )
            for name in run.data.metrics
        }
        return {
            "name": run.info.run_name,
            "status": run.info.status,
            "tags": tags,
            "params": run.data.params,
            "metrics": metrics,
        }
