"""What runs in a worker: one trial at a time, in a process that is used again for the next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ray
import torch
from ray import tune

from lmtune.datasets import open_dataset
from lmtune.errors import TrialDiverged
from lmtune.spec.trial import TrialSpec
from lmtune.training import CheckpointFolder, train

DIVERGED = "diverged"
"""Key of the message in the last report of a trial whose loss became non-finite."""


def work_order(
    trial: TrialSpec, *, dataset: Path, checkpoints: Path, num_threads: int
) -> dict[str, Any]:
    """What a worker is told about a trial: text and paths only, as Tune keeps copies of it.

    Args:
        trial: to be trained.
        dataset: folder of the prepared token arrays, seen by every node.
        checkpoints: the trial's folder for them, seen by every node.
        num_threads: for torch, one for each CPU of the trial.
    """
    return {
        "trial": trial.model_dump_json(),
        "name": f"{trial.variant} {trial.phase} seed={trial.seed} {trial.trial_id}",
        "dataset": str(dataset),
        "checkpoints": str(checkpoints),
        "num_threads": num_threads,
    }


def train_trial(config: dict[str, Any]) -> None:
    """Train the trial of a work order and report each evaluation to Tune.

    The last report of a trial that diverged holds the key `DIVERGED` in place of an evaluation.
    """
    torch.set_num_threads(config["num_threads"])
    trial = TrialSpec.model_validate_json(config["trial"])
    device = "cuda" if ray.get_gpu_ids() else "cpu"
    evaluations = train(
        trial,
        open_dataset(Path(config["dataset"])),
        device=device,
        checkpoints=CheckpointFolder(Path(config["checkpoints"])),
    )
    _show(config["name"])
    try:
        for evaluation in evaluations:
            tune.report(evaluation.model_dump())
            _show(config["name"])
    except TrialDiverged as error:
        tune.report({DIVERGED: str(error)})


def _show(name: str) -> None:
    """Name the trial where the Ray dashboard and `ps` list processes.

    Ray names a process after the actor method that it runs, anew at each report. It keeps the
    title in memory of its own, so a library for titles would change nothing.
    """
    ray._raylet.setproctitle(f"ray::lmtune {name}")  # noqa: SLF001
