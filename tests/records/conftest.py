"""Small sweeps, trials and curves for the records, without training."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lmtune.records import DatasetFacts, ExperimentFolder
from lmtune.spec.result import Evaluation, Status, TrialFacts, TrialResult
from lmtune.spec.search import Budget, FloatRange, Seeds
from lmtune.spec.sweep import Metric, Resources, SweepSpec, Tracking, Variant
from lmtune.spec.trial import Phase, Scalar, TrialConfig, TrialSpec

MODELS: dict[str, dict[str, Any]] = {
    "gpt": {"type": "gpt", "size": "small"},
    "shallow": {"type": "gpt", "size": "small", "num_layers": 1},
    "lstm": {"type": "lstm", "size": "small"},
}
OVERRIDES: dict[str, dict[str, Scalar]] = {
    "gpt": {},
    "shallow": {"model.num_layers": 1},
    "lstm": {"model.type": "lstm"},
}
LEARNING_RATE = "optimizer.learning_rate"


def _given(variant: str, learning_rate: float = 1e-3) -> dict[str, Any]:
    return {
        "dataset": {"corpus": "python_docs"},
        "model": MODELS[variant],
        "optimizer": {"type": "adamw", "learning_rate": learning_rate},
        "training": {"epochs": 3, "steps_per_epoch": 10},
    }


@pytest.fixture
def facts() -> TrialFacts:
    return TrialFacts(
        num_parameters=1000, num_non_embedding_parameters=900, flops_per_token=6000, epochs=3
    )


@pytest.fixture
def dataset_facts() -> DatasetFacts:
    return DatasetFacts(
        fingerprint="f1",
        vocab_size=90,
        train_tokens=9000,
        validation_tokens=500,
        bytes_per_token=1.0,
    )


@pytest.fixture
def sweep() -> SweepSpec:
    """Three variants, each searched over the learning rate."""
    searched = FloatRange(distribution="log_uniform_values", min=1e-4, max=1e-2)
    return SweepSpec(
        name="toy",
        question="Does it matter?",
        metric=Metric(),
        variants=tuple(
            Variant(
                name=name,
                overrides=overrides,
                config=TrialConfig.model_validate(_given(name)),
                given=_given(name),
                parameters={LEARNING_RATE: searched},
            )
            for name, overrides in OVERRIDES.items()
        ),
        method="qmc",
        early_terminate=None,
        budget=Budget(trials=2),
        seeds=Seeds(),
        resources=Resources(),
        tracking=Tracking(),
    )


@pytest.fixture
def experiment(tmp_path: Path, sweep: SweepSpec, dataset_facts: DatasetFacts) -> ExperimentFolder:
    """An experiment that has not started any trial."""
    folder = ExperimentFolder(tmp_path / "experiments" / "toy")
    folder.write_sweep(sweep, {variant.name: dataset_facts for variant in sweep.variants})
    return folder


@pytest.fixture
def trial_spec() -> Callable[..., TrialSpec]:
    """Builds the specification of a trial of the sweep."""

    def build(
        variant: str = "gpt", phase: Phase = "confirm", seed: int = 1, learning_rate: float = 1e-3
    ) -> TrialSpec:
        return TrialSpec(
            variant=variant,
            phase=phase,
            seed=seed,
            config=TrialConfig.model_validate(_given(variant, learning_rate)),
            parameters={LEARNING_RATE: learning_rate},
            data_fingerprint="f1",
        )

    return build


@pytest.fixture
def evaluation() -> Callable[..., Evaluation]:
    """Builds the evaluation after an epoch."""

    def build(epoch: int, val_loss: float = 1.5) -> Evaluation:
        return Evaluation(
            epoch=epoch,
            step=10 * epoch,
            train_tokens=1000 * epoch,
            train_loss=val_loss + 0.1,
            val_loss=val_loss,
            val_perplexity=math.exp(val_loss),
            val_bits_per_byte=val_loss / math.log(2),
            val_accuracy=math.exp(-val_loss),
            learning_rate=1e-3,
            elapsed_s=0.5 * epoch,
        )

    return build


@pytest.fixture
def record(
    experiment: ExperimentFolder, facts: TrialFacts, evaluation: Callable[..., Evaluation]
) -> Callable[..., TrialSpec]:
    """Writes a trial: its specification, a curve of these losses and, given a status, its end."""

    def write(spec: TrialSpec, losses: list[float], status: Status | None) -> TrialSpec:
        folder = experiment.trial(spec.trial_id)
        folder.write_spec(spec, facts)
        for epoch, loss in enumerate(losses, start=1):
            folder.append_evaluation(evaluation(epoch, loss))
        if status is not None:
            result = TrialResult(
                trial_id=spec.trial_id,
                status=status,
                epochs_done=len(losses),
                facts=facts,
                train_time_s=0.5 * len(losses),
            )
            folder.write_result(result)
        return spec

    return write
