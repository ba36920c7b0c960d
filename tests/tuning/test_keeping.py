"""Which checkpoints are left when trials have ended."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lmtune.records import ExperimentFolder
from lmtune.spec.result import Status
from lmtune.spec.sweep import Keep, Metric
from lmtune.spec.trial import Phase, TrialSpec
from lmtune.training import Checkpoint, CheckpointFolder, Progress
from lmtune.tuning.keeping import Keeper
from tests.tuning.simulation import evaluation, load


@pytest.fixture
def trial(tmp_path: Path) -> TrialSpec:
    variant = load(tmp_path).variants[0]
    return TrialSpec(
        variant="base", phase="tune", seed=0, config=variant.config, data_fingerprint="f"
    )


@pytest.fixture
def folder(tmp_path: Path) -> ExperimentFolder:
    return ExperimentFolder(tmp_path / "experiments" / "simulated")


class Ending:
    """Ends trials, by seed, and tells what is left of them."""

    def __init__(self, keep: Keep, trial: TrialSpec, folder: ExperimentFolder) -> None:
        self.trial = trial
        self.folder = folder
        self.keeper = Keeper(keep, Metric(), folder)

    def save(self, trial: TrialSpec) -> None:
        checkpoints = CheckpointFolder(self.folder.trial(trial.trial_id).checkpoints)
        for epoch in (1, 2):
            progress = Progress(epoch=epoch)
            tensors = {"weight": torch.zeros(2)}
            checkpoint = Checkpoint(trial.trial_id, progress, tensors, tensors)
            checkpoints.save(checkpoint, is_best=True)

    def end(
        self, seed: int, loss: float, status: Status = "completed", phase: Phase = "tune"
    ) -> None:
        trial = self.trial.model_copy(update={"seed": seed, "phase": phase})
        self.save(trial)
        self.keeper.ended(trial, status, [evaluation(1, loss)])

    @property
    def left(self) -> dict[int, set[str]]:
        found = {}
        for seed in range(9):
            trial_id = self.trial.model_copy(update={"seed": seed}).trial_id
            names = {path.name for path in self.folder.trial(trial_id).checkpoints.glob("*")}
            if names:
                found[seed] = names
        return found


@pytest.mark.parametrize(
    ("word", "kept"),
    [("best", {"best"}), ("last", {"last"}), ("all", {"best", "last"}), ("none", set())],
)
def test_checkpoints_when_a_trial_has_ended_are_those_asked_for(
    trial: TrialSpec, folder: ExperimentFolder, word: str, kept: set[str]
) -> None:
    ending = Ending(Keep.model_validate({"checkpoints": word}), trial, folder)
    ending.end(0, 1.0)
    ending.end(1, 1.0, "stopped")
    ending.end(2, 1.0, "diverged")
    assert ending.left == ({0: kept, 1: kept, 2: kept} if kept else {})


def test_losers_when_they_are_known_to_be_lose_their_weights_at_once(
    trial: TrialSpec, folder: ExperimentFolder
) -> None:
    ending = Ending(Keep(checkpoints="best", top_k=2), trial, folder)
    seen = []
    for seed, loss in enumerate([3.0, 1.0, 2.0, 4.0, 1.5]):
        ending.end(seed, loss)
        seen.append(set(ending.left))
    assert seen == [{0}, {0, 1}, {1, 2}, {1, 2}, {1, 4}]
    ending.end(5, 0.1, "stopped")
    ending.end(6, float("nan"), "diverged")
    assert set(ending.left) == {1, 4}


def test_confirm_trials_when_they_complete_go_before_tune_trials(
    trial: TrialSpec, folder: ExperimentFolder
) -> None:
    ending = Ending(Keep(top_k=2), trial, folder)
    ending.end(0, 1.0)
    ending.end(1, 2.0)
    ending.end(2, 5.0, phase="confirm")
    assert set(ending.left) == {0, 2}
    ending.end(3, 6.0, phase="confirm")
    assert set(ending.left) == {2, 3}


@pytest.mark.parametrize("word", ["best", "none"])
def test_trials_that_go_on_later_keep_all_that_they_have(
    trial: TrialSpec, folder: ExperimentFolder, word: str
) -> None:
    ending = Ending(Keep.model_validate({"checkpoints": word, "top_k": 1}), trial, folder)
    ending.end(0, 9.0, "failed")
    ending.end(1, 9.0, "interrupted")
    assert ending.left == {seed: {"best", "last", "last.old"} for seed in (0, 1)}
