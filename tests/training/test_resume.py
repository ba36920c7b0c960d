"""A trial that was interrupted and resumed has bitwise the numbers of one that was not."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from lmtune.datasets import Dataset
from lmtune.errors import CheckpointError
from lmtune.spec.trial import TrialSpec
from lmtune.training import Checkpoint, CheckpointFolder, train
from tests.training.conftest import MODEL_TYPES, Curve, CurveOf, MakeTrial

RESUME = """
import json, sys
from pathlib import Path
import torch
from lmtune.datasets import open_dataset
from lmtune.spec.trial import TrialSpec
from lmtune.training import CheckpointFolder, train

dataset = open_dataset(Path(sys.argv[1]))
torch.set_num_threads(int(sys.argv[2]))
curves = {}
for folder in map(Path, sys.argv[3:]):
    torch.rand(7)  # the state of the global generator must not matter
    trial = TrialSpec.model_validate_json((folder / "spec.json").read_text())
    curves[folder.name] = [
        evaluation.model_dump(exclude={"elapsed_s"})
        for evaluation in train(trial, dataset, checkpoints=CheckpointFolder(folder))
    ]
print(json.dumps(curves))
"""


class Runs:
    """Each model type trained at one go and in two processes: curves and checkpoint folders."""

    def __init__(self) -> None:
        self.trials: dict[str, TrialSpec] = {}
        self.whole: dict[str, tuple[Curve, CheckpointFolder]] = {}
        self.halved: dict[str, tuple[Curve, CheckpointFolder]] = {}


@pytest.fixture(scope="module")
def runs(
    dataset: Dataset,
    make_trial: MakeTrial,
    curve_of: CurveOf,
    tmp_path_factory: pytest.TempPathFactory,
) -> Runs:
    runs = Runs()
    project = tmp_path_factory.mktemp("resume")
    folders = []
    for name in MODEL_TYPES:
        trial = make_trial(name, seed=3, model={"dropout": 0.2})
        whole = CheckpointFolder(project / "whole" / name)
        halved = CheckpointFolder(project / "halved" / name)
        runs.trials[name] = trial
        runs.whole[name] = curve_of(train(trial, dataset, checkpoints=whole)), whole
        # The third epoch is trained but its checkpoint is not written: as if killed in between.
        first_half = curve_of(islice(train(trial, dataset, checkpoints=halved), 3))[:2]
        runs.halved[name] = first_half, halved
        (halved.path / "spec.json").write_text(trial.model_dump_json())
        folders.append(str(halved.path))
    arguments = [str(dataset.folder), str(torch.get_num_threads()), *folders]
    process = subprocess.run(
        [sys.executable, "-c", RESUME, *arguments], check=True, capture_output=True, text=True
    )
    second_halves: dict[str, list[dict[str, Any]]] = json.loads(process.stdout)
    for name, second_half in second_halves.items():
        first_half, folder = runs.halved[name]
        runs.halved[name] = first_half + second_half, folder
    return runs


def load(runs: Runs, folder: CheckpointFolder, model_type: str) -> Checkpoint:
    checkpoint = folder.load(runs.trials[model_type].trial_id)
    assert checkpoint is not None
    return checkpoint


def test_resume_in_another_process_gives_the_curve_of_an_uninterrupted_run(
    runs: Runs, model_type: str
) -> None:
    whole, _ = runs.whole[model_type]
    halved, _ = runs.halved[model_type]
    assert [row["epoch"] for row in halved] == [1, 2, 3, 4]
    assert halved == whole


def test_resume_in_another_process_ends_with_the_same_bits(runs: Runs, model_type: str) -> None:
    whole = load(runs, runs.whole[model_type][1], model_type)
    halved = load(runs, runs.halved[model_type][1], model_type)
    for ours, theirs in ((halved.weights, whole.weights), (halved.tensors, whole.tensors)):
        assert ours.keys() == theirs.keys()
        assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []
    without_time = {"elapsed_s"}
    assert halved.progress.model_dump(exclude=without_time) == whole.progress.model_dump(
        exclude=without_time
    )


def test_resume_adds_up_the_time_of_both_halves(runs: Runs, model_type: str) -> None:
    curve, folder = runs.halved[model_type]
    assert len(curve) == 4
    assert load(runs, folder, model_type).progress.elapsed_s > 0


def test_resume_keeps_the_same_best_weights(runs: Runs, model_type: str) -> None:
    trial_id = runs.trials[model_type].trial_id
    whole = runs.whole[model_type][1].load_weights("best", trial_id)
    halved = runs.halved[model_type][1].load_weights("best", trial_id)
    assert all(torch.equal(whole[name], halved[name]) for name in whole)


def test_resume_of_a_finished_trial_yields_nothing(runs: Runs, dataset: Dataset) -> None:
    _, folder = runs.whole["gpt"]
    assert folder.epochs_done == 4
    assert list(train(runs.trials["gpt"], dataset, checkpoints=folder)) == []


@pytest.mark.parametrize("optimizer", [{"type": "sgd"}, {"type": "sgd", "momentum": 0.0}])
def test_resume_with_sgd_gives_the_curve_of_an_uninterrupted_run(
    make_trial: MakeTrial,
    dataset: Dataset,
    curve_of: CurveOf,
    tmp_path: Path,
    optimizer: dict[str, Any],
) -> None:
    trial = make_trial(optimizer=optimizer)
    whole = curve_of(train(trial, dataset))
    folder = CheckpointFolder(tmp_path)
    first = curve_of(islice(train(trial, dataset, checkpoints=folder), 3))
    assert first[:2] + curve_of(train(trial, dataset, checkpoints=folder)) == whole


def test_resume_from_another_trials_checkpoint_is_refused(
    make_trial: MakeTrial, dataset: Dataset, tmp_path: Path
) -> None:
    folder = CheckpointFolder(tmp_path)
    list(train(make_trial(seed=0), dataset, checkpoints=folder))
    with pytest.raises(CheckpointError, match="is of trial"):
        next(train(make_trial(seed=1), dataset, checkpoints=folder))


@pytest.mark.parametrize(
    ("section", "name"), [("tensors", "dropout.cpu"), ("weights", "embedding.weight")]
)
def test_resume_from_a_checkpoint_with_other_tensors_is_refused_with_a_fix(
    make_trial: MakeTrial, dataset: Dataset, tmp_path: Path, section: str, name: str
) -> None:
    """As one from another kind of device, or from a version with another model, would have."""
    trial = make_trial()
    folder = CheckpointFolder(tmp_path)
    list(train(trial, dataset, checkpoints=folder))
    checkpoint = folder.load(trial.trial_id)
    assert checkpoint is not None
    del getattr(checkpoint, section)[name]
    folder.save(checkpoint, is_best=False)
    with pytest.raises(CheckpointError, match=rf"does not fit its model on cpu:(.|\n)*{name}") as e:
        next(train(trial, dataset, checkpoints=folder))
    assert str(e.value).splitlines()[-1].startswith("  Fix: ")
