"""Makes the plan of a sweep."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from lmtune.datasets import PreparedDatasets
from lmtune.machine import available_cpus, available_gpus, available_memory
from lmtune.planning.costs import cost_of, shapes_to_probe
from lmtune.planning.forecast import forecast
from lmtune.planning.halving import expected_epochs, expected_rungs
from lmtune.planning.identity import content_hash
from lmtune.planning.measured import Measured
from lmtune.planning.probes import Watch, measure_shapes
from lmtune.planning.typical import TypicalTrial, typical_trials
from lmtune.spec.plan import Machine, Plan, VariantPlan
from lmtune.spec.sweep import Resources, SweepSpec, Variant

_DRAWS_IN_ALL = 2000
_MOST_DRAWS = 32


def make_plan(
    sweep: SweepSpec, prepared: PreparedDatasets, project: Path, *, probe: Watch | None
) -> Plan:
    """Count what a sweep will do, and measure what that costs.

    Args:
        sweep: as understood, its widths matched.
        prepared: the data of all variants.
        project: the folder that records and checkpoints are written in.
        probe: told how far measuring has come; nothing is measured if None.

    Raises:
        ResourceError: a model could not be trained here.
    """
    num_draws = max(2, min(_MOST_DRAWS, _DRAWS_IN_ALL // len(sweep.variants)))
    trials = {each.name: typical_trials(each, prepared, num_draws) for each in sweep.variants}
    machine = _machine(sweep.resources, project)
    num_trials = sum(
        sweep.num_tune_trials(each) + sweep.num_confirm_trials(each) for each in sweep.variants
    )
    measured: dict[str, Measured] = {}
    if probe is not None:
        measured = measure_shapes(
            shapes_to_probe(trials.values()),
            num_at_once=min(machine.trials_at_once, num_trials),
            resources=sweep.resources,
            scratch=project,
            watch=probe,
        )
    variants = tuple(_variant(sweep, each, trials[each.name], measured) for each in sweep.variants)
    return Plan(
        name=sweep.name,
        question=sweep.question,
        content_hash=content_hash(sweep, prepared),
        variants=variants,
        trials=num_trials,
        train_tokens=round(sum(_epochs(each) * _tokens_an_epoch(each) for each in variants)),
        train_flops=sum(
            _epochs(each) * _tokens_an_epoch(each) * sum(each.flops_per_token) / 2
            for each in variants
        ),
        budget_time_s=sweep.budget.time_s,
        machine=machine,
        forecast=forecast(
            variants,
            trials_at_once=machine.trials_at_once,
            on_gpu=sweep.resources.gpu > 0,
            keep=sweep.keep,
        ),
    )


def _machine(resources: Resources, project: Path) -> Machine:
    slots = int(available_cpus() // resources.cpu)
    if resources.gpu:
        slots = min(slots, int(available_gpus() / resources.gpu))
    memory = available_memory()
    return Machine(
        trials_at_once=max(1, min(slots, resources.max_concurrent or slots)),
        memory_available_mib=None if memory is None else memory / 2**20,
        disk_free_mib=shutil.disk_usage(project).free / 2**20,
    )


def _variant(
    sweep: SweepSpec,
    variant: Variant,
    trials: Sequence[TypicalTrial],
    measured: Mapping[str, Measured],
) -> VariantPlan:
    tune = sweep.num_tune_trials(variant)
    epochs = round(_mean([trial.config.training.epochs for trial in trials]))
    counts = [trial.facts.num_parameters for trial in trials]
    flops = [trial.facts.flops_per_token for trial in trials]
    return VariantPlan(
        variant=variant.name,
        num_parameters=(min(counts), max(counts)),
        flops_per_token=(min(flops), max(flops)),
        tokens_per_trial=round(_mean([trial.tokens for trial in trials])),
        epochs=epochs,
        tune=tune,
        confirm=sweep.num_confirm_trials(variant),
        rungs=expected_rungs(sweep.early_terminate, trials=tune, epochs=epochs),
        cost=cost_of(trials, measured) if measured else None,
    )


def _epochs(variant: VariantPlan) -> float:
    """That all trials of a variant train together."""
    return expected_epochs(variant.rungs) + variant.confirm * variant.epochs


def _tokens_an_epoch(variant: VariantPlan) -> float:
    return variant.tokens_per_trial / variant.epochs


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
