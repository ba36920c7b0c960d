"""A trial that was trained, found in an experiment folder: what `generate` and `evaluate` open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from lmtune.datasets import Dataset, PairsDataset, PreparedDatasets
from lmtune.errors import DataError, Problem, UserError
from lmtune.models import LanguageModel
from lmtune.records import ExperimentFolder, TrialRecord
from lmtune.training import CheckpointFolder, Kind, load_trained_model


@dataclass(frozen=True)
class TrainedTrial:
    """A trial with its data and its model.

    Attributes:
        folder: the experiment.
        record: what is known of the trial.
        dataset: what it was trained on.
        model: on `device`, in evaluation mode.
        device: cuda where there is a GPU, else cpu.
    """

    folder: ExperimentFolder
    record: TrialRecord
    dataset: Dataset | PairsDataset
    model: LanguageModel
    device: torch.device


def open_trained_trial(experiment: Path, trial_id: str | None, kind: Kind) -> TrainedTrial:
    """Find a trial, prepare its data as it was, and load its model.

    Args:
        experiment: `experiments/<name>` of a project.
        trial_id: the trial, or the beginning of its id; None for the best confirmed trial.
        kind: the checkpoint.

    Raises:
        UserError: there is no such trial, or its data is not there any more.
        CheckpointError: its checkpoint is not there or not whole.
    """
    folder = ExperimentFolder(experiment)
    record = _best(folder) if trial_id is None else _named(folder, trial_id)
    return open_recorded_trial(folder, record, kind)


def open_recorded_trial(folder: ExperimentFolder, record: TrialRecord, kind: Kind) -> TrainedTrial:
    """Prepare a trial's data as it was, and load its model.

    Args:
        folder: of the trial's experiment.
        record: the trial.
        kind: the checkpoint.

    Raises:
        UserError: its data is not there any more.
        CheckpointError: its checkpoint is not there or not whole.
    """
    dataset = recorded_dataset(record, project=folder.path.resolve().parent.parent)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    checkpoints = CheckpointFolder(folder.trial(record.spec.trial_id).checkpoints)
    model = load_trained_model(record.spec, dataset, checkpoints, kind, device=device)
    return TrainedTrial(folder, record, dataset, model, device)


def _best(folder: ExperimentFolder) -> TrialRecord:
    from lmtune.analysis import summarize  # deferred: a model is served without scipy

    best = summarize(folder).best
    if best is None:
        raise UserError(
            Problem(
                str(folder.path),
                "no confirm trial has completed yet",
                "the folder of a sweep that has confirmed trials",
                "let the sweep run on, or name a trial: --trial ID",
            )
        )
    return _named(folder, best.trial_id)


def _named(folder: ExperimentFolder, trial_id: str) -> TrialRecord:
    records = folder.read_trials()
    found = [record for record in records if record.spec.trial_id.startswith(trial_id)]
    if len({record.spec.trial_id for record in found}) == 1:
        return found[0]
    ids = [record.spec.trial_id for record in found or records]
    raise UserError(
        Problem(
            str(folder.path),
            f"{len(found)} trials have an id that begins with `{trial_id}`"
            if found
            else f"there is no trial `{trial_id}`",
            f"one of {_some(ids)}",
            f"take an id from {folder.trials_csv}",
        )
    )


def _some(ids: Sequence[str], most: int = 5) -> str:
    more = f" and {len(ids) - most} more" if len(ids) > most else ""
    return ", ".join(ids[:most]) + more if ids else "the trials of a sweep that was started"


def recorded_dataset(record: TrialRecord, project: Path) -> Dataset | PairsDataset:
    """The data of a trial, prepared as it was.

    Raises:
        UserError: it is not there any more, or is other data now.
    """
    config = record.spec.config.dataset
    where = f"trial {record.spec.trial_id}: dataset"
    dataset = PreparedDatasets(project).get(config, where=where)
    if dataset.fingerprint != record.spec.data_fingerprint:
        raise DataError(
            Problem(
                f"{where}.corpus",
                "the data is not what the trial was trained on: its fingerprint is "
                f"{dataset.fingerprint[:12]}, and was {record.spec.data_fingerprint[:12]}",
                "the same text as then",
                "restore the files, or run the sweep again on the new ones",
            )
        )
    return dataset
