"""The plan that a run goes by: made when it starts, or the one that was made before."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from lmtune.datasets import PreparedDatasets
from lmtune.errors import ResourceError
from lmtune.plan import probe_bar
from lmtune.plan_text import print_plan
from lmtune.planning.identity import content_hash
from lmtune.planning.limits import over_limits
from lmtune.planning.make import make_plan
from lmtune.records import ExperimentFolder
from lmtune.spec.plan import Plan
from lmtune.spec.sweep import SweepSpec

_USUAL_FLOPS_PER_S = 20e9
"""Of one CPU core that trains a small model: only to tell minutes from hours."""

_WORTH_A_PROBE_S = 300.0


def plan_run(
    sweep: SweepSpec,
    *,
    spec: Path,
    prepared: PreparedDatasets,
    project: Path,
    folder: ExperimentFolder,
    console: Console,
    is_local: bool,
) -> Plan:
    """Print and keep the plan of a sweep that is about to start, or say that it will not fit.

    What was measured for the same content before holds. Else a sweep that is long, by its FLOPs, is
    measured now, which takes seconds; a short one is not kept waiting.

    Args:
        sweep: as understood, its widths matched.
        spec: its file, for messages.
        prepared: the data of all variants.
        project: the folder that the sweep runs in.
        folder: of the experiment.
        console: where the plan is printed.
        is_local: whether trials run on this machine; what they cost elsewhere is not known.

    Raises:
        ResourceError: nothing has run yet, and it would take more than its budget or the machine
            has.
    """
    plan = folder.read_plan()
    if plan is None or plan.content_hash != content_hash(sweep, prepared):
        plan = _make(sweep, prepared, project, is_local=is_local)
        folder.write_plan(plan)
    plan = plan.model_copy(update={"budget_time_s": sweep.budget.time_s})
    if not folder.trials():
        print_plan(plan, console)
        if is_local and (problems := over_limits(plan, sweep, str(spec))):
            raise ResourceError(problems)
    return plan


def _make(sweep: SweepSpec, prepared: PreparedDatasets, project: Path, *, is_local: bool) -> Plan:
    plan = make_plan(sweep, prepared, project, probe=None)
    cores = plan.machine.trials_at_once * sweep.resources.cpu
    usual_s = plan.train_flops / (cores * _USUAL_FLOPS_PER_S)
    if not is_local or usual_s < _WORTH_A_PROBE_S:
        return plan
    with probe_bar(Console(stderr=True)) as watch:
        return make_plan(sweep, prepared, project, probe=watch)
