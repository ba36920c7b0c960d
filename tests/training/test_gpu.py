"""Training on a CUDA device."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest
import torch

from lmtune.datasets import Dataset
from lmtune.errors import CheckpointError
from lmtune.training import CheckpointFolder, check_training, train
from tests.training.conftest import CurveOf, MakeTrial

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
DROPOUT = {"dropout": 0.2}


def test_train_on_a_gpu_ends_near_the_cpu(
    make_trial: MakeTrial, dataset: Dataset, model_type: str
) -> None:
    trial = make_trial(model_type, optimizer={"type": "sgd"})
    on_cpu = [e.val_loss for e in train(trial, dataset)]
    on_gpu = [e.val_loss for e in train(trial, dataset, device="cuda")]
    assert on_gpu == pytest.approx(on_cpu, rel=1e-3)


def test_train_in_bf16_on_a_gpu_ends_near_fp32(
    make_trial: MakeTrial, dataset: Dataset, model_type: str
) -> None:
    fp32 = make_trial(model_type)
    bf16 = make_trial(model_type, training={"precision": "bf16"})
    if check_training(bf16.config, "cuda", ""):
        pytest.skip("this GPU only emulates bf16")
    losses = [[e.val_loss for e in train(t, dataset, device="cuda")][-1] for t in (fp32, bf16)]
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)


def test_train_on_a_gpu_twice_gives_the_same_bits(
    make_trial: MakeTrial, dataset: Dataset, model_type: str, curve_of: CurveOf
) -> None:
    trial = make_trial(model_type, model=DROPOUT)
    first, second = (curve_of(train(trial, dataset, device="cuda")) for _ in range(2))
    assert first == second


def test_resume_on_a_gpu_gives_the_curve_of_an_uninterrupted_run(
    make_trial: MakeTrial, dataset: Dataset, model_type: str, curve_of: CurveOf, tmp_path: Path
) -> None:
    trial = make_trial(model_type, model=DROPOUT)
    whole = curve_of(train(trial, dataset, device="cuda"))
    folder = CheckpointFolder(tmp_path)
    first = curve_of(islice(train(trial, dataset, device="cuda", checkpoints=folder), 3))
    rest = curve_of(train(trial, dataset, device="cuda", checkpoints=folder))
    assert first[:2] + rest == whole


def test_train_on_a_gpu_leaves_the_global_generators_as_they_were(
    make_trial: MakeTrial, dataset: Dataset
) -> None:
    before = torch.cuda.get_rng_state(), torch.get_rng_state()
    list(train(make_trial(model=DROPOUT), dataset, device="cuda"))
    assert torch.equal(torch.cuda.get_rng_state(), before[0])
    assert torch.equal(torch.get_rng_state(), before[1])


def test_resume_on_another_kind_of_device_is_refused(
    make_trial: MakeTrial, dataset: Dataset, tmp_path: Path
) -> None:
    folder = CheckpointFolder(tmp_path)
    list(train(make_trial(), dataset, device="cuda", checkpoints=folder))
    with pytest.raises(CheckpointError, match="does not fit its model on cpu"):
        next(train(make_trial(), dataset, checkpoints=folder))
