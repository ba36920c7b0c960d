"""Which checkpoints are left: those of losers go as soon as they are known to be losers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from lmtune.records import ExperimentFolder
from lmtune.spec.result import Evaluation, Status
from lmtune.spec.sweep import Keep, Metric
from lmtune.spec.trial import TrialSpec
from lmtune.training import CheckpointFolder, Kind

KEPT: Mapping[str, tuple[Kind, ...]] = {
    "best": ("best",),
    "last": ("last",),
    "all": ("last", "best"),
    "none": (),
}
"""What of a trial is kept, by the word in the sweep file."""

_GO_ON: frozenset[Status] = frozenset({"failed", "interrupted"})

_Rank = tuple[bool, float]
"""Whether it is a tune trial, and its value, lower being better."""


class Keeper:
    """Deletes the checkpoints that a sweep does not ask to keep.

    Args:
        keep: which it does.
        metric: ranks trials.
        folder: the experiment.
    """

    def __init__(self, keep: Keep, metric: Metric, folder: ExperimentFolder) -> None:
        self._kinds = KEPT[keep.checkpoints]
        self._top_k = keep.top_k
        self._metric = metric
        self._folder = folder
        self._ranks: dict[str, _Rank] = {}

    def ended(self, trial: TrialSpec, status: Status, curve: Sequence[Evaluation]) -> None:
        """Take in how a trial ended; one that goes on later keeps all that it has."""
        if status in _GO_ON:
            return
        if self._top_k is not None:
            self._rank(trial, status, curve)
            if trial.trial_id not in self._ranks:
                self._checkpoints(trial.trial_id).discard()
                return
        self._checkpoints(trial.trial_id).keep_only(self._kinds)

    def _rank(self, trial: TrialSpec, status: Status, curve: Sequence[Evaluation]) -> None:
        """Enter a trial, if it is one of the best, and push out the worst for it."""
        value = getattr(curve[-1], self._metric.name) if curve else None
        if status != "completed" or value is None or not math.isfinite(value):
            return
        sign = 1 if self._metric.goal == "minimize" else -1
        rank = (trial.phase == "tune", sign * float(value))
        self._ranks[trial.trial_id] = min(rank, self._ranks.get(trial.trial_id, rank))
        if self._top_k is not None and len(self._ranks) > self._top_k:
            worst = max(self._ranks, key=lambda trial_id: self._ranks[trial_id])
            del self._ranks[worst]
            self._checkpoints(worst).discard()

    def _checkpoints(self, trial_id: str) -> CheckpointFolder:
        return CheckpointFolder(self._folder.trial(trial_id).checkpoints)
