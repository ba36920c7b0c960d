"""A sweep file that is edited between runs and in the middle of one: only the difference runs."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from optuna.trial import TrialState

from tests.e2e.command import Ended, run, start
from tests.e2e.reading import Records, proposal_states, tracked
from tests.faults.disturbing import SWEEP, check_whole, wait_for_epochs

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(900)]

NAME = "edited"
TEXT = SWEEP.replace("undisturbed", NAME).replace("  lstm: ", "  # lstm: ")
"""One variant: three trials to tune and two to confirm."""


def edited(project: Path, *changes: tuple[str, str]) -> None:
    """Write the sweep file with changes to its text."""
    text = TEXT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (project / "sweep.yaml").write_text(text, encoding="utf-8")


def go_on(project: Path, *arguments: str) -> Ended:
    ended = run(project, "sweep.yaml", *arguments)
    assert ended.code == 0, ended.err
    assert ended.processes == {}
    check_whole(project, NAME)
    states = [state for each in proposal_states(project, NAME).values() for state in each]
    assert TrialState.RUNNING not in states
    runs = tracked(project, NAME)
    assert len(runs.parents) == 1
    assert len(runs.by_trial) == len(runs.children)  # one child for each trial
    assert "RUNNING" not in {each.status for each in runs.children}
    return ended


def started(ended: Ended) -> int:
    return sum(" started: seed " in line for line in ended.out.splitlines())


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("edits")


@pytest.fixture(scope="module")
def interrupted(project: Path) -> Path:
    """The first search is interrupted."""
    edited(project)
    with start(project, "sweep.yaml") as command:
        wait_for_epochs(command, project, NAME, 14)
        command.send(signal.SIGINT)
        assert command.wait().code == 130
    return project


def test_sweep_when_its_search_is_edited_in_the_middle_of_it_starts_that_anew(
    interrupted: Path,
) -> None:
    edited(interrupted, ("min: 1e-3", "min: 2e-3"))
    ended = go_on(interrupted)
    assert started(ended) == 3 + 2
    assert "2 trials of earlier versions of the file or the data are kept" in ended.out
    assert len(Records(interrupted, NAME).trials) == 5
    (variant,) = Records(interrupted, NAME).summary["variants"]
    assert variant["trials"] == variant["completed"] == 5
    edited(interrupted)
    ended = go_on(interrupted)  # as it was: the interrupted one goes on, and one is new
    assert started(ended) == 2 + 2
    assert len(Records(interrupted, NAME).trials) == 5


def test_sweep_when_edited_runs_the_difference_alone(interrupted: Path) -> None:
    edited(interrupted)
    go_on(interrupted)
    before = Records(interrupted, NAME).trials
    edited(interrupted, ("confirm: [1, 2]", "confirm: [1, 2, 3]"))
    assert started(go_on(interrupted)) == 1
    edited(interrupted, ("confirm: [1, 2]", "confirm: [1, 2, 3]"), ("trials: 3", "trials: 4"))
    assert started(go_on(interrupted)) in (1, 1 + 3)  # more where the new one is the best
    after = Records(interrupted, NAME).trials
    assert set(before.index) < set(after.index)
    columns = ["val_loss", "best_val_loss", "epochs_done"]
    assert after.loc[before.index, columns].equals(before[columns])


def test_sweep_when_its_data_is_edited_leaves_the_old_trials_out_and_says_why(
    interrupted: Path,
) -> None:
    edited(interrupted)
    go_on(interrupted)
    old = Records(interrupted, NAME).trials.index
    edited(interrupted, ("symbols: 8", "symbols: 7"))
    ended = go_on(interrupted)
    assert started(ended) == 5
    records = Records(interrupted, NAME)
    assert set(records.trials.index).isdisjoint(old)
    assert records.summary["variants"][0]["trials"] == 5
    assert all(records.has_ended(trial_id) for trial_id in old)
    assert "of earlier versions of the file or the data are kept" in ended.out

    said = run(interrupted, "sweep.yaml", "--why", old[0][:8])
    assert said.code == 0, said.err
    assert "not part of the present file" in said.out
    assert "dataset.corpus.symbols is 7 in the file and was 8" in said.out
    said = run(interrupted, "sweep.yaml", "--why", records.trials.index[0])
    assert "completed, epoch 10 of 10: not run again" in said.out


def test_sweep_when_fresh_moves_the_experiment_aside_and_repeats_it(interrupted: Path) -> None:
    edited(interrupted)
    go_on(interrupted)
    before = Records(interrupted, NAME)
    trials, runs = before.trials, tracked(interrupted, NAME).by_trial
    ended = go_on(interrupted, "--fresh")
    assert started(ended) == 5
    (aside,) = (interrupted / "experiments").glob(f"{NAME}.old-*")
    assert str(aside.relative_to(interrupted)) in ended.out
    assert Records(interrupted, aside.name).trials.equals(trials)
    after = Records(interrupted, NAME)
    assert after.trials.val_loss.equals(trials.val_loss)
    assert len(list((after.path / "trials").iterdir())) == 5
    assert tracked(interrupted, NAME).by_trial.keys() == runs.keys()


def test_sweep_when_its_time_is_spent_runs_nothing_until_there_is_more(interrupted: Path) -> None:
    edited(interrupted, ("symbols: 8", "symbols: 6"))
    ended = run(interrupted, "sweep.yaml", "--set", "budget.time=1s")  # earlier runs took longer
    assert ended.code == 0, ended.err
    assert started(ended) == 0
    assert "The time budget is spent, earlier runs included" in ended.out
    assert "raise budget.time" in ended.out
