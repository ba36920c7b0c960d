"""ASHA inside one variant: Ray's scheduler, fed by what lmtune knows of a trial.

Ray keys its rungs by its own trial ids and keeps them in memory only. Here they are keyed by
lmtune's ids, so that the curves in the records can fill them again.
"""

from __future__ import annotations

from dataclasses import dataclass

from ray.tune.schedulers import AsyncHyperBandScheduler, TrialScheduler

from lmtune.spec.result import Evaluation
from lmtune.spec.search import Asha
from lmtune.spec.sweep import Metric


@dataclass(frozen=True)
class _RungEntry:
    """What Ray's scheduler reads of a trial."""

    trial_id: str


class VariantAsha:
    """Decides, at each rung, whether a trial of one variant goes on.

    Source: Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning", the stopping
    variant as Ray implements it: a trial goes on if it is in the best 1/eta of those that reached
    the rung before it.

    Args:
        asha: the rungs.
        metric: compared at a rung.
        epochs: full budget; a trial that reached it is never stopped.
    """

    def __init__(self, asha: Asha, metric: Metric, epochs: int) -> None:
        self._metric = metric
        self._epochs = epochs
        self._known: set[str] = set()
        self._scheduler = AsyncHyperBandScheduler(
            time_attr="epoch",
            metric=metric.name,
            mode="min" if metric.goal == "minimize" else "max",
            max_t=epochs,
            grace_period=asha.min_iter,
            reduction_factor=asha.eta,
        )

    def keeps(self, trial_id: str, evaluation: Evaluation) -> bool:
        """Enter an evaluation; whether the trial should go on."""
        if evaluation.epoch >= self._epochs:
            return True
        entry = _RungEntry(trial_id)
        if trial_id not in self._known:
            self._known.add(trial_id)
            self._scheduler.on_trial_add(None, entry)
        result = {
            "epoch": evaluation.epoch,
            self._metric.name: getattr(evaluation, self._metric.name),
        }
        decision = self._scheduler.on_trial_result(None, entry, result)
        return bool(decision != TrialScheduler.STOP)
