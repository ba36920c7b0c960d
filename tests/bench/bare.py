"""`python -m tests.bench.bare DATASET TRIALS`: train trials one after the other, and no more.

What someone runs who has no sweep system: no records, no checkpoints, no tracking.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from lmtune.datasets import Dataset
from lmtune.datasets.dataset import open_text
from lmtune.spec.trial import TrialSpec
from lmtune.training import train


def last_loss(trial: TrialSpec, dataset: Dataset) -> float:
    """The validation loss of a trial, trained now."""
    *_, last = train(trial, dataset)
    return last.val_loss


def main(dataset_folder: Path, trials_json: Path) -> None:
    """Train the trials of a JSON list and print their losses by trial id."""
    torch.set_num_threads(1)
    dataset = open_text(dataset_folder)
    trials = [TrialSpec.model_validate_json(text) for text in json.loads(trials_json.read_text())]
    print(json.dumps({trial.trial_id: last_loss(trial, dataset) for trial in trials}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
