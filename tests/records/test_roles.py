"""A trial that serves several variants or phases is recorded once, and read for each of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lmtune.records import ExperimentFolder, TrialFolder, curves_table, trials_table
from lmtune.spec.result import TrialFacts
from lmtune.spec.search import FloatRange, Seeds
from lmtune.spec.sweep import SweepSpec, Variant
from lmtune.spec.trial import TrialSpec

Record = Callable[..., TrialSpec]
Spec = Callable[..., TrialSpec]

RATE = "optimizer.learning_rate"


def _fixed(searched: Variant, learning_rate: float) -> Variant:
    """A variant that sets what another one searches."""
    given = {**searched.given, "optimizer": {"type": "adamw", "learning_rate": learning_rate}}
    plain = searched.model_copy(update={"name": "fixed", "given": given, "parameters": {}})
    return plain.model_copy(update={"config": plain.trial_config({})})


def _for(spec: TrialSpec, variant: str, learning_rate: float | None = None) -> TrialSpec:
    """The same trial as a variant's confirm trial."""
    parameters = {} if learning_rate is None else {RATE: learning_rate}
    changes = {"variant": variant, "phase": "confirm", "parameters": parameters}
    return spec.model_copy(update=changes)


@pytest.fixture
def shared(experiment: ExperimentFolder, sweep: SweepSpec) -> SweepSpec:
    """The sweep with a variant that is what `gpt` may arrive at."""
    gpt, *others = sweep.variants
    changed = sweep.model_copy(update={"variants": (gpt, _fixed(gpt, 1e-3), *others)})
    facts = next(iter(experiment.read_datasets().values()))
    experiment.write_sweep(changed, {variant.name: facts for variant in changed.variants})
    return changed


@pytest.fixture
def both(
    experiment: ExperimentFolder,
    shared: SweepSpec,
    record: Record,
    trial_spec: Spec,
    facts: TrialFacts,
) -> TrialFolder:
    """A trial of `gpt` that `fixed` asked for as well."""
    spec = record(trial_spec("gpt", "confirm", 1), [2.0, 1.5], "completed")
    folder = experiment.trial(spec.trial_id)
    folder.write_spec(_for(spec, "fixed"), facts)
    return folder


def _roles(experiment: ExperimentFolder) -> list[tuple[str, str]]:
    return [(record.spec.variant, record.spec.phase) for record in experiment.read_trials()]


def test_trial_that_two_variants_asked_for_is_read_for_both(
    experiment: ExperimentFolder, both: TrialFolder
) -> None:
    records = experiment.read_trials()
    assert _roles(experiment) == [("gpt", "confirm"), ("fixed", "confirm")]
    assert [record.spec.parameters for record in records] == [{RATE: 1e-3}, {}]
    assert {record.spec.trial_id for record in records} == {both.trial_id}
    assert [record.status for record in records] == ["completed", "completed"]


def test_tables_have_a_row_for_each_variant_and_one_curve(
    experiment: ExperimentFolder, both: TrialFolder
) -> None:
    trials = trials_table(experiment)
    assert trials["variant"].tolist() == ["gpt", "fixed"]
    assert trials["val_loss"].tolist() == [1.5, 1.5]
    assert curves_table(experiment)["epoch"].tolist() == [1, 2]


def test_trial_that_is_asked_for_again_in_turn_keeps_both(
    experiment: ExperimentFolder, both: TrialFolder, facts: TrialFacts
) -> None:
    fixed = both.read_spec()
    for _ in range(3):
        both.write_spec(_for(fixed, "gpt", 1e-3), facts)
        both.write_spec(fixed, facts)
    assert _roles(experiment) == [("gpt", "confirm"), ("fixed", "confirm")]


def test_tune_trial_that_an_edit_of_the_seeds_makes_a_confirm_trial_is_that_alone(
    experiment: ExperimentFolder,
    sweep: SweepSpec,
    record: Record,
    trial_spec: Spec,
    facts: TrialFacts,
) -> None:
    spec = record(trial_spec("gpt", "tune", 0), [2.0], "completed")
    edited = sweep.model_copy(update={"seeds": Seeds(tune=(5,), confirm=(0, 1))})
    experiment.write_sweep(edited, experiment.read_datasets())
    experiment.trial(spec.trial_id).write_spec(_for(spec, "gpt", 1e-3), facts)
    assert _roles(experiment) == [("gpt", "confirm")]


def test_tune_and_confirm_trial_of_one_id_count_in_both_phases(
    experiment: ExperimentFolder,
    sweep: SweepSpec,
    record: Record,
    trial_spec: Spec,
    facts: TrialFacts,
) -> None:
    spec = record(trial_spec("gpt", "tune", 1), [2.0], "completed")
    seeds = sweep.seeds.model_copy(update={"tune": (1,)})
    experiment.write_sweep(sweep.model_copy(update={"seeds": seeds}), experiment.read_datasets())
    experiment.trial(spec.trial_id).write_spec(_for(spec, "gpt", 1e-3), facts)
    assert _roles(experiment) == [("gpt", "tune"), ("gpt", "confirm")]


def test_role_whose_variant_has_another_configuration_by_now_is_left_out(
    experiment: ExperimentFolder, shared: SweepSpec, both: TrialFolder
) -> None:
    gpt, fixed, *others = shared.variants
    moved = _fixed(fixed, 5e-3)
    edited = shared.model_copy(update={"variants": (gpt, moved, *others)})
    experiment.write_sweep(edited, experiment.read_datasets())
    assert _roles(experiment) == [("gpt", "confirm")]


def test_role_of_a_search_that_is_gone_is_left_out(
    experiment: ExperimentFolder, shared: SweepSpec, both: TrialFolder
) -> None:
    gpt, *others = shared.variants
    parameters = {**gpt.parameters, "model.dropout": FloatRange(min=0.0, max=0.5)}
    edited = shared.model_copy(
        update={"variants": (gpt.model_copy(update={"parameters": parameters}), *others)}
    )
    experiment.write_sweep(edited, experiment.read_datasets())
    assert _roles(experiment) == [("fixed", "confirm")]


def test_roles_of_a_record_that_is_torn_are_not_missed(
    both: TrialFolder, facts: TrialFacts
) -> None:
    spec = both.read_spec()
    both.spec_json.write_text("{")
    both.write_spec(spec, facts)
    assert both.read().roles == ()
