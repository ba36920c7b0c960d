from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lmtune.errors import UserError
from lmtune.records import DatasetFacts, ExperimentFolder
from lmtune.spec.search import Seeds
from lmtune.spec.sweep import SweepSpec
from lmtune.spec.trial import TrialSpec


def test_sweep_when_written_and_read_is_the_same(
    experiment: ExperimentFolder, sweep: SweepSpec, dataset_facts: DatasetFacts
) -> None:
    assert experiment.read_sweep() == sweep
    assert experiment.read_datasets() == dict.fromkeys(["gpt", "shallow", "lstm"], dataset_facts)


def test_read_sweep_where_no_experiment_is_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        ExperimentFolder(tmp_path / "nothing").read_sweep()
    assert str(caught.value) == (
        f"{tmp_path}/nothing: no experiment here: resolved.json is missing\n"
        "  Expected: the folder of a sweep that was started, such as experiments/<name>\n"
        "  Fix: give that folder, or run the sweep first"
    )


def test_read_sweep_when_altered_names_file_and_field(experiment: ExperimentFolder) -> None:
    text = experiment.resolved_json.read_text().replace('"qmc"', '"guess"')
    experiment.resolved_json.write_text(text)
    with pytest.raises(UserError, match=r"resolved\.json: method: cannot be read: .*'qmc'"):
        experiment.read_sweep()


def test_environment_when_written_and_read_is_the_same(experiment: ExperimentFolder) -> None:
    assert experiment.read_environment() == {}
    experiment.write_environment({"cpu_count": 2, "packages": {"torch": None}})
    assert experiment.read_environment() == {"cpu_count": 2, "packages": {"torch": None}}


def test_sweep_yaml_when_written_keeps_every_character(experiment: ExperimentFolder) -> None:
    text = "name: toy # \u00e9\r\n\tx"
    experiment.write_sweep_yaml(text)
    assert experiment.sweep_yaml.read_bytes() == text.encode()


def test_trials_list_what_was_started_by_id(
    experiment: ExperimentFolder,
    trial_spec: Callable[..., TrialSpec],
    record: Callable[..., TrialSpec],
) -> None:
    ids = [record(trial_spec(seed=seed), [], None).trial_id for seed in range(5)]
    experiment.trial("half_made").path.mkdir()
    assert [folder.trial_id for folder in experiment.trials()] == sorted(ids)


def test_read_trials_orders_by_variant_phase_and_seed(
    experiment: ExperimentFolder,
    sweep: SweepSpec,
    trial_spec: Callable[..., TrialSpec],
    record: Callable[..., TrialSpec],
) -> None:
    seeds = Seeds(tune=(7,), confirm=(1, 2, 10))
    experiment.write_sweep(sweep.model_copy(update={"seeds": seeds}), experiment.read_datasets())
    expected = [
        trial_spec("gpt", "tune", 7),
        trial_spec("gpt", "confirm", 2),
        trial_spec("gpt", "confirm", 10),
        trial_spec("shallow", "confirm", 1),
        trial_spec("lstm", "tune", 7),
    ]
    for spec in reversed(expected):
        record(spec, [1.0], "completed")
    assert [trial.spec for trial in experiment.read_trials()] == expected


def test_read_trials_leaves_out_variants_that_the_sweep_no_longer_has(
    experiment: ExperimentFolder,
    trial_spec: Callable[..., TrialSpec],
    record: Callable[..., TrialSpec],
) -> None:
    kept = record(trial_spec("gpt"), [1.0], "completed")
    gone = trial_spec("lstm").model_copy(update={"variant": "renamed"})
    record(gone, [1.0], "completed")
    assert [trial.spec for trial in experiment.read_trials()] == [kept]
