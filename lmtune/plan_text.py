"""A plan as a person reads it: before a sweep starts, and where only the plan is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lmtune.spec.duration import format_duration
from lmtune.spec.plan import Plan, VariantPlan

_MOST_ROWS = 24
_LEGEND = "tune, confirm: trials at most; the columns behind them: one trial, to its last epoch"


def print_plan(plan: Plan, console: Console) -> None:
    """Print what a sweep will do and, where that was measured, what it costs.

    Args:
        plan: of the sweep.
        console: where to.
    """
    console.print(_variants_table(plan))
    if len(plan.variants) > _MOST_ROWS:
        console.print(Text(f"... and {len(plan.variants) - _MOST_ROWS} more variants"))
    console.print(Text(_LEGEND, style="dim"))
    if any(len(each.rungs) > 1 for each in plan.variants):
        console.print(_rungs_table(plan.variants))
    for line in plan_lines(plan):
        console.print(Text(line), soft_wrap=True)


def plan_lines(plan: Plan) -> Iterator[str]:
    """The sums of a plan, a line each."""
    at_once = min(plan.machine.trials_at_once, plan.trials)
    yield (
        f"Tokens  {format_count(plan.train_tokens)} of training in {plan.trials} trials at most, "
        f"{format_count(plan.train_flops)} FLOPs"
    )
    found = plan.forecast
    if found is None:
        return
    budget = f" of {format_duration(plan.budget_time_s)}" if plan.budget_time_s else ""
    yield (
        f"Time    about {format_duration(found.time_s)}{budget} with {at_once} at once: "
        f"tune {format_duration(found.tune_s)}, confirm {format_duration(found.confirm_s)}, "
        "the rest to start and end"
    )
    available = plan.machine.memory_available_mib
    of_memory = f" of {_size(available)} available" if available is not None else ""
    on_gpu = f", {_size(found.gpu_memory_mib)} of the GPU a trial" if found.gpu_memory_mib else ""
    yield f"Memory  about {_size(found.memory_mib)}{of_memory}{on_gpu}"
    yield f"Disk    about {_size(found.disk_mib)} of {_size(plan.machine.disk_free_mib)} free"


def format_count(number: float) -> str:
    """Three digits and the SI's letter: `204k`, `1.3M`."""
    for size, letter in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}{letter}"
    return f"{number:.0f}"


def _size(mib: float) -> str:
    return f"{mib / 2**10:.1f} GiB" if mib >= 2**10 else f"{mib:.0f} MiB"


def _variants_table(plan: Plan) -> Table:
    table = _table("variant", "parameters", "FLOPs/token", "tune", "confirm", "tokens")
    if has_cost := plan.forecast is not None:
        for name in ("time", "memory"):
            table.add_column(name, justify="right")
    for each in plan.variants[:_MOST_ROWS]:
        cells = [
            each.variant,
            _range(each.num_parameters),
            _range(each.flops_per_token),
            str(each.tune or "-"),
            str(each.confirm),
            format_count(each.tokens_per_trial),
        ]
        if has_cost and each.cost is not None:
            cells += [format_duration(each.cost.trial_s), _size(each.cost.memory_mib)]
        table.add_row(*map(Text, cells))
    return table


def _range(ends: tuple[int, int]) -> str:
    low, high = ends
    return f"{low:,}" if low == high else f"{format_count(low)} to {format_count(high)}"


def _rungs_table(variants: Sequence[VariantPlan]) -> Table:
    """ASHA's rungs, once for all variants that have the same."""
    names: dict[tuple[tuple[int, float], ...], list[str]] = {}
    for each in variants:
        if each.rungs:
            key = tuple((rung.epoch, rung.trials) for rung in each.rungs)
            names.setdefault(key, []).append(each.variant)
    table = _table("rung of ASHA", "trials expected to reach it")
    for rungs, users in names.items():
        whose = "each variant" if len(users) == len(variants) else ", ".join(users)
        for number, (epoch, trials) in enumerate(rungs):
            is_last = number == len(rungs) - 1
            where = f"epoch {epoch}, the last" if is_last else f"epoch {epoch}"
            table.add_row(Text(where), Text(f"{trials:.3g} of {rungs[0][1]:.0f}, {whose}"))
    return table


def _table(*titles: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, title in enumerate(titles):
        table.add_column(title, justify="right" if number else "left")
    return table
