"""Pairs in training and evaluation, on a reversal that is small enough to be learnt in seconds."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812 - the field's name

from lmtune.datasets import PairsDataset, prepare_dataset
from lmtune.models import build_model
from lmtune.spec.dataset import DatasetConfig
from lmtune.spec.trial import TrialConfig
from lmtune.training import CheckpointFolder, train
from lmtune.training.pairs_task import PairsTask
from tests.training.conftest import CurveOf, MakeTrial

PAIRS: dict[str, Any] = {
    "corpus": {"type": "reverse", "symbols": 4, "max_length": 5, "num_pairs": 600},
    "context_length": 16,
}
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> PairsDataset:
    config = DatasetConfig.model_validate(PAIRS)
    dataset = prepare_dataset(config, project=tmp_path_factory.mktemp("pairs"))
    assert isinstance(dataset, PairsDataset)
    return dataset


@pytest.fixture
def config(make_trial: MakeTrial, model_type: str) -> TrialConfig:
    return make_trial(model_type, dataset=PAIRS).config


def test_batch_of_pairs_holds_each_target_with_its_end(
    config: TrialConfig, pairs: PairsDataset
) -> None:
    task = PairsTask(config, pairs, seed=0, device=CPU)
    rows = task.batches.rows(3)
    batch = task.batch(3)
    expected = [
        token for row in rows for token in [*pairs.train.targets[row].tolist(), pairs.end_token]
    ]
    assert batch.pairs.targets_M.tolist() == expected
    assert batch.num_scored == len(expected)
    assert batch.num_read == len(expected) + sum(len(pairs.train.sources[row]) for row in rows)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_parts_of_a_batch_hold_the_same_tokens(
    config: TrialConfig, pairs: PairsDataset, count: int
) -> None:
    batch = PairsTask(config, pairs, seed=0, device=CPU).batch(0)
    parts = list(batch.parts(count))
    assert torch.equal(torch.cat([part.pairs.targets_M for part in parts]), batch.pairs.targets_M)
    assert sum(part.num_scored for part in parts) == batch.num_scored
    assert sum(part.num_read for part in parts) == batch.num_read


def test_evaluation_of_pairs_is_the_mean_over_all_target_tokens(
    config: TrialConfig, pairs: PairsDataset
) -> None:
    model = build_model(
        config.model,
        vocab_size=pairs.vocab_size,
        num_outputs=pairs.num_outputs,
        context_length=16,
        seed=0,
    ).eval()
    task = PairsTask(config, pairs, seed=0, device=CPU)
    scores = task.evaluate(model, "validation")
    nats, hits, count = 0.0, 0, 0
    with torch.inference_mode():
        for row in range(len(pairs.validation)):
            source_1S = torch.from_numpy(pairs.validation.sources[row].astype(np.int64))[None]
            logits_1O, stream = model.open_pair_stream(source_1S, pairs.start_token)
            for token in [*pairs.validation.targets[row].tolist(), pairs.end_token]:
                target_1 = torch.tensor([token])
                nats += F.cross_entropy(logits_1O, target_1).item()
                hits += int(logits_1O.argmax() == token)
                count += 1
                if token != pairs.end_token:
                    logits_1O, stream = model.step(target_1, stream)
    assert scores.num_tokens == count
    assert scores.loss == pytest.approx(nats / count, abs=1e-5)
    assert scores.accuracy == pytest.approx(hits / count, abs=1e-3)
    text_bytes = sum(len(text.encode()) for text in pairs.validation.target_texts)
    assert scores.bits_per_byte == pytest.approx(nats / math.log(2) / text_bytes, rel=1e-5)


def test_training_on_pairs_resumed_from_a_checkpoint_gives_the_same_bits(
    make_trial: MakeTrial,
    curve_of: CurveOf,
    pairs: PairsDataset,
    tmp_path: Path,
    model_type: str,
) -> None:
    trial = make_trial(
        model_type,
        dataset=PAIRS,
        model={"dropout": 0.1},
        training={"epochs": 3, "accumulation_steps": 2},
    )
    whole = curve_of(train(trial, pairs))
    checkpoints = CheckpointFolder(tmp_path)
    first = train(trial, pairs, checkpoints=checkpoints)
    start = curve_of([next(first), next(first)])
    rest = curve_of(train(trial, pairs, checkpoints=checkpoints))
    assert rest == whole[1:]
    assert start == whole[:2]


def test_generation_is_scored_after_the_last_epoch_alone_unless_asked(
    make_trial: MakeTrial, pairs: PairsDataset
) -> None:
    usual = list(train(make_trial("gpt", dataset=PAIRS, training={"epochs": 2}), pairs))
    assert [row.val_bleu is None for row in usual] == [True, False]
    assert usual[-1].val_exact_match is not None
    every = {"epochs": 2, "evaluate_generation": {"when": "every_epoch", "num_examples": 3}}
    rows = list(train(make_trial("gpt", dataset=PAIRS, training=every), pairs))
    assert [row.val_bleu is None for row in rows] == [False, False]
    off = {"epochs": 1, "evaluate_generation": False}
    (row,) = train(make_trial("gpt", dataset=PAIRS, training=off), pairs)
    assert row.val_bleu is None


def test_reversal_when_trained_is_written_without_fault(
    make_trial: MakeTrial, pairs: PairsDataset
) -> None:
    trial = make_trial(
        "transformer",
        dataset=PAIRS,
        model={"num_encoder_layers": 1, "num_decoder_layers": 1, "d_model": 32, "num_heads": 2},
        optimizer={"learning_rate": 5e-3},
        schedule={"warmup_steps": 20},
        training={"epochs": 1, "steps_per_epoch": 400, "batch_size": 32},
    )
    (evaluation,) = train(trial, pairs)
    assert evaluation.val_exact_match is not None
    assert evaluation.val_exact_match >= 0.9
