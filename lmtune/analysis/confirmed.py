"""The configurations that the confirm phase tried, and which of them speaks for a variant."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lmtune.analysis.statistics import Estimate, estimate
from lmtune.records import TrialRecord
from lmtune.spec.result import Evaluation, TrialFacts
from lmtune.spec.sweep import Metric
from lmtune.spec.trial import Scalar, TrialConfig


@dataclass(frozen=True)
class Configuration:
    """One configuration of a variant and what its confirm trials, one a seed, came to.

    Attributes:
        config: complete.
        parameters: the searched values in it, by dotted path.
        facts: its size.
        trials: its confirm trials, by seed.
        values: the metric at the last epoch of the completed ones, by seed.
        confirm: their mean.
        best_values: the metric of their best checkpoints, those of the lowest val_loss, by seed.
    """

    config: TrialConfig
    parameters: dict[str, Scalar]
    facts: TrialFacts
    trials: tuple[TrialRecord, ...]
    values: dict[int, float]
    confirm: Estimate
    best_values: dict[int, float]

    @property
    def at_best(self) -> Estimate:
        """The mean over the best checkpoints."""
        return estimate(list(self.best_values.values()))

    @property
    def tokens_per_second(self) -> float | None:
        """Of training with its evaluations, the mean over the completed trials."""
        ends = [trial.last for trial in self.trials if trial.status == "completed"]
        rates = [end.train_tokens / end.elapsed_s for end in ends if end and end.elapsed_s > 0]
        return estimate(rates).mean if rates else None

    def mean(self, name: str) -> float | None:
        """The mean of a number of `Evaluation` at the last epoch; None where it was not measured.

        As `confirm`, over completed trials and finite values alone.
        """
        values = [value for _, value in _values(self.trials, name)]
        return estimate(values).mean if values else None


@dataclass(frozen=True)
class BestTrial:
    """The best of all completed confirm trials."""

    trial_id: str
    variant: str
    value: float


def _values(records: Iterable[TrialRecord], name: str) -> list[tuple[TrialRecord, float]]:
    """The completed trials whose last evaluation has a finite number of some name, with it."""
    completed = [record for record in records if record.status == "completed"]
    found = [(record, metric_value(record.last, name)) for record in completed]
    return [(record, value) for record, value in found if value is not None]


def metric_value(evaluation: Evaluation | None, name: str) -> float | None:
    """A number of an evaluation; None where there is none, or none that is finite."""
    value = getattr(evaluation, name, None)
    return float(value) if value is not None and math.isfinite(value) else None


def rank(confirm: Estimate, metric: Metric) -> tuple[int, float]:
    """Sort key, the best first.

    More seeds come first: to leave out seeds that diverged, or that have not run yet, must not
    make a mean look better.
    """
    if confirm.n == 0:
        return (0, 0.0)
    return (-confirm.n, confirm.mean if metric.goal == "minimize" else -confirm.mean)


def configuration_key(record: TrialRecord) -> tuple[str, str]:
    """What trials that differ by their seeds alone have in common."""
    content = json.dumps(record.spec.config.content(), sort_keys=True)
    return content, record.spec.data_fingerprint


def configurations(records: Iterable[TrialRecord], metric: Metric) -> list[Configuration]:
    """The configurations that have confirm trials, best first."""
    groups: defaultdict[tuple[str, str], list[TrialRecord]] = defaultdict(list)
    for record in records:
        if record.spec.phase == "confirm":
            groups[configuration_key(record)].append(record)
    found = [_configuration(group, metric) for group in groups.values()]
    return sorted(found, key=lambda configuration: rank(configuration.confirm, metric))


def _configuration(group: Sequence[TrialRecord], metric: Metric) -> Configuration:
    values = {record.spec.seed: value for record, value in _values(group, metric.name)}
    best = {record.spec.seed: metric_value(record.best, metric.name) for record in group}
    return Configuration(
        config=group[0].spec.config,
        parameters=group[0].spec.parameters,
        facts=group[0].facts,
        trials=tuple(group),
        values=values,
        confirm=estimate(list(values.values())),
        best_values={seed: value for seed in values if (value := best[seed]) is not None},
    )


def tuned_value(
    configuration: Configuration | None, records: Iterable[TrialRecord], metric: Metric
) -> float | None:
    """The metric that the search saw at a configuration; None where there is none or no search."""
    if configuration is None:
        return None
    key = configuration_key(configuration.trials[0])
    seen = [
        record
        for record in records
        if record.spec.phase == "tune" and configuration_key(record) == key
    ]
    values = [value for _, value in _values(seen, metric.name)]
    return estimate(values).mean if values else None


def best_trial(confirmed: Iterable[Configuration], metric: Metric) -> BestTrial | None:
    """The best completed confirm trial of these configurations, if there is any."""
    trials = [trial for configuration in confirmed for trial in configuration.trials]
    candidates = [
        BestTrial(record.spec.trial_id, record.spec.variant, value)
        for record, value in _values(trials, metric.name)
    ]
    sign = 1 if metric.goal == "minimize" else -1
    return min(candidates, key=lambda trial: sign * trial.value, default=None)
