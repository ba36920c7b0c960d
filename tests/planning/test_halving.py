"""The expected number of trials at each rung, against rungs that are played out."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from lmtune.planning.halving import expected_epochs, expected_rungs
from lmtune.spec.plan import Rung
from lmtune.spec.search import Asha

ROUNDS = 3000


def passed_in_play(arriving: int, eta: int) -> tuple[float, float]:
    """Mean of trials that go on, and its standard error; values as good as their rank."""
    values = np.random.default_rng(0).random((ROUNDS, arriving))
    goes_on = np.ones_like(values, dtype=bool)
    for n in range(1, arriving):
        cutoffs = np.percentile(values[:, :n], 100 * (1 - 1 / eta), axis=1)
        goes_on[:, n] = values[:, n] >= cutoffs
    counts = goes_on.sum(axis=1)
    return float(counts.mean()), float(counts.std() / ROUNDS**0.5)


@pytest.mark.parametrize(("trials", "eta"), [(1, 3), (2, 2), (8, 3), (16, 4)])
def test_rungs_when_expected_are_the_mean_of_rungs_played_out(trials: int, eta: int) -> None:
    asha = Asha(type="asha", min_iter=1, eta=eta)
    first, second, *_ = expected_rungs(asha, trials=trials, epochs=eta + 1)
    mean, error = passed_in_play(trials, eta)
    assert first.trials == trials
    assert abs(second.trials - mean) <= 4 * error + 1e-9


def test_rungs_when_many_trials_arrive_keep_one_in_eta() -> None:
    asha = Asha(type="asha", min_iter=2, eta=3)
    rungs = expected_rungs(asha, trials=9000, epochs=20)
    assert [rung.epoch for rung in rungs] == [2, 6, 18, 20]
    shares = [b.trials / a.trials for a, b in pairwise(rungs)]
    assert shares == pytest.approx([1 / 3] * 3, rel=0.02)


def test_rungs_when_nothing_is_stopped_or_searched_are_the_end_or_none() -> None:
    assert expected_rungs(None, trials=5, epochs=4) == (Rung(epoch=4, trials=5),)
    assert expected_rungs(Asha(type="asha"), trials=0, epochs=4) == ()


def test_epochs_when_trials_stop_at_rungs_are_the_sum_over_trials() -> None:
    # 6 trials: 2 stop after 1 epoch, 3 after 3, one trains all 9.
    rungs = (Rung(epoch=1, trials=6), Rung(epoch=3, trials=4), Rung(epoch=9, trials=1))
    assert expected_epochs(rungs) == 2 * 1 + 3 * 3 + 9
