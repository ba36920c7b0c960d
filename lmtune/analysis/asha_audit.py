"""Whether early stopping could be trusted, and what it saved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lmtune.analysis.confirmed import metric_value
from lmtune.analysis.experiment import Experiment
from lmtune.records import TrialRecord
from lmtune.spec.search import asha_rungs

MIN_TRIALS = 4
"""Fewer trials in common say nothing of an order."""


@dataclass(frozen=True)
class Rung:
    """How well a rung of one variant foretold the final order.

    Attributes:
        variant: its name.
        epoch: of the rung.
        num_trials: that finished, and so have both values.
        correlation: Spearman's, of the rung with the final value; None under `MIN_TRIALS`.
    """

    variant: str
    epoch: int
    num_trials: int
    correlation: float | None


@dataclass(frozen=True)
class Saving:
    """What stopping saved of a variant's search, in FLOPs of training.

    Attributes:
        variant: its name.
        num_stopped: trials.
        spent: by all of its tune trials.
        without: what they would have spent had none been stopped.
    """

    variant: str
    num_stopped: int
    spent: float
    without: float

    @property
    def share(self) -> float:
        """Saved, of what it would have been."""
        return 1 - self.spent / self.without if self.without else 0.0


def rungs(experiment: Experiment) -> list[Rung]:
    """The rungs of each variant, from the trials that finished."""
    asha = experiment.sweep.early_terminate
    if asha is None:
        return []
    return [
        _rung(experiment, each.variant.name, epoch)
        for each in experiment.searched
        for epoch in asha_rungs(asha, each.variant.config.training.epochs)
    ]


def _rung(experiment: Experiment, variant: str, epoch: int) -> Rung:
    pairs = []
    for record, final in experiment.completed_values(variant):
        at_rung = [row for row in record.curve if row.epoch == epoch]
        value = metric_value(at_rung[0], experiment.metric) if at_rung else None
        if value is not None:
            pairs.append((value, final))
    return Rung(variant, epoch, len(pairs), _spearman(pairs))


def _spearman(pairs: Sequence[tuple[float, float]]) -> float | None:
    first, second = {x for x, _ in pairs}, {y for _, y in pairs}
    if len(pairs) < MIN_TRIALS or len(first) < 2 or len(second) < 2:
        return None
    from scipy.stats import spearmanr  # deferred: half a second that a sweep's start need not wait

    return float(spearmanr([x for x, _ in pairs], [y for _, y in pairs]).statistic)


def savings(experiment: Experiment) -> list[Saving]:
    """What stopping saved, by variant; a trial that diverged or failed would not have gone on."""
    return [
        _saving(experiment, each.variant.name)
        for each in experiment.searched
        if experiment.sweep.early_terminate is not None
    ]


def _saving(experiment: Experiment, variant: str) -> Saving:
    stopped = experiment.tuned(variant, "stopped")
    others = [
        record
        for record in experiment.records
        if record.spec.variant == variant
        and record.spec.phase == "tune"
        and record.status != "stopped"
    ]
    spent = sum(map(_flops, [*stopped, *others]))
    return Saving(
        variant, len(stopped), spent, sum(map(_flops_in_full, stopped)) + sum(map(_flops, others))
    )


def _flops(record: TrialRecord) -> float:
    tokens = record.last.train_tokens if record.last else 0
    return float(tokens * record.facts.flops_per_token)


def _flops_in_full(record: TrialRecord) -> float:
    epochs_done = record.last.epoch if record.last else 0
    return _flops(record) * record.facts.epochs / epochs_done if epochs_done else 0.0
