from __future__ import annotations

from pathlib import Path

import pytest

from lmtune.records import ExperimentFolder
from lmtune.spec.result import TrialResult
from lmtune.tracking import RecordsObserver
from tests.tracking.simulation import FACTS, make_evaluation, make_trial

TRIAL = make_trial()


@pytest.fixture
def folder(tmp_path: Path) -> ExperimentFolder:
    return ExperimentFolder(tmp_path / "demo")


def observe(folder: ExperimentFolder, *epochs: int) -> RecordsObserver:
    """The observer of a driver that started the trial and saw these epochs."""
    observer = RecordsObserver(folder)
    observer.trial_started(TRIAL, FACTS)
    for epoch in epochs:
        observer.trial_evaluated(TRIAL, make_evaluation(epoch))
    return observer


def result(epochs_done: int) -> TrialResult:
    return TrialResult(
        trial_id=TRIAL.trial_id,
        status="completed",
        epochs_done=epochs_done,
        facts=FACTS,
        train_time_s=2.0,
    )


def test_records_after_a_trial_hold_spec_facts_curve_and_result(folder: ExperimentFolder) -> None:
    observe(folder, 1, 2).trial_ended(TRIAL, result(2))
    record = folder.trial(TRIAL.trial_id).read()
    assert (record.spec, record.facts) == (TRIAL, FACTS)
    assert record.curve == (make_evaluation(1), make_evaluation(2))
    assert record.result == result(2)


def test_curve_when_an_evaluation_arrives_is_readable_at_once(folder: ExperimentFolder) -> None:
    observe(folder, 1)
    assert folder.trial(TRIAL.trial_id).read_curve() == [make_evaluation(1)]


def test_curve_when_resumed_from_an_earlier_epoch_is_cut_in_the_file(
    folder: ExperimentFolder,
) -> None:
    observe(folder, 1, 2, 3)
    observe(folder, 2)
    trial = folder.trial(TRIAL.trial_id)
    assert [row.epoch for row in trial.read_curve()] == [1, 2]
    assert len(trial.curve_jsonl.read_text().splitlines()) == 2


def test_curve_when_resumed_where_it_ended_goes_on(folder: ExperimentFolder) -> None:
    observe(folder, 1, 2)
    observe(folder, 3)
    assert [row.epoch for row in folder.trial(TRIAL.trial_id).read_curve()] == [1, 2, 3]


def test_curve_when_the_last_row_was_torn_goes_on_after_the_whole_rows(
    folder: ExperimentFolder,
) -> None:
    observe(folder, 1, 2)
    curve_jsonl = folder.trial(TRIAL.trial_id).curve_jsonl
    curve_jsonl.write_text(curve_jsonl.read_text()[:-20])
    observe(folder, 2, 3)
    assert [row.epoch for row in folder.trial(TRIAL.trial_id).read_curve()] == [1, 2, 3]


def test_result_when_the_trial_starts_again_is_gone(folder: ExperimentFolder) -> None:
    observe(folder, 1).trial_ended(TRIAL, result(1))
    observe(folder)
    assert folder.trial(TRIAL.trial_id).read_result() is None


def test_timeline_of_a_run_has_the_time_of_each_trial(folder: ExperimentFolder) -> None:
    observe(folder, 1).trial_ended(TRIAL, result(1))
    (span,) = folder.timeline.spans()
    assert (span.trial_id, span.is_cut) == (TRIAL.trial_id, False)
