"""Checkpoints inside an epoch: a run that goes on from one has the bits of one that was not cut."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from lmtune.datasets import Dataset
from lmtune.training import Checkpoint, CheckpointFolder, train
from tests.training.conftest import CurveOf, MakeTrial


class KilledError(Exception):
    """The process is gone."""


class DyingFolder(CheckpointFolder):
    """Lets so many checkpoints be written, and "dies" after the last of them."""

    def __init__(self, path: Path, lives: int) -> None:
        super().__init__(path)
        self.lives = lives
        self.steps: list[int] = []

    def save(self, checkpoint: Checkpoint, *, is_best: bool) -> None:
        super().save(checkpoint, is_best=is_best)
        self.steps.append(checkpoint.progress.step)
        if len(self.steps) == self.lives:
            raise KilledError


EVERY_STEP = {"checkpoint_every": 1e-9}


def test_checkpoints_inside_epochs_are_written_when_their_time_has_come(
    make_trial: MakeTrial, dataset: Dataset, tmp_path: Path
) -> None:
    folder = DyingFolder(tmp_path, lives=99)
    list(train(make_trial(training=EVERY_STEP), dataset, checkpoints=folder))
    assert folder.steps == list(range(1, 13))  # of which 3, 6, 9 and 12 are ends of epochs
    rarely = DyingFolder(tmp_path / "rarely", lives=99)
    list(train(make_trial(training={"checkpoint_every": 1e6}), dataset, checkpoints=rarely))
    assert rarely.steps == [3, 6, 9, 12]


@pytest.mark.parametrize("lives", range(1, 12))
def test_resume_inside_an_epoch_gives_the_bits_of_an_uninterrupted_run(
    make_trial: MakeTrial, dataset: Dataset, curve_of: CurveOf, tmp_path: Path, lives: int
) -> None:
    trial = make_trial(seed=3, model={"dropout": 0.2}, training=EVERY_STEP)
    plain = make_trial(seed=3, model={"dropout": 0.2})
    whole = CheckpointFolder(tmp_path / "whole")
    expected = curve_of(train(plain, dataset, checkpoints=whole))

    folder = DyingFolder(tmp_path / "cut", lives)
    seen: list[dict[str, Any]] = []
    with suppress(KilledError):
        for evaluation in train(trial, dataset, checkpoints=folder):
            seen += curve_of([evaluation])
    assert len(folder.steps) == lives
    torch.rand(7)  # the state of the global generator must not matter
    cut = CheckpointFolder(tmp_path / "cut")
    assert cut.epochs_done == lives // 3
    seen = seen[: cut.epochs_done] + curve_of(train(trial, dataset, checkpoints=cut))
    assert seen == expected
    ours, theirs = cut.load(trial.trial_id), whole.load(plain.trial_id)
    assert ours is not None
    assert theirs is not None
    assert all(torch.equal(ours.weights[name], theirs.weights[name]) for name in theirs.weights)
    assert all(torch.equal(ours.tensors[name], theirs.tensors[name]) for name in theirs.tensors)


def test_trial_id_does_not_depend_on_when_checkpoints_are_written(make_trial: MakeTrial) -> None:
    ids = {make_trial(training={"checkpoint_every": each}).trial_id for each in (None, 1.0, "5m")}
    assert ids == {make_trial().trial_id}


def test_parts_of_a_batch_when_cut_further_give_the_same_step_but_for_rounding(
    make_trial: MakeTrial, dataset: Dataset
) -> None:
    trial = make_trial()
    whole = [row.val_loss for row in train(trial, dataset)]
    for parts in (2, 4):
        assert [row.val_loss for row in train(trial, dataset, parts=parts)] == pytest.approx(
            whole, rel=1e-4
        )


def test_checkpoint_that_is_altered_is_given_up_for_the_one_before(
    make_trial: MakeTrial, dataset: Dataset, curve_of: CurveOf, tmp_path: Path
) -> None:
    trial = make_trial()
    folder = CheckpointFolder(tmp_path)
    expected = curve_of(train(trial, dataset, checkpoints=folder))
    spoilt = tmp_path / "last" / "state.safetensors"
    spoilt.write_bytes(spoilt.read_bytes()[:-1])
    (word,) = folder.go_back(trial.trial_id, 4)
    assert str(spoilt) in word
    assert "altered" in word
    assert folder.epochs_done == 3
    assert curve_of(train(trial, dataset, checkpoints=folder)) == expected[3:]


@pytest.mark.parametrize(("known", "left"), [(4, 4), (3, 3), (2, 0)])
def test_checkpoint_of_more_epochs_than_are_known_is_given_up(
    make_trial: MakeTrial, dataset: Dataset, tmp_path: Path, known: int, left: int
) -> None:
    trial = make_trial()
    folder = CheckpointFolder(tmp_path)
    list(train(trial, dataset, checkpoints=folder))
    assert folder.go_back(trial.trial_id, known) == []
    assert folder.epochs_done == left
    assert (tmp_path / "best").exists() == (left > 0)


def test_checkpoints_that_are_all_altered_are_given_up(
    make_trial: MakeTrial, dataset: Dataset, tmp_path: Path
) -> None:
    trial = make_trial()
    folder = CheckpointFolder(tmp_path)
    list(train(trial, dataset, checkpoints=folder))
    for name in ("last", "last.old"):
        (tmp_path / name / "state.json").write_text("{}")
    assert len(folder.go_back(trial.trial_id, 4)) == 2
    assert folder.load(trial.trial_id) is None
