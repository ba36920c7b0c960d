"""What follows a sweep: called by the driver, in the order of events, from one thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from lmtune.spec.result import Evaluation, TrialFacts, TrialResult
from lmtune.spec.sweep import SweepSpec
from lmtune.spec.trial import TrialSpec

if TYPE_CHECKING:  # the type alone: what only follows a sweep need not load torch
    from lmtune.datasets import Dataset, PairsDataset


class Observer(Protocol):
    """Hears of everything that happens in a sweep.

    A method returns at once: trials wait for it. What it cannot do in a few milliseconds, it
    hands to a thread of its own.
    """

    def sweep_started(
        self, sweep: SweepSpec, datasets: Mapping[str, Dataset | PairsDataset]
    ) -> None:
        """The data is prepared, the first trial not yet started."""

    def trial_known(
        self, trial: TrialSpec, result: TrialResult, curve: Sequence[Evaluation]
    ) -> None:
        """The records of earlier runs hold all of a trial, so it is not run again."""

    def trial_started(self, trial: TrialSpec, facts: TrialFacts) -> None:
        """A trial starts, or goes on from its last checkpoint."""

    def trial_evaluated(self, trial: TrialSpec, evaluation: Evaluation) -> None:
        """A trial finished an epoch. A resumed trial may repeat epochs that it reported before."""

    def trial_ended(self, trial: TrialSpec, result: TrialResult) -> None:
        """A trial ended in whatever way."""

    def sweep_ended(self, finished: bool) -> None:
        """Nothing runs any more; `finished` where nothing is left to run either."""
