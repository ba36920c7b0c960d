"""The best confirmed model as a folder that needs nothing beside it: no data, no other records.

It holds what the trial was (`spec.json`), its weights (`checkpoints/last/`), and the vocabulary
that it reads and writes by (`dataset/meta.json`).
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from lmtune.datasets import open_vocabulary
from lmtune.errors import LmtuneError
from lmtune.records import ExperimentFolder, TrialFolder
from lmtune.trained_trial import TrainedTrial, recorded_dataset
from lmtune.training import CheckpointFolder, load_trained_model

if TYPE_CHECKING:  # the type alone: a model is served without scipy
    from lmtune.analysis.experiment import Experiment

_CHECKPOINT_FILES = ("model.safetensors", "state.json")


def keep_model(experiment: Experiment) -> None:
    """Keep the model of the best confirmed trial in the experiment's `model/`.

    Where its checkpoint or its data is not there any more, what was kept before stays.
    """
    best, folder = experiment.summary.best, experiment.folder
    if best is None or _trial_id(folder.model) == best.trial_id:
        return
    record = next(each for each in experiment.records if each.spec.trial_id == best.trial_id)
    trial = folder.trial(best.trial_id)
    try:
        dataset = recorded_dataset(record, project=folder.path.resolve().parent.parent)
        checkpoints = CheckpointFolder(trial.checkpoints)
        load_trained_model(record.spec, dataset, checkpoints, "last")  # it is whole, and loads
    except LmtuneError:
        return
    made = folder.model.with_name("model.new")
    shutil.rmtree(made, ignore_errors=True)
    last = made / "checkpoints" / "last"
    last.mkdir(parents=True)
    for name in _CHECKPOINT_FILES:
        shutil.copyfile(trial.checkpoints / "last" / name, last / name)
    (made / "dataset").mkdir()
    shutil.copyfile(dataset.folder / "meta.json", made / "dataset" / "meta.json")
    shutil.copyfile(trial.spec_json, made / trial.spec_json.name)
    shutil.rmtree(folder.model, ignore_errors=True)
    made.rename(folder.model)


def open_model(folder: Path) -> TrainedTrial:
    """Load what `keep_model` wrote, from wherever it is now.

    Raises:
        LmtuneError: it is not whole.
    """
    record = TrialFolder(folder).read()
    dataset = open_vocabulary(folder / "dataset")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    checkpoints = CheckpointFolder(folder / "checkpoints")
    model = load_trained_model(record.spec, dataset, checkpoints, "last", device=device)
    return TrainedTrial(ExperimentFolder(folder), record, dataset, model, device)


def _trial_id(folder: Path) -> str | None:
    """Of the trial whose model lies there."""
    try:
        return TrialFolder(folder).read_spec().trial_id
    except (FileNotFoundError, LmtuneError):
        return None
