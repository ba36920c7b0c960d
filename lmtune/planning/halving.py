"""How many trials of a search reach each of ASHA's rungs, to be expected."""

from __future__ import annotations

import math

from lmtune.spec.plan import Rung
from lmtune.spec.search import Asha, asha_rungs


def expected_rungs(asha: Asha | None, *, trials: int, epochs: int) -> tuple[Rung, ...]:
    """The rungs of a search, and its last epoch, with the trials expected to reach each.

    Trials are taken to arrive in an order that says nothing of their values, and a trial's place at
    one rung nothing of its place at the next. An adaptive sampler, whose later trials are better,
    stops fewer.

    Args:
        asha: None where nothing is stopped early.
        trials: of the search; none of them has rungs.
        epochs: the full budget.
    """
    if not trials:
        return ()
    rungs = []
    left = float(trials)
    if asha is not None:
        for epoch in asha_rungs(asha, epochs):
            rungs.append(Rung(epoch=epoch, trials=left))
            left = _expected_to_pass(left, asha.eta)
    return (*rungs, Rung(epoch=epochs, trials=left))


def expected_epochs(rungs: tuple[Rung, ...]) -> float:
    """Epochs that all trials of a search train together."""
    total, before = 0.0, 0
    for rung in rungs:
        total += rung.trials * (rung.epoch - before)
        before = rung.epoch
    return total


def _expected_to_pass(arriving: float, eta: int) -> float:
    """How many of the trials that arrive at a rung go on.

    The first always does. A later one must not be below the percentile 1 - 1/eta of the n before
    it, which lies between two of them: the chance of that is (n - (1 - 1/eta)(n - 1)) / (n + 1) for
    a value whose rank is as likely as any other. Part of a trial counts as that part.
    """
    share = 1 - 1 / eta
    whole = math.floor(arriving)
    chances = [1.0] + [(n - share * (n - 1)) / (n + 1) for n in range(1, whole + 1)]
    return sum(chances[:whole]) + (arriving - whole) * chances[whole]
