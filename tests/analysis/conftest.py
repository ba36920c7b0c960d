"""An experiment folder as a sweep would leave it, made without training."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from lmtune.records import DatasetFacts, ExperimentFolder
from lmtune.spec.result import Evaluation, Status, TrialFacts, TrialResult
from lmtune.spec.search import Asha, Budget, Distribution, FloatRange, Seeds
from lmtune.spec.sweep import Metric, Resources, SweepSpec, Tracking, Variant
from lmtune.spec.trial import Phase, Scalar, TrialConfig, TrialSpec

LEARNING_RATE = "optimizer.learning_rate"
LEARNING_RATE_RANGE = FloatRange(distribution="log_uniform_values", min=1e-4, max=1e-2)

Trial = tuple[str, Phase, int, Status, float | None, float]
"""Variant, phase, seed, status, metric at the last epoch (None: no epoch done), learning rate."""


@pytest.fixture
def dataset() -> DatasetFacts:
    return DatasetFacts(
        fingerprint="f1",
        vocab_size=90,
        train_tokens=418_000,
        validation_tokens=23_000,
        bytes_per_token=1.01,
    )


@pytest.fixture
def make_experiment(tmp_path: Path, dataset: DatasetFacts) -> Callable[..., ExperimentFolder]:
    """Writes an experiment.

    Args:
        trials: what to record.
        variants: model fields that each variant changes, by its name; the first is the base.
        searched: whether the learning rate is searched in every variant.
        metric: `val_loss` to minimize if None.
        datasets: where they are not all the same, by variant.
        sections: what variants have of their own besides the model, by variant and section.
        measured: more numbers of each last evaluation, by variant.
        fields: of the sweep, in place of what they otherwise are.
    """

    def make(
        trials: Sequence[Trial],
        *,
        variants: Mapping[str, Mapping[str, Scalar]],
        searched: bool = False,
        metric: Metric | None = None,
        datasets: Mapping[str, DatasetFacts] | None = None,
        sections: Mapping[str, Mapping[str, Any]] | None = None,
        measured: Mapping[str, Mapping[str, float]] | None = None,
        **fields: Any,  # noqa: ANN401 - fields of SweepSpec
    ) -> ExperimentFolder:
        parameters: dict[str, Distribution] = {LEARNING_RATE: LEARNING_RATE_RANGE}
        given = {
            name: _given(changes, (sections or {}).get(name, {}))
            for name, changes in variants.items()
        }
        sweep = SweepSpec(
            name=fields.pop("name", "toy"),
            question=fields.pop("question", "What matters?"),
            metric=metric or Metric(name="val_loss", goal="minimize"),
            variants=tuple(
                Variant(
                    name=name,
                    overrides={f"model.{field}": value for field, value in changes.items()},
                    config=TrialConfig.model_validate(given[name]),
                    given=given[name],
                    parameters=parameters if searched else {},
                )
                for name, changes in variants.items()
            ),
            method="qmc" if searched else None,
            early_terminate=Asha(type="asha", min_iter=1, eta=3) if searched else None,
            budget=Budget(trials=3 if searched else None),
            seeds=fields.pop("seeds", Seeds()),
            resources=Resources(),
            tracking=Tracking(),
            **fields,
        )
        folder = ExperimentFolder(tmp_path / "experiments" / sweep.name)
        facts = datasets or dict.fromkeys(variants, dataset)
        folder.write_sweep(sweep, facts)
        for trial in trials:
            name = trial[0]
            more = (measured or {}).get(name, {})
            _write_trial(folder, sweep, trial, given[name], facts[name].fingerprint, more)
        return folder

    return make


def _given(changes: Mapping[str, Scalar], sections: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "dataset": {"corpus": "python_docs"},
        "model": {"type": "gpt", "size": "small", **changes},
        "optimizer": {"type": "adamw", "learning_rate": 1e-3},
        "training": {"epochs": 2, "steps_per_epoch": 10},
        **sections,
    }


def _write_trial(
    folder: ExperimentFolder,
    sweep: SweepSpec,
    trial: Trial,
    given: Mapping[str, Any],
    fingerprint: str,
    measured: Mapping[str, float],
) -> None:
    variant, phase, seed, status, value, learning_rate = trial
    optimizer = {"type": "adamw", "learning_rate": learning_rate}
    spec = TrialSpec(
        variant=variant,
        phase=phase,
        seed=seed,
        config=TrialConfig.model_validate({**given, "optimizer": optimizer}),
        parameters={LEARNING_RATE: learning_rate} if sweep.method else {},
        data_fingerprint=fingerprint,
    )
    facts = TrialFacts(
        num_parameters=204_000,
        num_non_embedding_parameters=198_000,
        flops_per_token=1_300_000,
        epochs=2,
        bleu_signature="nrefs:1",
        chrf_signature="nc:6",
    )
    records = folder.trial(spec.trial_id)
    records.write_spec(spec, facts)
    # The first epoch is better than the last, so that taking it for the last shows.
    epochs = [] if value is None else [value * 0.99, value]
    for epoch, number in enumerate(epochs, start=1):
        more = measured if epoch == len(epochs) else {}
        records.append_evaluation(_evaluation(epoch, number, sweep.metric, more))
    if status != "interrupted":
        records.write_result(
            TrialResult(
                trial_id=spec.trial_id,
                status=status,
                epochs_done=len(epochs),
                facts=facts,
                train_time_s=float(len(epochs)),
            )
        )


def _evaluation(
    epoch: int, value: float, metric: Metric, measured: Mapping[str, float]
) -> Evaluation:
    """An evaluation whose metric is `value`; the other numbers are none that anything asks for."""
    numbers: dict[str, float] = dict.fromkeys(
        ("val_loss", "val_perplexity", "val_bits_per_byte", "val_accuracy"), math.nan
    )
    return Evaluation(
        epoch=epoch,
        step=10 * epoch,
        train_tokens=10_240 * epoch,
        train_loss=1.0,
        learning_rate=1e-3,
        elapsed_s=float(epoch),
        **{**numbers, metric.name: value, **measured},
    )
