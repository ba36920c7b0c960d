"""A trial that serves several variants or phases of a sweep: the records hold it once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lmtune.errors import SpecError
from lmtune.records.trial_folder import Role, TrialRecord
from lmtune.spec.sweep import SweepSpec, Variant
from lmtune.spec.trial import TrialConfig


def by_role(record: TrialRecord, sweep: SweepSpec) -> Iterator[TrialRecord]:
    """The record, once for each variant and phase of the sweep that it serves.

    Almost every trial has served one. Where it has served several, those that the sweep does not
    ask for any more, since its file was edited, are left out.
    """
    if not record.roles:
        yield record
        return
    spec = record.spec
    own = Role(variant=spec.variant, phase=spec.phase, parameters=spec.parameters)
    variants = {variant.name: variant for variant in sweep.variants}
    for role in (own, *record.roles):
        variant = variants.get(role.variant)
        config = variant and _asked_for(record, role, sweep, variant)
        if config:
            changes = {**dict(role), "config": config}
            yield replace(record, spec=spec.model_copy(update=changes), roles=())


def _asked_for(
    record: TrialRecord, role: Role, sweep: SweepSpec, variant: Variant
) -> TrialConfig | None:
    """The trial's configuration as the variant has it; None where the sweep has no such trial."""
    seeds = sweep.seeds.tune if role.phase == "tune" else sweep.seeds.confirm
    if record.spec.seed not in seeds or role.parameters.keys() != variant.parameters.keys():
        return None
    try:
        config = variant.trial_config(role.parameters)
    except SpecError:
        return None
    return config if config.content() == record.spec.config.content() else None
