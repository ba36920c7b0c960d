"""Against a real MLflow with a real SQLite database."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow.entities import Run

from lmtune.spec.result import Status
from lmtune.tracking import background, mlflow_observer
from tests.tracking.simulation import (
    Sweep,
    Tracked,
    make_evaluation,
    make_trial,
    statuses,
    wait_until,
)

BASE = make_trial()
OTHER = make_trial(3e-3, seed=1, variant="wide")


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "_GATHER_S", 0.05)
    monkeypatch.setattr(background, "_FIRST_PAUSE_S", 0.05)


@pytest.fixture
def no_mlflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow must not be used from here on."""

    def refuse() -> None:
        raise AssertionError("MLflow was loaded")

    monkeypatch.setattr(mlflow_observer, "_load_mlflow_runs", refuse)


def killed_driver(project: Path, epochs: int) -> Sweep:
    """A sweep whose driver died in the middle of a trial, with all it had seen in MLflow."""
    sweep = Sweep(project)
    sweep.start()
    sweep.start_trial(BASE)
    sweep.evaluate(BASE, *(make_evaluation(epoch) for epoch in range(1, epochs + 1)))

    def is_written() -> bool:
        runs = sweep_runs(project)
        child = next((run for run in runs if "lmtune.trial_id" in run.data.tags), None)
        return child is not None and child.data.metrics.get("epoch") == epochs

    wait_until(is_written)
    return sweep


def sweep_runs(project: Path) -> list[Run]:
    """The runs so far; none before the MLflow experiment exists."""
    try:
        return Tracked(project, "demo").runs
    except AssertionError:
        return []


def test_sweep_when_it_ended_is_one_parent_and_one_child_a_trial(project: Path) -> None:
    sweep = Sweep(project)
    sweep.start()
    sweep.run_trial(BASE)
    sweep.run_trial(OTHER)
    sweep.end()
    tracked = sweep.tracked()
    (parent,) = tracked.parents
    assert parent.info.status == "FINISHED"
    assert parent.info.run_name == "demo"
    assert parent.data.tags["mlflow.note.content"] == "Does it log?"
    assert parent.data.tags["lmtune.git_commit"] == "abc123"
    assert tracked.children.keys() == {BASE.trial_id, OTHER.trial_id}
    for run in tracked.children.values():
        assert run.info.status == "FINISHED"
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert tracked.experiment.artifact_location == f"{project}/mlruns/artifacts/demo"
    assert sweep.mlflow.problems == []


def test_child_run_says_what_the_trial_is(project: Path) -> None:
    sweep = Sweep(project)
    sweep.start()
    sweep.run_trial(OTHER)
    sweep.end()
    run = sweep.tracked().children[OTHER.trial_id]
    assert run.info.run_name == "wide, tune, seed 1, learning_rate 0.003"
    tags = {name: value for name, value in run.data.tags.items() if name.startswith("lmtune.")}
    assert tags == {
        "lmtune.trial_id": OTHER.trial_id,
        "lmtune.variant": "wide",
        "lmtune.phase": "tune",
        "lmtune.seed": "1",
        "lmtune.data_fingerprint": "f00d",
        "lmtune.git_commit": "abc123",
        "lmtune.status": "completed",
        "lmtune.epochs_done": "4",
    }
    expected = {
        "optimizer.learning_rate": "0.003",
        "model.type": "lstm",
        "model.hidden_size": "8",
        "model.carry_state": "false",
        "dataset.corpus.type": "python_docs",
        "training.gradient_clip": "null",
        "seed": "1",
        "num_parameters": "1200",
        "num_non_embedding_parameters": "1000",
        "flops_per_token": "7200",
    }
    assert expected.items() <= run.data.params.items()


def test_metrics_are_every_number_of_the_curve_at_step_epoch(project: Path) -> None:
    sweep = Sweep(project)
    sweep.start()
    sweep.run_trial(BASE)
    sweep.end()
    tracked = sweep.tracked()
    for name in make_evaluation(1).model_dump(exclude_none=True):
        expected = [(epoch, getattr(make_evaluation(epoch), name)) for epoch in (1, 2, 3, 4)]
        assert tracked.points(BASE, name) == expected, name
    assert tracked.points(BASE, "best_val_loss") == [(1, 2.5), (2, 2.0), (3, 2.0), (4, 2.0)]
    assert tracked.points(BASE, "best_epoch") == [(1, 1), (2, 2), (3, 2), (4, 2)]
    assert tracked.points(BASE, "tokens_per_second") == [(epoch, 3200.0) for epoch in (1, 2, 3, 4)]


def test_metrics_when_a_loss_is_not_finite_are_kept_and_never_best(project: Path) -> None:
    sweep = Sweep(project)
    sweep.start()
    sweep.start_trial(BASE)
    sweep.evaluate(BASE, make_evaluation(1, float("nan")), make_evaluation(2, 3.0))
    sweep.end_trial(BASE, "diverged", "loss became nan at step 21")
    sweep.end()
    tracked = sweep.tracked()
    assert [epoch for epoch, _ in tracked.points(BASE, "val_loss")] == [1, 2]
    assert tracked.points(BASE, "best_val_loss") == [(2, 3.0)]
    tags = tracked.children[BASE.trial_id].data.tags
    assert tags["lmtune.message"] == "loss became nan at step 21"


def test_metrics_of_a_long_curve_are_all_there(project: Path) -> None:
    sweep = Sweep(project)
    sweep.start()
    sweep.run_trial(BASE, epochs=130)  # more numbers than MLflow takes in one call
    sweep.end()
    tracked = sweep.tracked()
    assert [epoch for epoch, _ in tracked.points(BASE, "val_loss")] == list(range(1, 131))
    assert tracked.children[BASE.trial_id].data.params["seed"] == "0"
    assert sweep.mlflow.num_failures == 0


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("completed", "FINISHED"),
        ("stopped", "KILLED"),
        ("interrupted", "KILLED"),
        ("diverged", "FAILED"),
        ("failed", "FAILED"),
    ],
)
def test_status_of_a_run_follows_from_how_the_trial_ended(
    status: Status, expected: str, project: Path
) -> None:
    sweep = Sweep(project)
    sweep.start()
    sweep.run_trial(BASE, status, epochs=2)
    sweep.end()
    assert statuses(sweep.tracked()) == {BASE.trial_id: (expected, status)}


def test_run_while_its_trial_runs_is_running_and_grows(project: Path) -> None:
    sweep = killed_driver(project, epochs=1)
    tracked = sweep.tracked()
    assert statuses(tracked) == {BASE.trial_id: ("RUNNING", "running")}
    assert tracked.parents[0].info.status == "RUNNING"
    assert tracked.points(BASE, "val_loss") == [(1, 2.5)]
    sweep.end(finished=False)


def test_sweep_when_interrupted_leaves_nothing_running(project: Path) -> None:
    sweep = Sweep(project)
    sweep.start()
    sweep.start_trial(BASE)
    sweep.evaluate(BASE, make_evaluation(1))
    sweep.end(finished=False)
    tracked = sweep.tracked()
    assert statuses(tracked) == {BASE.trial_id: ("KILLED", "interrupted")}
    assert tracked.parents[0].info.status == "KILLED"
    assert tracked.parents[0].data.tags["lmtune.status"] == "interrupted"


def test_sweep_when_run_again_adds_no_run_and_does_not_load_mlflow(
    project: Path, request: pytest.FixtureRequest
) -> None:
    sweep = Sweep(project)
    sweep.start()
    sweep.run_trial(BASE)
    sweep.run_trial(OTHER, "stopped", epochs=1)
    sweep.end()
    report = project / "report.md"
    report.write_text("an answer")
    sweep.mlflow.log_artifacts([report])
    before = sweep.tracked()

    request.getfixturevalue("no_mlflow")
    again = Sweep(project)
    again.start()
    again.end()
    again.mlflow.log_artifacts([report])

    assert again.mlflow.problems == []
    assert again.mlflow.num_failures == 0
    after = again.tracked()
    assert [run.to_dictionary() for run in after.runs] == [
        run.to_dictionary() for run in before.runs
    ]


def test_sweep_when_more_trials_are_asked_for_goes_on_in_the_same_parent(project: Path) -> None:
    first = Sweep(project)
    first.start()
    first.run_trial(BASE)
    first.end()
    (parent,) = first.tracked().parents
    more = Sweep(project)
    more.start()
    more.run_trial(OTHER)
    more.end()
    tracked = more.tracked()
    assert [run.info.run_id for run in tracked.parents] == [parent.info.run_id]
    assert tracked.parents[0].info.status == "FINISHED"
    assert tracked.children.keys() == {BASE.trial_id, OTHER.trial_id}


def test_trial_when_resumed_goes_on_in_its_run_without_doubles_or_gaps(project: Path) -> None:
    before = killed_driver(project, epochs=2)
    run_id = before.tracked().children[BASE.trial_id].info.run_id
    resumed = Sweep(project)
    resumed.start()
    resumed.start_trial(BASE)
    resumed.evaluate(BASE, *(make_evaluation(epoch) for epoch in (2, 3, 4)))  # checkpoint at 1
    resumed.end_trial(BASE, "completed")
    resumed.end()
    tracked = resumed.tracked()
    run = tracked.children[BASE.trial_id]
    assert (run.info.run_id, run.info.status) == (run_id, "FINISHED")
    for name in ("val_loss", "elapsed_s", "best_epoch"):
        assert [epoch for epoch, _ in tracked.points(BASE, name)] == [1, 2, 3, 4], name
    assert len(tracked.parents) == 1


def test_trial_when_resumed_after_a_failure_says_nothing_of_it_any_more(project: Path) -> None:
    sweep = Sweep(project)
    sweep.start()
    sweep.start_trial(BASE)
    sweep.end_trial(BASE, "failed", "worker died")
    sweep.end(finished=False)
    resumed = Sweep(project)
    resumed.start()
    resumed.run_trial(BASE)
    resumed.end()
    run = resumed.tracked().children[BASE.trial_id]
    assert run.info.status == "FINISHED"
    assert "lmtune.message" not in run.data.tags


def test_run_left_running_by_a_killed_driver_is_mended_when_the_sweep_is_run_again(
    project: Path,
) -> None:
    killed_driver(project, epochs=2)
    again = Sweep(project)
    again.start()
    again.end(finished=False)
    assert statuses(again.tracked()) == {BASE.trial_id: ("KILLED", "interrupted")}


def test_run_left_running_whose_trial_is_finished_in_the_records_gets_the_rest_of_its_curve(
    project: Path,
) -> None:
    killed = killed_driver(project, epochs=2)
    killed.observers = killed.observers[:1]  # the records were written, MLflow not any more
    killed.evaluate(BASE, make_evaluation(3), make_evaluation(4))
    killed.end_trial(BASE, "completed")
    again = Sweep(project)
    again.start()
    again.end()
    tracked = again.tracked()
    assert statuses(tracked) == {BASE.trial_id: ("FINISHED", "completed")}
    assert [epoch for epoch, _ in tracked.points(BASE, "val_loss")] == [1, 2, 3, 4]
    assert tracked.parents[0].info.status == "FINISHED"


def test_run_that_was_deleted_is_made_again_from_the_records(project: Path) -> None:
    sweep = Sweep(project)
    sweep.start()
    sweep.run_trial(BASE)
    sweep.end()
    tracked = sweep.tracked()
    tracked.client.delete_run(tracked.children[BASE.trial_id].info.run_id)
    again = Sweep(project)
    again.start()
    again.end()
    restored = again.tracked()
    assert statuses(restored) == {BASE.trial_id: ("FINISHED", "completed")}
    assert restored.points(BASE, "val_loss") == [(1, 2.5), (2, 2.0), (3, 2.3), (4, 2.4)]


def test_experiment_that_was_deleted_in_the_ui_is_restored(project: Path) -> None:
    sweep = Sweep(project)
    sweep.start()
    sweep.run_trial(BASE)
    sweep.end()
    tracked = sweep.tracked()
    tracked.client.delete_experiment(tracked.experiment.experiment_id)
    again = Sweep(project)
    again.start()
    again.end()
    assert again.mlflow.problems == []
    assert statuses(again.tracked()) == {BASE.trial_id: ("FINISHED", "completed")}


def test_trial_of_another_size_word_but_the_same_numbers_keeps_its_run(project: Path) -> None:
    same = make_trial(size="large")
    assert same.trial_id == BASE.trial_id
    for trial in (BASE, same):  # MLflow refuses to change a parameter
        sweep = Sweep(project)
        sweep.start()
        sweep.run_trial(trial)
        sweep.end()
        assert sweep.mlflow.problems == []
    assert len(sweep.tracked().children) == 1


def test_artifacts_are_kept_with_the_parent_and_replaced_when_changed(project: Path) -> None:
    sweep = Sweep(project)
    sweep.start()
    sweep.end()
    report, missing = project / "report.md", project / "summary.json"
    for text in ("first", "second"):
        report.write_text(text)
        sweep.mlflow.log_artifacts([report, missing])
    tracked = sweep.tracked()
    (parent,) = tracked.parents
    (artifact,) = tracked.client.list_artifacts(parent.info.run_id)
    assert artifact.path == "report.md"
    kept = project / "mlruns/artifacts/demo" / parent.info.run_id / "artifacts/report.md"
    assert kept.read_text() == "second"
    assert parent.info.status == "FINISHED"
