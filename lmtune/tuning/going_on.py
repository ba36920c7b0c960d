"""From where a trial goes on that an accident interrupted."""

from __future__ import annotations

from collections.abc import Callable

from lmtune.records import TrialFolder
from lmtune.training import CheckpointFolder


def usable_epochs(recorded: TrialFolder, num_rows: int, say: Callable[[str], None]) -> int:
    """Epochs that a trial can go on from; checkpoints that it cannot go on from are deleted.

    A trial repeats to the bit, so one whose curve did not reach the disk, or whose checkpoints did
    not survive, is trained again from the start.

    Args:
        recorded: the trial.
        num_rows: of its curve.
        say: told of what was found spoilt.
    """
    checkpoints = CheckpointFolder(recorded.checkpoints)
    for word in checkpoints.go_back(recorded.trial_id, num_rows):
        say(word)
    return checkpoints.epochs_done
