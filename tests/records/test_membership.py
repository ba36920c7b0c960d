"""Which of the recorded trials are those of the sweep as its file and data now are."""

from __future__ import annotations

from collections.abc import Callable

from lmtune.records import ExperimentFolder, trials_table
from lmtune.spec.identity import study_name
from lmtune.spec.search import FloatRange, Seeds
from lmtune.spec.sweep import SweepSpec
from lmtune.spec.trial import TrialSpec

Record = Callable[..., TrialSpec]
Spec = Callable[..., TrialSpec]

RATE = "optimizer.learning_rate"


def _rewrite(experiment: ExperimentFolder, sweep: SweepSpec, **changes: object) -> SweepSpec:
    edited = sweep.model_copy(update=changes)
    experiment.write_sweep(edited, experiment.read_datasets())
    return edited


def _with_range(sweep: SweepSpec, low: float) -> SweepSpec:
    """The sweep with another range of learning rates in its first variant."""
    gpt, *others = sweep.variants
    searched = {RATE: FloatRange(distribution="log_uniform_values", min=low, max=1e-2)}
    return sweep.model_copy(
        update={"variants": (gpt.model_copy(update={"parameters": searched}), *others)}
    )


def _studied(spec: TrialSpec, sweep: SweepSpec) -> TrialSpec:
    variant = next(each for each in sweep.variants if each.name == spec.variant)
    name = study_name(
        variant,
        method=sweep.method,
        seed=sweep.seeds.tune[0],
        metric=sweep.metric,
        data_fingerprint="f1",
    )
    return spec.model_copy(update={"study": name})


def test_trial_of_other_data_is_left_out_of_the_tables_and_kept_in_the_records(
    experiment: ExperimentFolder, sweep: SweepSpec, record: Record, trial_spec: Spec
) -> None:
    old = record(trial_spec("gpt", "confirm", 1), [2.0], "completed")
    facts = {
        name: each.model_copy(update={"fingerprint": "f2"})
        for name, each in experiment.read_datasets().items()
    }
    experiment.write_sweep(sweep, facts)
    new = trial_spec("gpt", "confirm", 1).model_copy(update={"data_fingerprint": "f2"})
    assert new.trial_id != old.trial_id
    record(new, [1.0], "completed")
    assert trials_table(experiment)["trial_id"].tolist() == [new.trial_id]
    belonging = experiment.sort_out()
    assert belonging.others == {
        old.trial_id: "the text that its data was prepared from has changed"
    }
    assert len(experiment.trials()) == 2


def test_trial_of_another_base_is_left_out_with_the_value_that_differs(
    experiment: ExperimentFolder, sweep: SweepSpec, record: Record, trial_spec: Spec
) -> None:
    spec = record(trial_spec("gpt", "confirm", 1), [2.0], "completed")
    gpt, *others = sweep.variants
    given = {**gpt.given, "training": {"epochs": 5, "steps_per_epoch": 10}}
    longer = gpt.model_copy(update={"given": given})
    _rewrite(experiment, sweep, variants=(longer, *others))
    assert experiment.read_trials() == []
    assert experiment.sort_out().others == {
        spec.trial_id: "training.epochs is 5 in the file and was 3"
    }


def test_trial_of_a_seed_or_variant_that_is_gone_is_left_out(
    experiment: ExperimentFolder, sweep: SweepSpec, record: Record, trial_spec: Spec
) -> None:
    seeded = record(trial_spec("gpt", "confirm", 3), [2.0], "completed")
    named = record(trial_spec("lstm", "confirm", 1), [2.0], "completed")
    kept = record(trial_spec("gpt", "confirm", 1), [2.0], "completed")
    seeds = Seeds(confirm=(1, 2))
    _rewrite(experiment, sweep, seeds=seeds, variants=sweep.variants[:1])
    assert [each.spec for each in experiment.read_trials()] == [kept]
    assert experiment.sort_out().others == {
        seeded.trial_id: "seed 3 is none of the confirm seeds, [1, 2]",
        named.trial_id: "there is no variant `lstm` any more",
    }


def test_trials_of_a_search_that_was_changed_are_left_out_and_its_winner_with_them(
    experiment: ExperimentFolder, sweep: SweepSpec, record: Record, trial_spec: Spec
) -> None:
    tuned = record(_studied(trial_spec("gpt", "tune", 0, 3e-3), sweep), [2.0], "completed")
    confirmed = record(trial_spec("gpt", "confirm", 1, 3e-3), [2.0], "completed")
    assert len(experiment.read_trials()) == 2

    edited = _with_range(sweep, 1e-3)
    experiment.write_sweep(edited, experiment.read_datasets())
    assert experiment.read_trials() == []
    assert set(experiment.sort_out().others) == {tuned.trial_id, confirmed.trial_id}

    again = _studied(trial_spec("gpt", "tune", 0, 3e-3), edited)  # the new search comes to it, too
    assert again.trial_id == tuned.trial_id
    record(again, [2.0], "completed")
    assert {each.spec.trial_id for each in experiment.read_trials()} == {
        tuned.trial_id,
        confirmed.trial_id,
    }


def test_trial_recorded_before_searches_were_noted_belongs_where_its_values_do(
    experiment: ExperimentFolder, record: Record, trial_spec: Spec
) -> None:
    spec = record(trial_spec("gpt", "tune", 0), [2.0], "stopped")
    assert spec.study == ""
    assert [each.spec for each in experiment.read_trials()] == [spec]


def test_folder_when_moved_aside_is_whole_and_another_begins(
    experiment: ExperimentFolder, record: Record, trial_spec: Spec
) -> None:
    spec = record(trial_spec(), [2.0], "completed")
    aside = experiment.move_aside()
    assert aside.name.startswith("toy.old-20")
    assert not experiment.path.exists()
    assert [each.trial_id for each in ExperimentFolder(aside).trials()] == [spec.trial_id]
    experiment.path.mkdir()
    assert experiment.move_aside() != aside
