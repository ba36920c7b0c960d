"""Probes: what they measure of a shape, in this process and in those of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from lmtune.datasets import Dataset, PairsDataset, PreparedDatasets
from lmtune.errors import ResourceError
from lmtune.planning import probe
from lmtune.planning.costs import shapes_to_probe
from lmtune.planning.measured import ShapeOrder
from lmtune.planning.probes import measure_shapes
from lmtune.planning.typical import TypicalTrial, typical_trials
from lmtune.spec.sweep import SweepSpec
from lmtune.training.loop import TrainingRun

Load = Callable[..., SweepSpec]
PAIRS = {
    "{corpus: {type: markov, length: 4000}, tokenizer: byte, context_length: 8}": (
        "{corpus: {type: reverse, num_pairs: 2000}, tokenizer: word, context_length: 24}"
    )
}


def first_trial(sweep: SweepSpec, prepared: PreparedDatasets) -> TypicalTrial:
    return typical_trials(sweep.variants[0], prepared, 8)[0]


def order_of(trial: TypicalTrial) -> ShapeOrder:
    return ShapeOrder(config=trial.config, dataset=str(trial.dataset.folder))


def test_probe_of_a_text_when_measured_knows_time_memory_and_checkpoint(
    load: Load, prepared: PreparedDatasets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []

    def train_step(run: TrainingRun) -> float:
        steps.append(run.progress.step)
        return 1.0

    monkeypatch.setattr(TrainingRun, "_train_step", train_step)
    trial = first_trial(load(), prepared)
    found = probe.measure(order_of(trial), device=torch.device("cpu"), scratch=tmp_path)
    assert 13 <= len(steps) <= 23  # three to warm up, 10 to 20 that count
    assert min(found.step_s, found.evaluation_s, found.save_s, found.build_s) > 0
    assert found.generation_s == 0
    assert found.memory_mib > 50
    # weights in fp32, twice
    assert found.checkpoint_mib * 2**20 > 2 * 4 * trial.facts.num_parameters
    assert not list(tmp_path.glob(".probe-*"))


def test_probe_when_the_learning_rate_explodes_measures_all_the_same(
    load: Load, prepared: PreparedDatasets, tmp_path: Path
) -> None:
    sweep = load(**{"{type: adamw, learning_rate: 1e-3}": "{type: sgd, learning_rate: 1e6}"})
    trial = typical_trials(sweep.variants[0].model_copy(update={"parameters": {}}), prepared, 1)[0]
    assert probe.measure(order_of(trial), device=torch.device("cpu"), scratch=tmp_path).step_s > 0


def test_probe_when_only_part_is_scored_stands_for_the_whole_split(
    load: Load, prepared: PreparedDatasets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = first_trial(load(), prepared).dataset
    assert isinstance(dataset, Dataset)
    assert probe._part(dataset, context_length=8)[1] == 1
    monkeypatch.setattr(probe, "_WINDOWS_SCORED", 5)
    part, share = probe._part(dataset, context_length=8)
    assert isinstance(part, Dataset)
    assert len(part.validation.tokens) == 40
    assert share == 40 / len(dataset.validation.tokens)


def test_probe_of_pairs_when_measured_scores_a_part_and_writes_targets(
    load: Load, prepared: PreparedDatasets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "_PAIRS_SCORED", 16)
    monkeypatch.setattr(probe, "_TEXTS_WRITTEN", 4)
    trial = first_trial(load(**PAIRS), prepared)
    part, share = probe._part(trial.dataset, context_length=24)
    assert isinstance(trial.dataset, PairsDataset)
    assert isinstance(part, PairsDataset)
    assert len(part.validation) == 16
    assert share == 16 / len(trial.dataset.validation)
    found = probe.measure(order_of(trial), device=torch.device("cpu"), scratch=tmp_path)
    assert found.generation_s > 0


@pytest.mark.slow
def test_shapes_when_measured_in_processes_of_their_own_are_all_answered(
    load: Load, prepared: PreparedDatasets, tmp_path: Path
) -> None:
    sweep = load()
    shapes = shapes_to_probe([typical_trials(each, prepared, 8) for each in sweep.variants])
    seen: list[tuple[int, int]] = []
    found = measure_shapes(
        shapes,
        num_at_once=2,
        resources=sweep.resources,
        scratch=tmp_path,
        watch=lambda done, total: seen.append((done, total)),
    )
    assert found.keys() == shapes.keys()
    assert seen == [(0, 2), (1, 2), (2, 2)]


@pytest.mark.slow
def test_shapes_when_one_cannot_be_trained_are_refused_with_the_reason(
    load: Load, prepared: PreparedDatasets, tmp_path: Path
) -> None:
    sweep = load()
    shapes = shapes_to_probe([typical_trials(sweep.variants[0], prepared, 8)])
    with pytest.raises(ResourceError, match="could not be trained here"):
        measure_shapes(
            shapes,
            num_at_once=1,
            resources=sweep.resources,
            scratch=tmp_path / "missing",
            watch=lambda done, total: None,
        )
