"""Plans that are over the budget or the machine, and what is offered instead."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from lmtune.datasets import PreparedDatasets
from lmtune.planning.limits import over_limits
from lmtune.planning.make import make_plan
from lmtune.spec.plan import Machine, Plan
from lmtune.spec.sweep import SweepSpec

Load = Callable[..., SweepSpec]
Make = Callable[..., tuple[SweepSpec, Plan]]


@pytest.fixture
def make(load: Load, prepared: PreparedDatasets, tmp_path: Path, given_costs: list[int]) -> Make:
    """Makes a sweep and its plan, for a machine with room for two trials and these limits."""

    def build(trials: int = 8, **limits: float | None) -> tuple[SweepSpec, Plan]:
        sweep = load(**{"trials: 8": f"trials: {trials}"})
        plan = make_plan(sweep, prepared, tmp_path, probe=lambda done, total: None)
        assert given_costs
        machine = {"memory_available_mib": 64_000.0, "disk_free_mib": 64_000.0, **limits}
        budget_s = machine.pop("budget_s", None)
        machine["trials_at_once"] = plan.machine.trials_at_once
        return sweep, plan.model_copy(
            update={"machine": Machine.model_validate(machine), "budget_time_s": budget_s}
        )

    return build


def test_limits_when_all_fits_find_nothing(make: Make) -> None:
    sweep, plan = make(budget_s=1e6)
    assert over_limits(plan, sweep, "s.yaml") == []


def test_limits_when_time_is_short_offer_the_most_trials_that_fit(make: Make) -> None:
    def seconds(trials: int) -> float:
        found = make(trials=trials)[1].forecast
        assert found is not None
        return found.time_s

    budget_s = (seconds(4) + seconds(5)) / 2
    sweep, plan = make(budget_s=budget_s)
    (problem,) = over_limits(plan, sweep, "s.yaml")
    assert problem.where == "s.yaml: budget.time"
    offered = re.match(r"--set budget.trials=(\d+), or --set budget.time=(\d+)m", problem.fix)
    assert offered is not None
    assert int(offered[1]) == 4
    assert int(offered[2]) * 60 > seconds(8)


def test_limits_when_no_search_fits_offer_more_time_alone(make: Make) -> None:
    sweep, plan = make(budget_s=1.0)
    (problem,) = over_limits(plan, sweep, "s.yaml")
    assert problem.fix.startswith("--set budget.time=")
    assert "fewer variants" in problem.expected


def test_limits_when_memory_is_short_offer_as_many_at_once_as_fit(make: Make) -> None:
    sweep, plan = make(memory_available_mib=2100.0)
    if plan.machine.trials_at_once < 2:
        pytest.skip("needs a machine with room for two trials")
    (problem,) = over_limits(plan, sweep, "s.yaml")
    assert problem.fix == "--set resources.max_concurrent=1"
    assert over_limits(make(memory_available_mib=None)[1], sweep, "s.yaml") == []


def test_limits_without_a_forecast_are_not_known(make: Make) -> None:
    sweep, plan = make(budget_s=1.0)
    assert over_limits(plan.model_copy(update={"forecast": None}), sweep, "s.yaml") == []
