"""The model that is a formula: its losses, and that nothing is trained or written for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from lmtune.datasets import PreparedDatasets
from lmtune.errors import CheckpointError, TrialDiverged
from lmtune.models import loss_formula
from lmtune.spec.result import Evaluation
from lmtune.spec.trial import TrialConfig, TrialSpec
from lmtune.training import CheckpointFolder, load_trained_model, train, trial_facts


def make_trial(learning_rate: float = 1e-2, seed: int = 0, **model: Any) -> TrialSpec:  # noqa: ANN401
    config = TrialConfig.model_validate(
        {
            "dataset": {
                "corpus": {"type": "markov", "length": 4000},
                "tokenizer": "byte",
                "context_length": 8,
            },
            "model": {"type": "instant", **model},
            "optimizer": {"type": "adamw", "learning_rate": learning_rate},
            "training": {"epochs": 4, "steps_per_epoch": 5, "batch_size": 2},
        }
    )
    return TrialSpec(variant="v", phase="confirm", seed=seed, config=config, data_fingerprint="f")


def curve(project: Path, trial: TrialSpec) -> list[Evaluation]:
    dataset = PreparedDatasets(project).get(trial.config.dataset)
    return list(train(trial, dataset, checkpoints=CheckpointFolder(project / "checkpoints")))


def last_loss(project: Path, **fields: Any) -> float:  # noqa: ANN401
    return curve(project, make_trial(**fields))[-1].val_loss


def test_curve_when_nothing_is_trained_falls_to_the_floor_and_leaves_nothing(
    tmp_path: Path,
) -> None:
    found = curve(tmp_path, make_trial(floor=1.5))
    assert [each.epoch for each in found] == [1, 2, 3, 4]
    assert [each.step for each in found] == [5, 10, 15, 20]
    losses = [each.val_loss for each in found]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] == 1.5
    assert found[-1].train_tokens == 20 * 2 * 8
    assert found == curve(tmp_path, make_trial(floor=1.5))
    assert not (tmp_path / "checkpoints").exists()


def test_loss_when_what_is_searched_is_off_is_higher_by_the_formula(tmp_path: Path) -> None:
    assert last_loss(tmp_path, learning_rate=1e-3) == pytest.approx(1.0 + 1)
    assert last_loss(tmp_path, x=2.0, y=3.0) == pytest.approx(1.0 + 4 + 1)
    assert last_loss(tmp_path, x=0.0, best_learning_rate=1e-4) == pytest.approx(1.0 + 4)


def test_loss_when_there_is_noise_depends_on_the_seed_alone(tmp_path: Path) -> None:
    noisy = [last_loss(tmp_path, noise=0.1, seed=seed) for seed in range(3)]
    assert len(set(noisy)) == 3
    assert noisy[0] == last_loss(tmp_path, noise=0.1, seed=0)
    assert len({last_loss(tmp_path, seed=seed) for seed in range(3)}) == 1


def test_training_when_the_learning_rate_is_too_high_diverges(tmp_path: Path) -> None:
    with pytest.raises(TrialDiverged):
        curve(tmp_path, make_trial(learning_rate=0.5, diverges_above=0.1))


def test_instant_when_its_facts_are_asked_for_counts_as_its_width(tmp_path: Path) -> None:
    trial = make_trial(width=1000)
    dataset = PreparedDatasets(tmp_path).get(trial.config.dataset)
    facts = trial_facts(trial.config, dataset)
    assert (facts.num_parameters, facts.flops_per_token) == (1000, 6000)
    with pytest.raises(CheckpointError, match="no checkpoint"):
        load_trained_model(trial, dataset, CheckpointFolder(tmp_path / "none"), "last")


def test_formula_of_a_trained_model_is_none() -> None:
    content = make_trial().config.model_dump(mode="json")
    trained = TrialConfig.model_validate({**content, "model": {"type": "gpt", "size": "small"}})
    assert loss_formula(trained.model) is None


def test_instant_when_text_is_to_be_written_is_refused() -> None:
    content = make_trial().config.model_dump(mode="json")
    content["training"]["evaluate_generation"] = True
    with pytest.raises(ValidationError, match="writes no text"):
        TrialConfig.model_validate(content)
