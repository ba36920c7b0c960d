"""The records' writer: the first observer of every sweep, because the others read the records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lmtune.records import ExperimentFolder
from lmtune.spec.result import Evaluation, TrialFacts, TrialResult
from lmtune.spec.sweep import SweepSpec
from lmtune.spec.trial import TrialSpec

if TYPE_CHECKING:  # as in observer.py
    from lmtune.datasets import Dataset, PairsDataset


class RecordsObserver:
    """Keeps each trial's specification, curve and result in the experiment folder.

    Args:
        folder: the sweep's records.
    """

    def __init__(self, folder: ExperimentFolder) -> None:
        self._folder = folder
        self._epochs_recorded: dict[str, int] = {}

    def sweep_started(
        self, sweep: SweepSpec, datasets: Mapping[str, Dataset | PairsDataset]
    ) -> None:
        """Nothing: who starts a sweep writes its input."""

    def trial_known(
        self, trial: TrialSpec, result: TrialResult, curve: Sequence[Evaluation]
    ) -> None:
        """See that it counts as what it is now: an edit may have renamed its variant, say."""
        folder = self._folder.trial(trial.trial_id)
        if not folder.spec_json.exists() or folder.read_spec() != trial:
            folder.write_spec(trial, result.facts)

    def trial_started(self, trial: TrialSpec, facts: TrialFacts) -> None:
        """Write what the trial is; a result of an earlier run no longer holds."""
        folder = self._folder.trial(trial.trial_id)
        folder.result_json.unlink(missing_ok=True)
        folder.write_spec(trial, facts)
        self._epochs_recorded[trial.trial_id] = len(folder.read_curve())
        self._folder.timeline.note("trial started", trial.trial_id)

    def trial_evaluated(self, trial: TrialSpec, evaluation: Evaluation) -> None:
        """Append to the curve, cut back to where the trial's checkpoint was."""
        folder = self._folder.trial(trial.trial_id)
        if evaluation.epoch <= self._epochs_recorded[trial.trial_id]:
            folder.cut_curve(evaluation.epoch - 1)
        folder.append_evaluation(evaluation)
        self._epochs_recorded[trial.trial_id] = evaluation.epoch

    def trial_ended(self, trial: TrialSpec, result: TrialResult) -> None:
        """Write the result."""
        self._folder.trial(trial.trial_id).write_result(result)
        self._folder.timeline.note("trial ended", trial.trial_id)
        del self._epochs_recorded[trial.trial_id]

    def sweep_ended(self, finished: bool) -> None:
        """Nothing: every record is in its file already."""
