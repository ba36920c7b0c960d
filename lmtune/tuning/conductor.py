"""What runs next, and what an outcome means: the sweep's logic, without Ray.

Three kinds of work, in this order: trials that an earlier run left unfinished, confirm trials,
new proposals of the first variant whose tune phase is not over. A variant's confirm phase is
queued as soon as its last tune trial has ended.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

from lmtune.datasets import Dataset, PairsDataset
from lmtune.errors import SpecError
from lmtune.records import ExperimentFolder
from lmtune.spec.dataset import DatasetConfig
from lmtune.spec.result import Evaluation, Status, TrialFacts, TrialResult
from lmtune.spec.sweep import SweepSpec, Variant
from lmtune.spec.trial import Phase, Scalar, TrialConfig, TrialSpec
from lmtune.tracking import Observer
from lmtune.training import trial_facts
from lmtune.tuning.early_stopping import VariantAsha
from lmtune.tuning.failures import Failure, Failures
from lmtune.tuning.going_on import usable_epochs
from lmtune.tuning.keeping import Keeper
from lmtune.tuning.study import VariantStudy, close_other_studies
from lmtune.tuning.variant_search import VariantSearch

FINAL_STATUSES: Mapping[Phase, frozenset[Status]] = {
    "tune": frozenset({"completed", "stopped", "diverged"}),
    "confirm": frozenset({"completed", "diverged"}),
}
"""A trial that ended so is not run again; a failed or interrupted one is.

A trial that was stopped while tuning goes on where the confirm phase asks for it.
"""


class Datasets(Protocol):
    """Where the conductor gets the prepared data of a trial from."""

    def get(self, config: DatasetConfig) -> Dataset | PairsDataset:
        """The prepared dataset of a configuration."""


class Conductor:
    """Hands out the trials of a sweep and takes in what becomes of them.

    Args:
        sweep: what to do.
        folder: the records, which say what is done already.
        datasets: prepared data by configuration.
        storage: of the Optuna studies.
        observers: told of everything, in this order.
        say: shows a person a line about what is not as it should be.

    Attributes:
        failures: of trials, and what they put an end to.
    """

    def __init__(
        self,
        sweep: SweepSpec,
        *,
        folder: ExperimentFolder,
        datasets: Datasets,
        storage: BaseStorage,
        observers: Sequence[Observer],
        say: Callable[[str], None],
    ) -> None:
        self.failures = Failures(sweep.on_failure.retries)
        self._keeper = Keeper(sweep.keep, sweep.metric, folder)
        self._say = say
        self._sweep = sweep
        self._folder = folder
        self._datasets = datasets
        self._observers = observers
        self._curves: dict[str, list[Evaluation]] = {}
        self._results: dict[str, TrialResult] = {}
        self._running: dict[str, TrialSpec] = {}
        self._retried: deque[TrialSpec] = deque()  # of the running, to be handed out again
        self._queue: deque[TrialSpec] = deque()
        # What each queued or running trial is for: variants may ask for the same, by trial id.
        self._roles: dict[str, list[TrialSpec]] = {}
        self._searches = {
            variant.name: self._open_search(variant, storage)
            for variant in sweep.variants
            if variant.parameters
        }
        close_other_studies(storage, [each.study.name for each in self._searches.values()])

    def resume(self) -> None:
        """Bring the sweep to where its records and studies left it. Call it once, first."""
        for search in self._searches.values():
            self._take_up(search)
        self._confirm_unsearched()

    @property
    def num_running(self) -> int:
        """Trials that are handed out and have not ended."""
        return len(self._running) - len(self._retried)

    @property
    def is_exhausted(self) -> bool:
        """Nothing runs, and there is nothing more to hand out."""
        if self.num_running:
            return False
        if self.failures.broken is not None:
            return True
        return not (self._retried or self._queue) and all(
            search.is_over or name in self.failures.stopped
            for name, search in self._searches.items()
        )

    @property
    def is_finished(self) -> bool:
        """Nothing runs and nothing of the sweep is left to run."""
        failures = self.failures
        return self.is_exhausted and not failures.stopped and failures.broken is None

    @property
    def results(self) -> dict[str, TrialResult]:
        """How each trial that ended did so, by trial id, earlier runs of the sweep included."""
        return self._results

    def next_trial(self) -> TrialSpec | None:
        """A trial to run now; None where there is none, or none before a running one ends."""
        if self.failures.broken is not None:
            return None
        if self._retried:
            return self._retried.popleft()
        if not self._queue:
            self._propose()
        return self._start(self._queue.popleft()) if self._queue else None

    def num_parts(self, trial: TrialSpec) -> int:
        """Into how many parts each part of a batch is cut, since it did not fit into memory."""
        retries = self._folder.trial(trial.trial_id).read_retries()
        return retries[-1].parts if retries else 1

    def evaluated(self, trial: TrialSpec, evaluation: Evaluation) -> bool:
        """Take in an evaluation of a running trial; whether the trial should go on."""
        curve = self._curves[trial.trial_id]
        del curve[evaluation.epoch - 1 :]  # a resumed trial repeats what its checkpoint lacked
        curve.append(evaluation)
        for observer in self._observers:
            observer.trial_evaluated(trial, evaluation)
        kept = [self._is_kept(role, evaluation) for role in self._roles[trial.trial_id]]
        return any(kept)

    def failed(self, trial: TrialSpec, failure: Failure) -> None:
        """Take in that an attempt at a running trial failed: it is tried again, or has failed."""
        recorded = self._folder.trial(trial.trial_id)
        curve = self._curves[trial.trial_id]
        retry = self.failures.retry(trial, failure, recorded.read_retries(), len(curve))
        if retry is None:
            self.ended(trial, "failed", failure.message)
            return
        recorded.append_retry(retry)
        epochs = usable_epochs(recorded, len(curve), self._say)
        smaller = f", in {retry.parts} times as many parts" if failure.is_out_of_memory else ""
        self._say(
            f"{trial.variant} {trial.phase} {trial.trial_id} is tried again from epoch {epochs}"
            f"{smaller}: {failure.reason}"
        )
        self._retried.append(trial)

    def ended(self, trial: TrialSpec, status: Status, message: str = "") -> None:
        """Take in how a running trial ended. Further calls for the same trial change nothing."""
        if self._running.pop(trial.trial_id, None) is None:
            return
        curve = self._curves[trial.trial_id]
        result = TrialResult(
            trial_id=trial.trial_id,
            status=status,
            epochs_done=len(curve),
            facts=self._facts(trial),
            train_time_s=curve[-1].elapsed_s if curve else 0.0,
            message=message,
            retries=len(self._folder.trial(trial.trial_id).read_retries()),
            parts=self.num_parts(trial),
        )
        for observer in self._observers:
            observer.trial_ended(trial, result)
        first, *others = self._roles.pop(trial.trial_id)
        if status == "failed":
            self._give_up(trial, message)
        self._take_in(first, result)
        for other in others:
            self._take_in_known(other, result)

    def _give_up(self, trial: TrialSpec, message: str) -> None:
        """See whether a trial that failed for good takes its variant with it."""
        was_stopped = trial.variant in self.failures.stopped
        self.failures.failed(trial, message)
        if was_stopped or trial.variant not in self.failures.stopped:
            return
        self._say(f"{trial.variant} is stopped: its first trials have all failed alike.")
        for queued in list(self._queue):
            roles = self._roles[queued.trial_id]
            if all(role.variant in self.failures.stopped for role in roles):
                self._queue.remove(queued)
                del self._roles[queued.trial_id]

    def _start(self, trial: TrialSpec) -> TrialSpec:
        self._running[trial.trial_id] = trial
        facts = self._facts(trial)
        for observer in self._observers:
            observer.trial_started(trial, facts)
        return trial

    def _enqueue(self, trial: TrialSpec) -> None:
        """Queue a trial, unless the records hold all of it already: then it counts as ended.

        One that another variant asked for before, and that has not ended, serves both.
        """
        if roles := self._roles.get(trial.trial_id):
            roles.append(trial)
            self._fill_rungs(trial)
            return
        recorded = self._folder.trial(trial.trial_id)
        known = recorded.recover()
        for word in known.words:
            self._say(f"{word}; the trial goes on from what is before.")
        result, curve = known.result, known.curve
        self._curves[trial.trial_id] = curve
        self._fill_rungs(trial)
        if result is not None and result.status in FINAL_STATUSES[trial.phase]:
            self._take_in_known(trial, result)
            return
        self._roles[trial.trial_id] = [trial]
        if usable_epochs(recorded, len(curve), self._say) == trial.config.training.epochs:
            self._start(trial)  # the driver died just before it wrote the result
            self.evaluated(trial, curve[-1])  # which the observers of this run have not seen
            self.ended(trial, "completed")
        else:
            self._queue.append(trial)

    def _fill_rungs(self, trial: TrialSpec) -> None:
        """Enter what is known of a trial's curve into the rungs of its variant."""
        for evaluation in self._curves[trial.trial_id]:
            self._is_kept(trial, evaluation)

    def _is_kept(self, trial: TrialSpec, evaluation: Evaluation) -> bool:
        """Enter an evaluation into its rung; whether the trial should go on."""
        search = self._searches.get(trial.variant)
        if trial.phase == "confirm" or search is None or search.asha is None:
            return True
        return search.asha.keeps(trial.trial_id, evaluation)

    def _take_in_known(self, trial: TrialSpec, result: TrialResult) -> None:
        for observer in self._observers:
            observer.trial_known(trial, result, self._curves[trial.trial_id])
        self._take_in(trial, result)

    def _take_in(self, trial: TrialSpec, result: TrialResult) -> None:
        self._results[trial.trial_id] = result
        self._keeper.ended(trial, result.status, self._curves[trial.trial_id])
        if result.status != "failed":
            self.failures.finished(trial.variant)
        search = self._searches.get(trial.variant)
        if trial.phase == "tune" and search is not None:
            proposal = search.open.pop(trial.trial_id)
            search.study.tell(proposal, result.status, self._curves[trial.trial_id])
            search.tuned[trial.trial_id] = trial
            self._confirm_if_over(search)

    def _open_search(self, variant: Variant, storage: BaseStorage) -> VariantSearch:
        sweep = self._sweep
        assert sweep.method is not None
        asha = sweep.early_terminate
        return VariantSearch(
            variant=variant,
            study=VariantStudy(
                variant,
                method=sweep.method,
                num_trials=sweep.num_tune_trials(variant),
                seed=sweep.seeds.tune[0],
                metric=sweep.metric,
                data_fingerprint=self._datasets.get(variant.config.dataset).fingerprint,
                storage=storage,
            ),
            asha=VariantAsha(asha, sweep.metric, variant.config.training.epochs) if asha else None,
        )

    def _take_up(self, search: VariantSearch) -> None:
        """Take in the proposals of earlier runs, and queue those that have not ended."""
        trials = []
        allowed = self._sweep.num_tune_trials(search.variant)
        proposals = search.study.proposals()
        for proposal in proposals[allowed:]:  # the budget was lowered below those made
            search.study.tell(proposal, "failed", [])
        for number, proposal in enumerate(proposals[:allowed]):
            trial = self._tune_trial(search, proposal, number)
            if trial is not None and trial.trial_id not in search.open:
                search.open[trial.trial_id] = proposal
                trials.append(trial)
        for trial in trials:
            self._enqueue(trial)
        self._confirm_if_over(search)

    def _propose(self) -> None:
        """Queue a new trial of the first search that has one."""
        for name, search in self._searches.items():
            if name in self.failures.stopped:
                continue
            while search.study.num_left and not self._queue:
                self._propose_from(search)
            self._confirm_if_over(search)
            if self._queue:
                return

    def _propose_from(self, search: VariantSearch) -> None:
        number = search.study.num_proposed
        proposal = search.study.ask()
        trial = self._tune_trial(search, proposal, number)
        if trial is None or trial.trial_id in search.open:
            search.study.tell(proposal, "failed", [])
        elif trial.trial_id in search.tuned:  # the same values as an earlier trial
            status = self._results[trial.trial_id].status
            search.study.tell(proposal, status, self._curves[trial.trial_id])
        else:
            search.open[trial.trial_id] = proposal
            self._enqueue(trial)

    def _confirm_if_over(self, search: VariantSearch) -> None:
        """Queue the confirm phase of a variant whose tune phase has just ended."""
        if not search.is_over or search.is_confirmed:
            return
        search.is_confirmed = True
        for parameters in self._best_parameters(search):
            for seed in self._sweep.seeds.confirm:
                self._enqueue(self._trial(search.variant, "confirm", seed, parameters))

    def _confirm_unsearched(self) -> None:
        """Queue variants without a search.

        Seed by seed, so that a sweep that is cut short has compared all variants on some seeds.
        """
        for seed in self._sweep.seeds.confirm:
            for variant in self._sweep.variants:
                if not variant.parameters:
                    self._enqueue(self._trial(variant, "confirm", seed, {}))

    def _best_parameters(self, search: VariantSearch) -> list[dict[str, Scalar]]:
        """The searched values of a variant's best completed tune trials, best first."""
        metric = self._sweep.metric
        completed = [
            trial
            for trial_id, trial in search.tuned.items()
            if self._results[trial_id].status == "completed"
        ]
        completed.sort(
            key=lambda trial: float(getattr(self._curves[trial.trial_id][-1], metric.name)),
            reverse=metric.goal == "maximize",
        )
        return [trial.parameters for trial in completed[: self._sweep.seeds.top_k]]

    def _tune_trial(
        self, search: VariantSearch, proposal: FrozenTrial, number: int
    ) -> TrialSpec | None:
        """The trial of a proposal; None where no trial can be built from its values."""
        try:
            seed = self._sweep.seeds.tune[0]
            trial = self._trial(search.variant, "tune", seed, proposal.params)
        except SpecError:
            return None
        return trial.model_copy(update={"study": search.study.name, "proposal": number})

    def _trial(
        self, variant: Variant, phase: Phase, seed: int, parameters: dict[str, Scalar]
    ) -> TrialSpec:
        config: TrialConfig = variant.trial_config(parameters)
        return TrialSpec(
            variant=variant.name,
            phase=phase,
            seed=seed,
            config=config,
            parameters=parameters,
            data_fingerprint=self._datasets.get(config.dataset).fingerprint,
        )

    def _facts(self, trial: TrialSpec) -> TrialFacts:
        return trial_facts(trial.config, self._datasets.get(trial.config.dataset))
