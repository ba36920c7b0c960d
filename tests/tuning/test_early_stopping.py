"""ASHA against a reference of its own: a few lines over dictionaries, from the rule alone."""

from __future__ import annotations

import random
from collections import defaultdict

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lmtune.spec.search import Asha, asha_rungs
from lmtune.spec.sweep import Metric
from lmtune.tuning.early_stopping import VariantAsha
from tests.tuning.simulation import evaluation

Report = tuple[str, int, float]
"""Trial, epoch, loss."""


class ReferenceAsha:
    """Stops a trial that is not in the best 1/eta of those that were at the rung before it."""

    def __init__(self, min_iter: int, eta: int, epochs: int) -> None:
        self.rungs = [min_iter * eta**k for k in range(20) if min_iter * eta**k < epochs]
        self.eta = eta
        self.losses: dict[int, list[float]] = defaultdict(list)

    def keeps(self, epoch: int, loss: float) -> bool:
        if epoch not in self.rungs:
            return True
        earlier = sorted(self.losses[epoch])
        self.losses[epoch].append(loss)
        if not earlier:
            return True
        place = (len(earlier) - 1) / self.eta  # of the worst that goes on, between two of them
        below = int(place)
        above = min(below + 1, len(earlier) - 1)
        worst_kept = earlier[below] + (place - below) * (earlier[above] - earlier[below])
        return loss <= worst_kept + 1e-12


def play(asha: VariantAsha, reference: ReferenceAsha, epochs: int, seed: int) -> None:
    """Train 12 trials in a random order, and ask both at each epoch."""
    generator = random.Random(seed)
    trained = {f"trial{number}": 0 for number in range(12)}
    running = set(trained)
    while running:
        trial_id = generator.choice(sorted(running))
        trained[trial_id] += 1
        epoch = trained[trial_id]
        loss = generator.random()
        is_kept = asha.keeps(trial_id, evaluation(epoch, loss))
        assert is_kept == reference.keeps(epoch, loss), (trial_id, epoch, loss)
        if not is_kept or epoch == epochs:
            running.remove(trial_id)


@given(
    min_iter=st.integers(1, 4),
    eta=st.integers(2, 4),
    epochs=st.integers(1, 30),
    seed=st.integers(0, 10**6),
)
def test_asha_when_trials_report_in_any_order_decides_as_the_reference(
    min_iter: int, eta: int, epochs: int, seed: int
) -> None:
    assume(min_iter < epochs)  # the spec refuses others
    asha = Asha(type="asha", min_iter=min_iter, eta=eta)
    reference = ReferenceAsha(min_iter, eta, epochs)
    assert asha_rungs(asha, epochs) == reference.rungs
    play(VariantAsha(asha, Metric(), epochs), reference, epochs, seed)


def test_asha_when_the_losses_say_so_stops_most_trials_early() -> None:
    asha = VariantAsha(Asha(type="asha", min_iter=1, eta=3), Metric(), 9)
    stopped_at = {}
    for number in range(9):  # each worse than all before it
        for epoch in range(1, 10):
            if not asha.keeps(f"trial{number}", evaluation(epoch, 1.0 + number)):
                stopped_at[number] = epoch
                break
    assert stopped_at == dict.fromkeys(range(1, 9), 1)


def test_asha_when_the_metric_is_maximized_keeps_the_high_ones() -> None:
    metric = Metric(name="val_perplexity", goal="minimize")
    low_wins = VariantAsha(Asha(type="asha", min_iter=1, eta=2), metric, 4)
    assert low_wins.keeps("a", evaluation(1, 1.0))
    assert not low_wins.keeps("b", evaluation(1, 2.0))
    metric = Metric(name="val_accuracy", goal="maximize")
    high_wins = VariantAsha(Asha(type="asha", min_iter=1, eta=2), metric, 4)

    def accurate(accuracy: float) -> bool:
        report = evaluation(1, 1.0).model_copy(update={"val_accuracy": accuracy})
        return high_wins.keeps(f"{accuracy}", report)

    assert accurate(0.5)
    assert accurate(0.6)
    assert not accurate(0.4)


@pytest.mark.parametrize("epochs", [2, 4])  # both would be rungs
def test_asha_when_a_trial_is_at_its_full_budget_never_stops_it(epochs: int) -> None:
    asha = VariantAsha(Asha(type="asha", min_iter=1, eta=2), Metric(), epochs)
    assert asha.keeps("good", evaluation(epochs, 1.0))
    assert asha.keeps("bad", evaluation(epochs, 9.0))


@given(seed=st.integers(0, 10**6), cut=st.integers(0, 40))
def test_asha_when_its_rungs_are_filled_again_from_curves_decides_as_before(
    seed: int, cut: int
) -> None:
    generator = random.Random(seed)
    rule = Asha(type="asha", min_iter=1, eta=2)
    reports: list[Report] = []
    epochs: dict[str, int] = defaultdict(int)
    for _ in range(60):
        trial_id = f"trial{generator.randrange(8)}"
        epochs[trial_id] += 1
        reports.append((trial_id, epochs[trial_id], generator.random()))

    undisturbed = VariantAsha(rule, Metric(), 64)
    decisions = [undisturbed.keeps(name, evaluation(n, loss)) for name, n, loss in reports]

    resumed = VariantAsha(rule, Metric(), 64)
    for name, n, loss in sorted(reports[:cut]):  # trial by trial, as the records hold them
        resumed.keeps(name, evaluation(n, loss))
    for trial_id in {name for name, _, _ in reports[:cut]}:  # what the checkpoints lacked, again
        *_, last = (report for report in reports[:cut] if report[0] == trial_id)
        assert resumed.keeps(trial_id, evaluation(last[1], last[2]))
    after = [resumed.keeps(name, evaluation(n, loss)) for name, n, loss in reports[cut:]]
    assert after == decisions[cut:]
