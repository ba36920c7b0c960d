"""Which searched parameters mattered, by Optuna's evaluators, where the trials can tell."""

from __future__ import annotations

import importlib.util
import math
import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmtune.analysis.experiment import Experiment
from lmtune.analysis.summary import VariantSummary
from lmtune.records import TrialRecord
from lmtune.spec.search import Constant
from lmtune.tuning.study import optuna_distribution

if TYPE_CHECKING:
    from optuna.importance import BaseImportanceEvaluator
    from optuna.study import Study

NON_ADAPTIVE = ("grid", "random", "qmc")
"""Methods whose proposals do not follow the values: others crowd where values were good."""

TRIALS_PER_PARAMETER = 10
"""Fewer trials at full budget than so many a parameter say little of importance."""

TARGET_QUANTILE = 0.25
"""The best so many of all trials: what PED-ANOVA explains."""

TREES, MIN_TREES, MAX_TREES = 96, 8, 32
"""Of fANOVA's forests: of all variants, and of one. They take most of a report's time."""

MOST_TRIALS = 256
"""Of a variant: fANOVA's time grows with their square. The first ones, whose proposals do not know
how any trial ended, are as good as others."""

METHODS = {
    "PED-ANOVA": f"what it takes to be in the best {TARGET_QUANTILE:.0%} of the trials",
    "fANOVA": "share of the variance over the whole space",
}


@dataclass(frozen=True)
class Importance:
    """The importance of a variant's searched parameters.

    Attributes:
        variant: its name.
        num_trials: that it rests on.
        shares: by method and path, summing to 1.
    """

    variant: str
    num_trials: int
    shares: Mapping[str, Mapping[str, float]]


def importances(experiment: Experiment) -> tuple[list[Importance], list[str]]:
    """The importances of each variant that has enough trials, and why others have none."""
    found: list[Importance] = []
    reasons: defaultdict[str, list[str]] = defaultdict(list)
    if not experiment.searched:
        return [], ["nothing was searched"]
    method = experiment.sweep.method
    if method not in NON_ADAPTIVE:
        reason = (
            f"the search was adaptive ({method}): its trials crowd where values were good, which "
            "makes importances say other than they mean"
        )
        return [], [reason]
    for each in experiment.searched:
        trials = experiment.completed_values(each.variant.name)
        paths = _paths(each)
        needed = TRIALS_PER_PARAMETER * len(paths)
        if len(paths) < 2:
            reasons["only one parameter was searched"].append(each.variant.name)
        elif len(trials) < needed:
            reason = (
                f"fewer tune trials at full budget than {TRIALS_PER_PARAMETER} for each of the "
                f"{len(paths)} parameters"
            )
            reasons[reason].append(f"{each.variant.name} ({len(trials)})")
        else:
            trials.sort(key=lambda trial: trial[0].spec.proposal)
            found.append(_importance(experiment, each, trials[:MOST_TRIALS]))
    if found and not _has_scikit_learn():
        reasons["scikit-learn, which fANOVA needs, is not installed"] = ["fANOVA"]
    is_one = len(reasons) == 1 and not found and "only one" in next(iter(reasons))
    return found, [
        reason if is_one else f"{reason}: {', '.join(named)}" for reason, named in reasons.items()
    ]


def _paths(variant: VariantSummary) -> list[str]:
    parameters = variant.variant.parameters
    return [path for path in parameters if not isinstance(parameters[path], Constant)]


def _importance(
    experiment: Experiment, variant: VariantSummary, trials: Sequence[tuple[TrialRecord, float]]
) -> Importance:
    study = _clean_study(experiment, variant, trials)
    num_trees = max(MIN_TREES, min(MAX_TREES, TREES // len(experiment.searched)))
    shares = {
        name: _shares(study, evaluator, _paths(variant))
        for name, evaluator in _evaluators(num_trees).items()
    }
    return Importance(variant.variant.name, len(trials), shares)


def _clean_study(
    experiment: Experiment, variant: VariantSummary, trials: Sequence[tuple[TrialRecord, float]]
) -> Study:
    """A study of the trials at full budget alone: the one that proposed holds stopped ones too."""
    import optuna  # deferred: a sweep starts sooner without

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    paths = _paths(variant)
    distributions = {path: optuna_distribution(variant.variant.parameters[path]) for path in paths}
    study = optuna.create_study(direction=experiment.sweep.metric.goal)
    for record, value in trials:
        parameters = {path: record.spec.parameters[path] for path in paths}
        study.add_trial(
            optuna.trial.create_trial(params=parameters, distributions=distributions, value=value)
        )
    return study


def _evaluators(num_trees: int) -> dict[str, BaseImportanceEvaluator]:
    from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of experimental interfaces; requirements.txt pins them
        evaluators: dict[str, BaseImportanceEvaluator] = {
            "PED-ANOVA": PedAnovaImportanceEvaluator(target_quantile=TARGET_QUANTILE)
        }
        if _has_scikit_learn():
            evaluators["fANOVA"] = FanovaImportanceEvaluator(n_trees=num_trees, seed=0)
    return evaluators


def _shares(
    study: Study, evaluator: BaseImportanceEvaluator, paths: Sequence[str]
) -> dict[str, float]:
    import optuna  # deferred, as above

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    shares = {path: float(found.get(path, 0.0)) for path in paths}
    total = sum(shares.values())
    if not total or not math.isfinite(total):
        return dict.fromkeys(paths, 0.0)
    return {path: share / total for path, share in shares.items()}


def _has_scikit_learn() -> bool:
    return importlib.util.find_spec("sklearn") is not None
