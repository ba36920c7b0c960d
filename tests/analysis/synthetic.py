"""Experiments with whole curves, searches and all four numbers of an evaluation, not trained."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lmtune.records import DatasetFacts, ExperimentFolder
from lmtune.spec.result import Evaluation, Status, TrialFacts, TrialResult
from lmtune.spec.search import Asha, Budget, Distribution, FloatRange, IntRange, Method, Seeds
from lmtune.spec.sweep import Metric, Resources, SweepSpec, Tracking, Variant
from lmtune.spec.trial import Phase, Scalar, TrialConfig, TrialSpec

LEARNING_RATE = "optimizer.learning_rate"
WEIGHT_DECAY = "optimizer.weight_decay"
BATCH_SIZE = "training.batch_size"
SEARCHED: dict[str, Distribution] = {
    LEARNING_RATE: FloatRange(distribution="log_uniform_values", min=1e-4, max=1e-2),
    WEIGHT_DECAY: FloatRange(distribution="uniform", min=0.0, max=0.3),
    BATCH_SIZE: IntRange(distribution="int_log_uniform_values", min=4, max=64),
}
LAYERS = {"base": {}, "num_layers=1": {"num_layers": 1}, "num_layers=6": {"num_layers": 6}}
TOKENS_PER_EPOCH = 10_240


@dataclass(frozen=True)
class Trial:
    """A trial: its losses by epoch, and the values that the search gave it."""

    variant: str
    phase: Phase
    seed: int
    losses: Sequence[float]
    status: Status = "completed"
    parameters: Mapping[str, Scalar] = field(default_factory=dict)


def write_experiment(
    path: Path,
    trials: Sequence[Trial],
    *,
    variants: Mapping[str, Mapping[str, Scalar]] = LAYERS,
    searched: Mapping[str, Distribution] | None = None,
    method: Method = "qmc",
    epochs: int = 4,
    metric: Metric | None = None,
    seeds: Sequence[int] = (1, 2, 3),
    budget: int = 8,
    asha: Asha | None = None,
    **fields: Any,  # noqa: ANN401 - fields of SweepSpec
) -> ExperimentFolder:
    """Write the records of a sweep; all trials have the same data and size."""
    given = {name: _given(changes, epochs) for name, changes in variants.items()}
    sweep = SweepSpec(
        name=path.name,
        question=fields.pop("question", "Does depth help a small GPT?"),
        metric=metric or Metric(),
        variants=tuple(
            Variant(
                name=name,
                overrides={f"model.{key}": value for key, value in changes.items()},
                config=TrialConfig.model_validate(given[name]),
                given=given[name],
                parameters=dict(searched or {}),
            )
            for name, changes in variants.items()
        ),
        method=method if searched else None,
        early_terminate=asha,
        budget=Budget(trials=budget if searched else None),
        seeds=Seeds(tune=(0,) if searched else (), confirm=tuple(seeds)),
        resources=Resources(),
        tracking=Tracking(mlflow=None),
        **fields,
    )
    folder = ExperimentFolder(path)
    facts = DatasetFacts(
        fingerprint="f1",
        vocab_size=90,
        train_tokens=418_000,
        validation_tokens=23_000,
        bytes_per_token=1.01,
        ngram_floors={"unigram": 3.3, "bigram": 2.5, "5-gram": 1.5},
    )
    folder.write_sweep(sweep, dict.fromkeys(variants, facts))
    for trial in trials:
        _write_trial(folder, trial, given[trial.variant], epochs)
    return folder


def _given(changes: Mapping[str, Scalar], epochs: int) -> dict[str, Any]:
    return {
        "dataset": {"corpus": "python_docs"},
        "model": {"type": "gpt", "size": "small", **changes},
        "optimizer": {"type": "adamw", "learning_rate": 1e-3},
        "training": {"epochs": epochs, "steps_per_epoch": 10},
    }


def _write_trial(
    folder: ExperimentFolder, trial: Trial, given: Mapping[str, Any], epochs: int
) -> None:
    sections = {name: dict(section) for name, section in given.items()}
    for where, value in trial.parameters.items():
        section, name = where.split(".")
        sections[section][name] = value
    spec = TrialSpec(
        variant=trial.variant,
        phase=trial.phase,
        seed=trial.seed,
        config=TrialConfig.model_validate(sections),
        parameters=dict(trial.parameters),
        data_fingerprint="f1",
    )
    layers = int(sections["model"].get("num_layers", 4))
    facts = TrialFacts(
        num_parameters=10_000 + 49_000 * layers,
        num_non_embedding_parameters=49_000 * layers,
        flops_per_token=300_000 * layers,
        epochs=epochs,
    )
    records = folder.trial(spec.trial_id)
    records.write_spec(spec, facts)
    rows = [evaluation(number, loss) for number, loss in enumerate(trial.losses, start=1)]
    text = "".join(row.model_dump_json(exclude_none=True) + "\n" for row in rows)
    records.curve_jsonl.write_text(text, encoding="utf-8")
    result = TrialResult(
        trial_id=spec.trial_id,
        status=trial.status,
        epochs_done=len(rows),
        facts=facts,
        train_time_s=2.0 * len(rows),
    )
    if trial.status != "interrupted":
        records.write_result(result)


def evaluation(epoch: int, loss: float) -> Evaluation:
    """An evaluation whose numbers follow from its loss."""
    return Evaluation(
        epoch=epoch,
        step=10 * epoch,
        train_tokens=TOKENS_PER_EPOCH * epoch,
        train_loss=loss - 0.1,
        val_loss=loss,
        val_perplexity=math.exp(loss),
        val_bits_per_byte=loss / math.log(2) / 1.01,
        val_accuracy=math.exp(-loss),
        learning_rate=1e-3,
        elapsed_s=2.0 * epoch,
    )


def searched_sweep(
    path: Path,
    *,
    num_trials: int,
    epochs: int = 9,
    variants: Mapping[str, Mapping[str, Scalar]] = LAYERS,
    seeds: Sequence[int] = (1, 2, 3, 4, 5),
    **fields: Any,  # noqa: ANN401 - as write_experiment
) -> ExperimentFolder:
    """A whole sweep: a search of three parameters under ASHA in each variant, then fresh seeds."""
    rng = np.random.default_rng(0)
    budget = (num_trials - len(seeds) * len(variants)) // len(variants)
    asha = Asha(type="asha", min_iter=1, eta=3)
    trials = [
        trial
        for number, name in enumerate(variants)
        for trial in _variant_trials(name, 0.05 * number, rng, budget, epochs, seeds)
    ]
    return write_experiment(
        path,
        trials,
        variants=variants,
        searched=SEARCHED,
        epochs=epochs,
        seeds=seeds,
        budget=budget,
        asha=asha,
        **fields,
    )


def _variant_trials(
    name: str,
    offset: float,
    rng: np.random.Generator,
    budget: int,
    epochs: int,
    seeds: Sequence[int],
) -> Iterator[Trial]:
    best: tuple[float, dict[str, Scalar]] = (math.inf, {})
    for number in range(budget):
        values: dict[str, Scalar] = {
            LEARNING_RATE: float(10 ** rng.uniform(-4, -2)),
            WEIGHT_DECAY: float(rng.uniform(0, 0.3)),
            BATCH_SIZE: round(math.exp(rng.uniform(math.log(4), math.log(64)))),
        }
        losses = _losses(values, offset, rng, epochs)
        if number % 40 == 39:
            yield Trial(name, "tune", 0, losses[:1], "diverged", values)
        elif number % 3:
            cut = 1 if number % 3 == 1 else 3
            yield Trial(name, "tune", 0, losses[:cut], "stopped", values)
        else:
            yield Trial(name, "tune", 0, losses, "completed", values)
            best = min(best, (losses[-1], values), key=lambda each: each[0])
    for seed in seeds:
        # What a seed does is the same for all variants, but for a little.
        shared = 0.02 * math.sin(seed)
        losses = [loss + shared for loss in _losses(best[1], offset, rng, epochs)]
        yield Trial(name, "confirm", seed, losses, "completed", best[1])


def _losses(
    values: Mapping[str, Scalar], offset: float, rng: np.random.Generator, epochs: int
) -> list[float]:
    """Falling curves; the learning rate matters much, weight decay little, batch size nothing."""
    learning_rate, decay = values[LEARNING_RATE], values[WEIGHT_DECAY]
    assert isinstance(learning_rate, float)
    assert isinstance(decay, float)
    end = 1.8 + offset + 0.4 * (math.log10(learning_rate) + 2.8) ** 2 + 0.1 * decay
    return [
        end + 1.2 / (1 + epoch) - 1.2 / (1 + epochs) + float(rng.normal(0, 0.004))
        for epoch in range(1, epochs + 1)
    ]
