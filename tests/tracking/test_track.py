"""`python -m lmtune.track` against a real MLflow: what it makes is what a live sweep leaves."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lmtune import track
from lmtune.tracking import background, mlflow_observer, tracked_files
from tests.tracking.simulation import FACTS, Sweep, make_evaluation, make_trial

TUNED = make_trial()
CONFIRMED = [
    make_trial(seed=seed, phase="confirm").model_copy(update={"parameters": {}})
    for seed in (1, 2, 3)
]
"""All that the sweep asks for, which searches nothing."""


pytestmark = pytest.mark.usefixtures("quick_to_make")


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "_FIRST_PAUSE_S", 0.05)


def run_track(*arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    result = CliRunner().invoke(track.app, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def brought_up_to_date(project: Path, *arguments: str) -> dict[str, Any]:
    """What the command says of a sweep that it brought up to date."""
    folder = str(project / "experiments/demo")
    code, out, err = run_track(folder, "--json", *arguments)
    assert (code, err) == (0, "")
    content: dict[str, Any] = json.loads(out)
    return content


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory, migrated_database: Path) -> Path:
    """The project of a sweep that ended, a trial of every kind in it, that MLflow followed."""
    project = tmp_path_factory.mktemp("followed")
    (project / "mlruns").mkdir()
    shutil.copy(migrated_database, project / "mlruns/mlflow.db")
    sweep = Sweep(project)
    sweep.write_inputs()
    sweep.start()
    for trial in CONFIRMED:
        sweep.start_trial(trial)
        sweep.evaluate(trial, make_evaluation(1))
        written = make_evaluation(2).model_copy(update={"val_bleu": 31.5, "val_chrf": 50.25})
        sweep.evaluate(trial, written, make_evaluation(3), make_evaluation(4))
        sweep.end_trial(trial, "completed")
    sweep.run_trial(make_trial(1e-2), "stopped", epochs=1)
    sweep.run_trial(make_trial(2e-2), "interrupted", epochs=2)
    diverged, failed = make_trial(3e-2), make_trial(4e-2)
    sweep.start_trial(diverged)
    sweep.evaluate(diverged, make_evaluation(1, float("nan")))
    sweep.end_trial(diverged, "diverged", "loss became nan at step 11")
    sweep.start_trial(failed)
    sweep.end_trial(failed, "failed", "at http://me:hunter2@host: no route")
    sweep.end()
    sweep.records.report_md.write_text("an answer")
    sweep.mlflow.log_artifacts(tracked_files(sweep.records))
    assert sweep.mlflow.problems == []
    assert sweep.mlflow.tracked is not None
    assert sweep.mlflow.tracked.num_added == 8
    return project


@pytest.fixture
def live_sweep(followed: Path, tmp_path: Path) -> Sweep:
    """A copy of that sweep."""
    project = tmp_path / "copy"
    shutil.copytree(followed, project)
    return Sweep(project)


def recorded_sweep(project: Path) -> Sweep:
    """A sweep that MLflow knows nothing of."""
    sweep = Sweep(project)
    sweep.write_inputs()
    sweep.observers = sweep.observers[:1]
    sweep.run_trial(TUNED)
    return sweep


def test_track_after_the_database_was_deleted_makes_what_the_live_sweep_left(
    live_sweep: Sweep,
) -> None:
    live = live_sweep.tracked().content()
    assert live["sweep"]["tags"]["lmtune.status"] == "finished"
    assert live["files"].keys() == {"sweep.yaml", "report.md"}

    shutil.rmtree(live_sweep.project / "mlruns")
    said = brought_up_to_date(live_sweep.project)
    tracked = live_sweep.tracked()

    assert tracked.content() == live
    assert said == {
        "experiment": "demo",
        "parent_run_id": tracked.parents[0].info.run_id,
        "runs": 8,
        "added": 8,
    }


def test_metrics_of_written_text_are_logged_where_they_were_measured(live_sweep: Sweep) -> None:
    trial, tracked = CONFIRMED[0], live_sweep.tracked()
    assert tracked.points(trial, "val_bleu") == [(2, 31.5)]
    assert tracked.points(trial, "val_chrf") == [(2, 50.25)]
    run = tracked.children[trial.trial_id]
    assert "val_exact_match" not in run.data.metrics
    assert FACTS.bleu_signature is None
    assert "bleu_signature" not in run.data.params


def test_track_a_second_time_adds_nothing_and_does_not_load_mlflow(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = recorded_sweep(project)
    first = brought_up_to_date(project)
    before = [run.to_dictionary() for run in sweep.tracked().runs]

    def refuse() -> None:
        raise AssertionError("MLflow was loaded")

    monkeypatch.setattr(mlflow_observer, "_load_mlflow_runs", refuse)
    assert brought_up_to_date(project) == {**first, "added": 0}
    assert [run.to_dictionary() for run in sweep.tracked().runs] == before


def test_track_after_a_sweep_that_mlflow_followed_finds_nothing_to_add(live_sweep: Sweep) -> None:
    before = live_sweep.tracked().content()
    assert brought_up_to_date(live_sweep.project)["added"] == 0
    assert live_sweep.tracked().content() == before


def test_track_when_mlflow_is_behind_writes_the_rest_in_the_same_runs(project: Path) -> None:
    sweep = Sweep(project)
    sweep.write_inputs()
    sweep.run_trial(TUNED, "interrupted", epochs=2)
    sweep.end(finished=False)
    before = sweep.tracked()
    sweep.observers = sweep.observers[:1]  # the records go on, MLflow does not
    sweep.start_trial(TUNED)
    sweep.evaluate(TUNED, make_evaluation(2), make_evaluation(3), make_evaluation(4))
    sweep.end_trial(TUNED, "completed")
    sweep.run_trial(CONFIRMED[0])

    assert brought_up_to_date(project)["added"] == 1
    after = sweep.tracked()
    assert after.parents[0].info.run_id == before.parents[0].info.run_id
    run = after.children[TUNED.trial_id]
    assert run.info.run_id == before.children[TUNED.trial_id].info.run_id
    assert (run.info.status, run.data.tags["lmtune.epochs_done"]) == ("FINISHED", "4")
    assert [epoch for epoch, _ in after.points(TUNED, "val_loss")] == [1, 2, 3, 4]
    assert after.children.keys() == {TUNED.trial_id, CONFIRMED[0].trial_id}


def test_track_after_all_runs_were_deleted_in_the_ui_makes_them_again(live_sweep: Sweep) -> None:
    before = live_sweep.tracked()
    live = before.content()
    for run in before.runs:
        before.client.delete_run(run.info.run_id)
    assert brought_up_to_date(live_sweep.project)["added"] == 8
    assert live_sweep.tracked().content() == live


def test_track_after_the_parent_was_deleted_in_the_ui_puts_the_children_under_a_new_one(
    live_sweep: Sweep,
) -> None:
    before = live_sweep.tracked()
    before.client.delete_run(before.parents[0].info.run_id)
    assert brought_up_to_date(live_sweep.project)["added"] == 1
    after = live_sweep.tracked()
    assert after.content() == before.content()
    assert {trial_id: run.info.run_id for trial_id, run in after.children.items()} == {
        trial_id: run.info.run_id for trial_id, run in before.children.items()
    }


def test_track_when_a_lost_answer_made_a_run_twice_keeps_the_one_that_holds_more(
    live_sweep: Sweep,
) -> None:
    before = live_sweep.tracked()
    first = CONFIRMED[0].trial_id
    for run in (before.parents[0], before.children[first]):
        before.client.create_run(
            before.experiment.experiment_id,
            start_time=run.info.start_time,
            run_name=run.info.run_name,
            tags=run.data.tags,
        )
    assert len(live_sweep.tracked().runs) == len(before.runs) + 2
    assert brought_up_to_date(live_sweep.project)["added"] == 0
    assert live_sweep.tracked().content() == before.content()


def test_track_when_a_run_was_left_running_whose_trial_is_gone_ends_it(project: Path) -> None:
    sweep = recorded_sweep(project)
    brought_up_to_date(project)
    tracked = sweep.tracked()
    run = tracked.children[TUNED.trial_id]
    tracked.client.update_run(run.info.run_id, status="RUNNING")
    shutil.rmtree(sweep.records.trial(TUNED.trial_id).path)
    brought_up_to_date(project)
    (child,) = sweep.tracked().children.values()
    assert (child.info.status, child.data.tags["lmtune.status"]) == ("KILLED", "interrupted")


def test_track_leaves_a_users_own_runs_alone(project: Path) -> None:
    sweep = recorded_sweep(project)
    brought_up_to_date(project)
    tracked = sweep.tracked()
    own = tracked.client.create_run(tracked.experiment.experiment_id, tags={"mine": "1"})
    shutil.rmtree(sweep.records.trial(TUNED.trial_id).path)
    sweep.run_trial(TUNED)
    assert brought_up_to_date(project)["runs"] == 2
    left = tracked.client.get_run(own.info.run_id)
    assert left.info.to_proto() == own.info.to_proto()
    assert left.data.tags == own.data.tags


def test_track_when_given_another_uri_writes_there(project: Path) -> None:
    recorded_sweep(project)
    folder = str(project / "experiments/demo")
    code, out, _ = run_track(folder, "--uri", "sqlite:///elsewhere/runs.db")
    assert code == 0
    assert out == f"sqlite:///{project}/elsewhere/runs.db: 2 runs of demo, 2 added\n"
    with closing(sqlite3.connect(project / "mlruns/mlflow.db")) as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (0,)


def test_track_when_a_record_is_unreadable_says_which_and_writes_the_others(
    project: Path,
) -> None:
    sweep = recorded_sweep(project)
    sweep.run_trial(CONFIRMED[0])
    broken = sweep.records.trial(TUNED.trial_id)
    broken.spec_json.write_text("{")
    code, _, err = run_track(str(sweep.records.path))
    assert code == 1
    assert err.startswith(f"{broken.spec_json}: cannot be read")
    assert f"Fix: move {broken.path} away" in err
    assert sweep.tracked().children.keys() == {CONFIRMED[0].trial_id}


def test_track_while_a_command_holds_the_experiment_leaves_it_alone(project: Path) -> None:
    sweep = recorded_sweep(project)
    with sweep.records.hold():
        code, _, err = run_track(str(sweep.records.path))
    assert code == 2
    assert "the experiment is in use by process" in err
    assert "Fix: leave it to that command, which brings MLflow up to date itself" in err


def test_track_when_the_server_is_away_says_what_to_do(project: Path) -> None:
    sweep = recorded_sweep(project)
    code, out, err = run_track(str(sweep.records.path), "--uri", "http://me:hunter2@127.0.0.1:9")
    assert (code, out) == (1, "")
    assert err == (
        "tracking.mlflow.uri: MLflow at http://***@127.0.0.1:9 could not be brought up to date: "
        "Connection refused\n"
        "  Fix: see that its server runs and that the address is right, then run "
        "`python -m lmtune.track experiments/demo`, or the sweep's command again; "
        "the records hold everything\n"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["experiments/none"], "no experiment here: resolved.json is missing"),
        (["demo.yaml"], "is a file"),
        (["experiments/demo", "--uri", "mlruns"], "--uri: 'mlruns' has no scheme"),
        (["experiments/demo", "--uri", "sqlite:///demo.yaml"], "it is no SQLite database"),
    ],
)
def test_track_when_an_argument_is_wrong_says_so(
    arguments: list[str], said: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded_sweep(project)
    (project / "demo.yaml").write_text("name: demo, which is no database")
    monkeypatch.chdir(project)
    code, out, err = run_track(*arguments)
    assert (code, out) == (2, "")
    assert said in " ".join(err.replace("\u2502", " ").split())  # typer draws a box
