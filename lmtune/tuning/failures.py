"""What follows from a failed attempt at a trial: another one, or the end of more than the trial."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from lmtune.spec.result import Retry
from lmtune.spec.trial import TrialSpec

ALIKE_IN_A_VARIANT = 3
"""Trials of a variant that fail alike before any of it has finished: the others would, too."""

ALIKE_IN_A_SWEEP = 5
"""The same of all variants together."""


@dataclass(frozen=True)
class Failure:
    """How an attempt at a trial failed.

    Attributes:
        message: the traceback, or what is known of a process that died.
        is_out_of_memory: of the host or of a GPU.
    """

    message: str
    is_out_of_memory: bool = False

    @property
    def reason(self) -> str:
        """The message's last line."""
        return self.message.strip().rpartition("\n")[2]


class Failures:
    """The failures of one run of a sweep.

    Args:
        retries: of one trial.

    Attributes:
        stopped: variants that are given up, with the message of the first trial that failed so.
        broken: the message of the first of the trials that ended the whole sweep; None while
            none has.
    """

    def __init__(self, retries: int) -> None:
        self.stopped: dict[str, str] = {}
        self.broken: str | None = None
        self._retries = retries
        self._num_retried: Counter[str] = Counter()
        self._finished: set[str] = set()
        self._first: dict[str, str] = {}
        self._alike: dict[str, Counter[str]] = {}

    def retry(
        self, trial: TrialSpec, failure: Failure, earlier: Sequence[Retry], epochs_done: int
    ) -> Retry | None:
        """How the trial is tried again; None where it has failed for good.

        An attempt that ran out of memory is made again in parts of half the size, for as long as
        there is a row to halve, whatever number of retries is allowed.

        Args:
            trial: whose attempt failed.
            failure: how.
            earlier: its retries of all runs, the last of which says in how many parts it ran.
            epochs_done: so far.
        """
        parts = earlier[-1].parts if earlier else 1
        training = trial.config.training
        rows = training.batch_size // training.accumulation_steps
        if failure.is_out_of_memory and 2 * parts <= rows:
            return Retry(epochs_done=epochs_done, message=failure.message, parts=2 * parts)
        if self._num_retried[trial.trial_id] >= self._retries:
            return None
        self._num_retried[trial.trial_id] += 1
        return Retry(epochs_done=epochs_done, message=failure.message, parts=parts)

    def finished(self, variant: str) -> None:
        """Note that a trial of a variant gave a result, if only that it diverged."""
        self._finished.add(variant)

    def failed(self, trial: TrialSpec, message: str) -> None:
        """Note that a trial has failed for good, which may end its variant or the sweep."""
        likeness = _likeness(trial, message)
        first = self._first.setdefault(likeness, message)
        alike = self._alike.setdefault(likeness, Counter())
        alike[trial.variant] += 1
        if alike[trial.variant] >= ALIKE_IN_A_VARIANT and trial.variant not in self._finished:
            self.stopped.setdefault(trial.variant, first)
        if alike.total() >= ALIKE_IN_A_SWEEP and not self._finished and self.broken is None:
            self.broken = first


def _likeness(trial: TrialSpec, message: str) -> str:
    """The last line of a message without what differs between trials: ids, numbers, addresses."""
    text = Failure(message).reason.replace(trial.trial_id, "*")
    return re.sub(r"0x[0-9a-f]+|\b[0-9a-f]{8,}\b|\d+", "#", text)
