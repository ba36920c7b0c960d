"""Optuna proposes: one study for each variant, kept in the experiment folder.

What a study proposes next depends on the study's own trials, the sweep's method and the seed
alone, never on how often the sweep was interrupted: the sampler is made anew for each proposal.
"""

from __future__ import annotations

import itertools
import os
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import (
    BaseSampler,
    CmaEsSampler,
    GPSampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)
from optuna.storages import BaseStorage, JournalStorage
from optuna.trial import FrozenTrial, TrialState

from lmtune.spec.identity import study_name
from lmtune.spec.result import Evaluation, Status
from lmtune.spec.search import (
    Categorical,
    Constant,
    Distribution,
    FloatRange,
    IntRange,
    Method,
    QuantizedRange,
)
from lmtune.spec.sweep import Metric, Variant
from lmtune.spec.trial import Scalar
from lmtune.tuning.journal import Journal

_TOLD_STATES: dict[Status, TrialState] = {
    "completed": TrialState.COMPLETE,
    "stopped": TrialState.PRUNED,
    "diverged": TrialState.FAIL,
    "failed": TrialState.FAIL,
}


def open_storage(folder: Path) -> BaseStorage:
    """The Optuna storage of an experiment, made where it is missing.

    What a kill or a full disk left of a line, and of a lock, is cleared away: Optuna would write
    behind the one, so that nothing could be read any more, and wait for the other.

    Args:
        folder: the experiment's `study` folder, held by this process; `optuna-dashboard` opens
            the journal in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    journal = folder / "journal.log"
    for lock in folder.glob(f"{journal.name}.lock*"):
        lock.unlink()
    if journal.exists():
        whole = journal.read_bytes().rpartition(b"\n")
        if whole[2]:
            os.truncate(journal, len(whole[0]) + len(whole[1]))
    return JournalStorage(Journal(journal))


def close_other_studies(storage: BaseStorage, names: Collection[str]) -> None:
    """Leave no proposal open in studies that an edit of the sweep has made another question of."""
    for study in storage.get_all_studies():
        if study.study_name in names:
            continue
        open_states = (TrialState.RUNNING,)
        for trial in storage.get_all_trials(study._study_id, False, open_states):  # noqa: SLF001
            storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)  # noqa: SLF001


def optuna_distribution(distribution: Distribution) -> BaseDistribution:
    """The same values, in Optuna's words."""
    match distribution:
        case Constant(value=value):
            return CategoricalDistribution((value,))
        case Categorical(values=values):
            return CategoricalDistribution(values)
        case FloatRange(min=low, max=high):
            return FloatDistribution(low, high, log=distribution.is_logarithmic)
        case IntRange(min=low, max=high):
            return IntDistribution(low, high, log=distribution.is_logarithmic)
        case QuantizedRange(min=low, max=high, q=q) if distribution.is_whole:
            return IntDistribution(int(low), int(high), step=int(q))
        case QuantizedRange(min=low, max=high, q=q):
            return FloatDistribution(low, high, step=q)


def grid_points(parameters: Mapping[str, Distribution]) -> list[dict[str, Scalar]]:
    """Every combination of the values of `parameters`, in the order of the file."""
    axes = [_grid_values(distribution) for distribution in parameters.values()]
    return [dict(zip(parameters, values, strict=True)) for values in itertools.product(*axes)]


def _grid_values(distribution: Distribution) -> Sequence[Scalar]:
    match distribution:
        case IntRange(min=low, max=high):
            return range(low, high + 1)
        case QuantizedRange(num_points=num_points):
            return [distribution.value(step) for step in range(num_points)]
    return distribution.corners()  # all values of the others: no real numbers get into a grid


def _build_sampler(method: Method, seed: int, number: int) -> BaseSampler:
    """The sampler for proposal `number` of a study.

    A quasi-random sequence is one sequence: its seed is the same for each proposal, and Optuna
    keeps the position in the study. Others draw from a stream of their own for each proposal.
    """
    own_seed = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    match method:
        case "grid" | "random":  # a grid's points are enqueued, nothing is left to draw
            return RandomSampler(seed=own_seed)
        case "qmc":
            return _quietly(
                QMCSampler,
                scramble=True,
                seed=seed,
                independent_sampler=RandomSampler(seed=own_seed),
                warn_independent_sampling=False,
                warn_asynchronous_seeding=False,
            )
        case "tpe":
            return TPESampler(seed=own_seed)
        case "cmaes":
            return CmaEsSampler(seed=own_seed, warn_independent_sampling=False)
        case "gp":
            return _quietly(GPSampler, seed=own_seed)


def _quietly(sampler: Callable[..., BaseSampler], **arguments: object) -> BaseSampler:
    """Build a sampler whose interface Optuna may still change: requirements.txt pins it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return sampler(**arguments)


class VariantStudy:
    """Proposes the searched values of one variant and learns what came of them.

    Args:
        variant: with `parameters` to search.
        method: how values are proposed.
        num_trials: proposals in all.
        seed: of the sampler; the same for every variant, so that quasi-random points are too.
        metric: what the study minimizes or maximizes.
        data_fingerprint: studies of other data are other studies.
        storage: where the study is kept; an earlier study of the same question goes on.
    """

    def __init__(
        self,
        variant: Variant,
        *,
        method: Method,
        num_trials: int,
        seed: int,
        metric: Metric,
        data_fingerprint: str,
        storage: BaseStorage,
    ) -> None:
        self._method = method
        self._num_trials = num_trials
        self._seed = seed
        self._metric = metric
        self._distributions = {
            path: optuna_distribution(each) for path, each in variant.parameters.items()
        }
        self.name = study_name(
            variant, method=method, seed=seed, metric=metric, data_fingerprint=data_fingerprint
        )
        self._study = optuna.create_study(
            storage=storage, study_name=self.name, direction=metric.goal, load_if_exists=True
        )
        self._storage = storage
        self._study_id = storage.get_study_id_from_name(self.name)
        if method == "grid":
            for point in grid_points(variant.parameters)[:num_trials]:
                self._study.enqueue_trial(point, skip_if_exists=True)
        self._close_torn_proposals()
        self._num_proposed = len(self.proposals())

    @property
    def num_proposed(self) -> int:
        """Proposals so far, those of earlier runs of the sweep included."""
        return self._num_proposed

    @property
    def num_left(self) -> int:
        """Proposals that the budget still allows; none where it was lowered below those made."""
        return max(0, self._num_trials - self._num_proposed)

    def ask(self) -> FrozenTrial:
        """The next proposal; only while `num_left` is above 0."""
        self._study.sampler = _build_sampler(self._method, self._seed, self._num_proposed)
        number = self._study.ask(fixed_distributions=self._distributions).number
        self._num_proposed += 1
        return self._storage.get_trial(self._id_of(number))

    def proposals(self) -> list[FrozenTrial]:
        """All proposals so far, in their order, those of earlier runs of the sweep included."""
        return [trial for trial in self._trials() if self._is_whole(trial)]

    def tell(self, proposal: FrozenTrial, status: Status, curve: Sequence[Evaluation]) -> None:
        """Tell the study how a proposal's trial ended; nothing where it knows already.

        A completed trial counts with its last value; a stopped one is PRUNED, with its curve as
        intermediate values, as far as the metric was measured; a diverged or failed one is FAIL.
        """
        trial_id = self._id_of(proposal.number)
        if self._storage.get_trial(trial_id).state.is_finished():
            return
        measured = ((each.epoch, getattr(each, self._metric.name)) for each in curve)
        values = {epoch: float(value) for epoch, value in measured if value is not None}
        for epoch, value in values.items():
            self._storage.set_trial_intermediate_value(trial_id, epoch, value)
        state = _TOLD_STATES[status]
        last = [values[max(values)]] if state is TrialState.COMPLETE else None
        self._study.tell(proposal.number, last, state=state)

    def _id_of(self, number: int) -> int:
        """The storage's id of a trial; a list of all of them would take longer with each."""
        return self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)

    def _trials(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False)

    def _is_whole(self, trial: FrozenTrial) -> bool:
        return (
            trial.state is not TrialState.WAITING
            and trial.params.keys() == self._distributions.keys()
        )

    def _close_torn_proposals(self) -> None:
        """A driver that was killed while it asked leaves a trial without all of its values.

        If it was a point of a grid, the point is still to be proposed.
        """
        for trial in self._trials():
            if trial.state is TrialState.RUNNING and not self._is_whole(trial):
                self._study.tell(trial.number, state=TrialState.FAIL)
                if point := trial.system_attrs.get("fixed_params"):
                    self._study.enqueue_trial(point)
