"""Training reaches what is known to be reachable, and never more.

Sources of known entropy, drawn by the `markov` corpus. The bounds are on the loss above that of
the true source on the same validation tokens: from below for leaks, from above for what the loop,
the optimizer or the evaluation spoils.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lmtune.datasets import prepare_dataset, prepare_text
from lmtune.spec.dataset import DatasetConfig
from lmtune.training import train
from tests.training.conftest import MakeTrial

pytestmark = pytest.mark.science

MODELS: dict[str, dict[str, Any]] = {
    "gpt": {"num_layers": 1, "d_model": 32, "num_heads": 2},
    "transformer": {
        "num_encoder_layers": 1,
        "num_decoder_layers": 1,
        "d_model": 32,
        "num_heads": 2,
    },
    "rnn": {"num_layers": 1, "hidden_size": 32},
    "lstm": {"num_layers": 1, "hidden_size": 32},
    "gru": {"num_layers": 1, "hidden_size": 32},
}
"""Dimensions that train in seconds; a type that is not here is trained at size small."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("known_truths")


def loss_above_source(
    make_trial: MakeTrial, project: Path, model_type: str, corpus: dict[str, Any]
) -> float:
    corpus = {"type": "markov", "length": 200_000, **corpus}
    config = {"corpus": corpus, "context_length": 16}
    dataset = prepare_text(DatasetConfig.model_validate(config), project=project)
    trial = make_trial(
        model_type,
        dataset=config,
        model=MODELS.get(model_type, {}),
        optimizer={"learning_rate": 5e-3},
        schedule={"warmup_steps": 20},
        training={"epochs": 1, "steps_per_epoch": 400, "batch_size": 32},
    )
    (evaluation,) = train(trial, dataset)
    assert dataset.validation.source_loss is not None
    return evaluation.val_loss - dataset.validation.source_loss


def test_markov_source_is_learnt_to_its_entropy(
    make_trial: MakeTrial, project: Path, model_type: str
) -> None:
    excess = loss_above_source(make_trial, project, model_type, {"order": 1, "symbols": 8})
    assert -0.005 <= excess <= 0.02


def test_noise_is_not_predicted(make_trial: MakeTrial, project: Path, model_type: str) -> None:
    """Symbols that are independent and equally likely: only a leak could do better than ln V."""
    corpus = {"order": 0, "symbols": 16, "concentration": 1e9}
    excess = loss_above_source(make_trial, project, model_type, corpus)
    assert -0.005 <= excess <= 0.02


@pytest.mark.slow
def test_reversal_is_learnt_by_the_encoder_decoder(make_trial: MakeTrial, project: Path) -> None:
    """Sequences that training never showed, written backwards; three minutes of one core."""
    config = {
        "corpus": {"type": "reverse", "symbols": 20, "max_length": 10, "num_pairs": 50_000},
        "tokenizer": "word",
        "context_length": 24,
    }
    dataset = prepare_dataset(DatasetConfig.model_validate(config), project=project)
    size = {"num_encoder_layers": 2, "num_decoder_layers": 2, "d_model": 64, "num_heads": 4}
    trial = make_trial(
        "transformer",
        dataset=config,
        model=size,
        optimizer={"learning_rate": 2e-3},
        schedule={"warmup_steps": 100},
        training={"epochs": 1, "steps_per_epoch": 1500, "batch_size": 64},
    )
    (evaluation,) = train(trial, dataset)
    assert evaluation.val_exact_match is not None
    assert evaluation.val_bleu is not None
    assert evaluation.val_exact_match >= 0.98
    assert evaluation.val_bleu >= 99
