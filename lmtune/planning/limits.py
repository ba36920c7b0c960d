"""A plan against the budget of time and the machine: what is too much, and what would fit."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from lmtune.errors import Problem
from lmtune.planning.forecast import DRIVER_MIB, RAY_WORKER_MIB, forecast
from lmtune.planning.halving import expected_rungs
from lmtune.spec.plan import Forecast, Plan, VariantPlan
from lmtune.spec.sweep import SweepSpec


def over_limits(plan: Plan, sweep: SweepSpec, where: str) -> list[Problem]:
    """What of a plan is more than there is, the disk apart; nothing without a forecast.

    Args:
        plan: of the sweep.
        sweep: as understood.
        where: the file, for messages.
    """
    if plan.forecast is None:
        return []
    return [
        *_over_time(plan, plan.forecast, sweep, where),
        *_over_memory(plan, plan.forecast, where),
    ]


def _over_time(plan: Plan, found: Forecast, sweep: SweepSpec, where: str) -> Iterator[Problem]:
    budget_s = plan.budget_time_s
    if budget_s is None or found.time_s <= budget_s:
        return
    fixes = []
    trials = _most_trials(plan, sweep, lambda smaller: smaller.time_s <= budget_s)
    if trials:
        fixes.append(f"--set budget.trials={trials}")
    fixes.append(f"--set budget.time={math.ceil(found.time_s * 1.1 / 60)}m")
    yield Problem(
        f"{where}: budget.time",
        f"the sweep takes about {found.time_s:.0f} s, and its budget is {budget_s:g} s",
        "a sweep that fits into its budget" + ("" if trials else ": fewer variants, epochs, seeds"),
        ", or ".join(fixes),
    )


def _over_memory(plan: Plan, found: Forecast, where: str) -> Iterator[Problem]:
    available = plan.machine.memory_available_mib
    if available is None or found.memory_mib <= available:
        return
    worker = max(each.cost.memory_mib for each in plan.variants if each.cost) + RAY_WORKER_MIB
    fitting = int((available - DRIVER_MIB) // worker)
    yield Problem(
        f"{where}: resources",
        f"{plan.machine.trials_at_once} trials at once take about {found.memory_mib:.0f} MiB of "
        f"memory, and {available:.0f} MiB are available",
        f"at most {fitting} at once" if fitting > 0 else "smaller models or batches",
        f"--set resources.max_concurrent={fitting}" if fitting > 0 else "make them smaller",
    )


def _most_trials(plan: Plan, sweep: SweepSpec, fits: Callable[[Forecast], bool]) -> int:
    """The most trials of each search with which the sweep fits; 0 where none does."""
    low, high = 0, max((each.tune for each in plan.variants), default=0)
    while high - low > 1:  # low fits, or is 0; high does not fit
        trials = (low + high) // 2
        smaller = [_with_trials(each, sweep, trials) for each in plan.variants]
        found = forecast(
            smaller,
            trials_at_once=plan.machine.trials_at_once,
            on_gpu=sweep.resources.gpu > 0,
            keep=sweep.keep,
        )
        if found is not None and fits(found):
            low = trials
        else:
            high = trials
    return low


def _with_trials(variant: VariantPlan, sweep: SweepSpec, trials: int) -> VariantPlan:
    """The variant's plan with a smaller search."""
    tune = min(variant.tune, trials)
    if not tune:
        return variant
    configurations = min(sweep.seeds.top_k, tune)
    return variant.model_copy(
        update={
            "tune": tune,
            "confirm": configurations * len(sweep.seeds.confirm),
            "rungs": expected_rungs(sweep.early_terminate, trials=tune, epochs=variant.epochs),
        }
    )
