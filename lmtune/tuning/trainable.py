"""What runs in a worker: one trial at a time, in a process that is used again for the next."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import ray
import torch
from ray import tune

from lmtune.datasets import open_dataset
from lmtune.errors import TrialDiverged
from lmtune.machine import is_disk_full
from lmtune.spec.trial import TrialSpec
from lmtune.training import CheckpointFolder, train

DIVERGED = "diverged"
"""Key of the message in the last report of a trial whose loss became non-finite."""

OUT_OF_MEMORY = "out_of_memory"
"""Key of the traceback in the last report of a trial that did not fit into memory."""

DISK_FULL = "disk_full"
"""Key of the number and the text of the error in the last report of a trial that could not save."""

_HOST_OUT_OF_MEMORY = "DefaultCPUAllocator: can't allocate memory"


def work_order(
    trial: TrialSpec, *, dataset: Path, checkpoints: Path, num_threads: int, parts: int
) -> dict[str, Any]:
    """What a worker is told about a trial: text and paths only, as Tune keeps copies of it.

    Args:
        trial: to be trained.
        dataset: folder of the prepared token arrays, seen by every node.
        checkpoints: the trial's folder for them, seen by every node.
        num_threads: for torch, one for each CPU of the trial.
        parts: that each part of a batch is cut into, since it did not fit into memory.
    """
    return {
        "trial": trial.model_dump_json(),
        "name": f"{trial.variant} {trial.phase} seed={trial.seed} {trial.trial_id}",
        "dataset": str(dataset),
        "checkpoints": str(checkpoints),
        "num_threads": num_threads,
        "parts": parts,
    }


def train_trial(config: dict[str, Any]) -> None:
    """Train the trial of a work order and report each evaluation to Tune.

    The last report of a trial that could not be trained to its end, for a reason that has a key
    above, holds that key in place of an evaluation.
    """
    torch.set_num_threads(config["num_threads"])
    trial = TrialSpec.model_validate_json(config["trial"])
    device = "cuda" if ray.get_gpu_ids() else "cpu"
    evaluations = train(
        trial,
        open_dataset(Path(config["dataset"])),
        device=device,
        checkpoints=CheckpointFolder(Path(config["checkpoints"])),
        parts=config["parts"],
    )
    _show(config["name"])
    try:
        for evaluation in evaluations:
            tune.report(evaluation.model_dump())
            _show(config["name"])
    except TrialDiverged as error:
        tune.report({DIVERGED: str(error)})
    except OSError as error:
        if not is_disk_full(error):
            raise
        tune.report({DISK_FULL: [error.errno, error.strerror]})
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        message = traceback.format_exc()
        del error, evaluations  # and with them what fills the memory
        if device == "cuda":
            torch.cuda.empty_cache()  # the process is used again
        tune.report({OUT_OF_MEMORY: message})


def _is_out_of_memory(error: Exception) -> bool:
    """Whether there was too little memory; torch raises a plain RuntimeError on a CPU."""
    known = isinstance(error, torch.OutOfMemoryError | MemoryError)
    return known or _HOST_OUT_OF_MEMORY in str(error)


def _show(name: str) -> None:
    """Name the trial where the Ray dashboard and `ps` list processes.

    Ray names a process after the actor method that it runs, anew at each report. It keeps the
    title in memory of its own, so a library for titles would change nothing.
    """
    ray._raylet.setproctitle(f"ray::lmtune {name}")  # noqa: SLF001
