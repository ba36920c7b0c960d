"""From what one trial costs to what the sweep does: time, memory and disk."""

from __future__ import annotations

from collections.abc import Sequence

from lmtune.planning.halving import expected_epochs
from lmtune.spec.plan import Cost, Forecast, VariantPlan
from lmtune.spec.sweep import Keep

START_AND_END_S = 14.0
"""Of the command around its trials: Ray's start, the workers' imports, the report, MLflow. On 2
cores of a server; it is all that is not measured, and matters for short sweeps alone."""

HANDOVER_S = 0.25
"""From a trial's last score to the next one's first step, its checkpoint not counted."""

DRIVER_MIB = 1600.0
"""Of the driver and Ray's own processes together."""

RAY_WORKER_MIB = 120.0
"""What Ray adds to a process that trains."""

KEPT_SHARE = {"all": 1.0, "last": 0.75, "best": 0.25, "none": 0.0}
"""Of a trial's checkpoints: `best` are the weights, `last` those and two numbers of the optimizer
for each."""

RECORDS_MIB = 0.1
"""Of a trial: its records, and its run in MLflow."""


def forecast(
    variants: Sequence[VariantPlan], *, trials_at_once: int, on_gpu: bool, keep: Keep
) -> Forecast | None:
    """What the sweep costs; None where a variant was not probed.

    Args:
        variants: all of them.
        trials_at_once: as many as the machine has room for.
        on_gpu: whether trials compute there.
        keep: which checkpoints are left.
    """
    costs = [each.cost for each in variants if each.cost is not None]
    if len(costs) < len(variants):
        return None
    tune_s = sum(_tune_s(each, cost) for each, cost in zip(variants, costs, strict=True))
    confirm_s = sum(
        each.confirm * (cost.trial_s + HANDOVER_S)
        for each, cost in zip(variants, costs, strict=True)
    )
    trials = sum(each.tune + each.confirm for each in variants)
    at_once = min(trials_at_once, trials)
    longest_s = max(cost.trial_s for cost in costs)
    # When the last trials end, slots stand idle: half a trial in all but one of them.
    idle_s = (at_once - 1) * min(longest_s, (tune_s + confirm_s) / trials) / 2
    training_s = max((tune_s + confirm_s + idle_s) / at_once, longest_s)
    share = training_s / (tune_s + confirm_s)
    worker_mib = max(cost.memory_mib for cost in costs) + RAY_WORKER_MIB
    return Forecast(
        time_s=START_AND_END_S + training_s,
        tune_s=tune_s * share,
        confirm_s=confirm_s * share,
        memory_mib=DRIVER_MIB + at_once * worker_mib,
        gpu_memory_mib=max(cost.gpu_memory_mib for cost in costs) if on_gpu else 0.0,
        disk_mib=_checkpoints_mib(variants, costs, keep) + trials * RECORDS_MIB,
    )


def _checkpoints_mib(variants: Sequence[VariantPlan], costs: Sequence[Cost], keep: Keep) -> float:
    """Of the trials that keep theirs, the largest where not all do."""
    sizes = sorted(
        (
            cost.checkpoint_mib
            for each, cost in zip(variants, costs, strict=True)
            for _ in range(each.tune + each.confirm)
        ),
        reverse=True,
    )
    return KEPT_SHARE[keep.checkpoints] * sum(sizes[: keep.top_k])


def _tune_s(variant: VariantPlan, cost: Cost) -> float:
    """Of a variant's search, one trial after the other."""
    if not variant.rungs:
        return 0.0
    at_the_end_s = cost.trial_s - variant.epochs * cost.epoch_s
    return (
        expected_epochs(variant.rungs) * cost.epoch_s
        + variant.rungs[-1].trials * at_the_end_s
        + variant.tune * HANDOVER_S
    )
