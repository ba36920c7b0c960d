from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from lmtune.errors import UserError
from lmtune.records import ExperimentFolder, TrialFolder
from lmtune.spec.result import Evaluation, TrialFacts, TrialResult
from lmtune.spec.trial import TrialSpec

Evaluate = Callable[..., Evaluation]


@pytest.fixture
def folder(tmp_path: Path, facts: TrialFacts, trial_spec: Callable[..., TrialSpec]) -> TrialFolder:
    """A trial that has just started."""
    folder = TrialFolder(tmp_path / trial_spec().trial_id)
    folder.write_spec(trial_spec(), facts)
    return folder


def test_spec_when_written_and_read_is_the_same(
    folder: TrialFolder, facts: TrialFacts, trial_spec: Callable[..., TrialSpec]
) -> None:
    assert folder.read_spec() == trial_spec()
    assert folder.read().facts == facts
    assert json.loads(folder.spec_json.read_text())["trial_id"] == trial_spec().trial_id


def test_curve_when_appended_and_read_is_the_same_to_the_bit(
    folder: TrialFolder, evaluation: Evaluate
) -> None:
    rows = [evaluation(1, 1 / 3), evaluation(2, 0.1 + 0.2), evaluation(3, 1e-310)]
    for row in rows:
        folder.append_evaluation(row)
    assert folder.read_curve() == rows
    assert len(folder.curve_jsonl.read_text().splitlines()) == 3


def test_curve_before_the_first_evaluation_is_empty(folder: TrialFolder) -> None:
    assert folder.read_curve() == []
    assert folder.read().last is None
    assert folder.read().best is None


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_curve_with_a_number_that_is_not_finite_holds_null_and_reads_nan(
    folder: TrialFolder, evaluation: Evaluate, value: float
) -> None:
    folder.append_evaluation(evaluation(1).model_copy(update={"val_loss": value}))
    assert json.loads(folder.curve_jsonl.read_text())["val_loss"] is None
    assert math.isnan(folder.read_curve()[0].val_loss)
    assert folder.read().best is None


def test_curve_torn_at_any_byte_keeps_the_whole_rows_and_goes_on(
    folder: TrialFolder, evaluation: Evaluate
) -> None:
    for epoch in (1, 2):
        folder.append_evaluation(evaluation(epoch))
    whole = folder.curve_jsonl.read_bytes()
    first = whole.index(b"\n") + 1
    for size in range(len(whole)):
        folder.curve_jsonl.write_bytes(whole[:size])
        rows = [evaluation(1)] if size >= first else []
        assert folder.read_curve() == rows, f"torn at byte {size}"
        folder.append_evaluation(evaluation(3))
        assert folder.read_curve() == [*rows, evaluation(3)], f"torn at byte {size}"


def test_curve_with_an_altered_row_names_file_and_line(
    folder: TrialFolder, evaluation: Evaluate
) -> None:
    for epoch in (1, 2):
        folder.append_evaluation(evaluation(epoch))
    lines = folder.curve_jsonl.read_text().splitlines()
    folder.curve_jsonl.write_text(f"{lines[0][:-5]}\n{lines[1]}\n")
    with pytest.raises(UserError, match=r"curve\.jsonl:1: cannot be read: Invalid JSON"):
        folder.read_curve()


def test_curve_of_a_resumed_trial_goes_back_to_the_repeated_epoch(
    folder: TrialFolder, evaluation: Evaluate
) -> None:
    for epoch, loss in ((1, 3.0), (2, 2.0), (3, 1.0), (2, 2.5)):
        folder.append_evaluation(evaluation(epoch, loss))
    assert folder.read_curve() == [evaluation(1, 3.0), evaluation(2, 2.5)]


@pytest.mark.parametrize("epochs", [0, 2, 9])
def test_cut_curve_keeps_the_epochs_up_to_the_checkpoint(
    folder: TrialFolder, evaluation: Evaluate, epochs: int
) -> None:
    rows = [evaluation(epoch) for epoch in (1, 2, 3)]
    for row in rows:
        folder.append_evaluation(row)
    folder.cut_curve(epochs)
    assert folder.read_curve() == rows[:epochs]


def test_best_is_the_first_of_the_lowest_losses(folder: TrialFolder, evaluation: Evaluate) -> None:
    for epoch, loss in enumerate((2.0, 1.0, 1.0, 1.5), start=1):
        folder.append_evaluation(evaluation(epoch, loss))
    trial = folder.read()
    assert trial.best == evaluation(2, 1.0)
    assert trial.last == evaluation(4, 1.5)


def test_result_when_written_and_read_is_the_same(folder: TrialFolder, facts: TrialFacts) -> None:
    assert folder.read_result() is None
    assert folder.read().status == "interrupted"
    result = TrialResult(
        trial_id=folder.trial_id,
        status="diverged",
        epochs_done=0,
        facts=facts,
        train_time_s=0.0,
        message="loss became nan at step 3",
    )
    folder.write_result(result)
    assert folder.read_result() == result
    assert folder.read().status == "diverged"


def test_result_with_a_time_that_is_not_finite_is_readable(
    folder: TrialFolder, facts: TrialFacts
) -> None:
    folder.write_result(
        TrialResult(
            trial_id=folder.trial_id,
            status="failed",
            epochs_done=0,
            facts=facts,
            train_time_s=math.nan,
        )
    )
    result = folder.read_result()
    assert result is not None
    assert math.isnan(result.train_time_s)


def test_write_that_fails_leaves_the_old_file_and_nothing_beside_it(
    folder: TrialFolder,
    facts: TrialFacts,
    trial_spec: Callable[..., TrialSpec],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = folder.spec_json.read_bytes()

    def disk_is_full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", disk_is_full)
    with pytest.raises(OSError, match="No space"):
        folder.write_spec(trial_spec(seed=5), facts)
    assert folder.spec_json.read_bytes() == before
    assert list(folder.path.iterdir()) == [folder.spec_json]


@pytest.mark.parametrize("name", ["spec.json", "result.json", "curve.jsonl"])
def test_record_when_a_digit_of_it_is_altered_is_refused_and_mended(
    experiment: ExperimentFolder,
    record: Callable[..., TrialSpec],
    trial_spec: Callable[..., TrialSpec],
    name: str,
) -> None:
    spec = record(trial_spec(), [3.25, 3.25, 3.25], "completed")
    folder = experiment.trial(spec.trial_id)
    path = folder.path / name
    text = path.read_text()
    old, new = {
        "spec.json": ('"seed": 1', '"seed": 2'),
        "result.json": ('"epochs_done": 3', '"epochs_done": 4'),
        "curve.jsonl": ('"epoch": 2, "step": 20', '"epoch": 2, "step": 21'),
    }[name]
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(UserError, match="does not have the checksum in it"):
        folder.read()
    (word,) = folder.mend()
    assert name in word
    assert folder.mend() == []
    assert path.exists() == (name == "curve.jsonl")
    assert [row.epoch for row in folder.read_curve()] == (
        [1] if name == "curve.jsonl" else [1, 2, 3]
    )
    assert (folder.read_result() is None) == (name != "spec.json")


def test_record_of_before_there_were_checksums_is_read(
    experiment: ExperimentFolder,
    record: Callable[..., TrialSpec],
    trial_spec: Callable[..., TrialSpec],
) -> None:
    folder = experiment.trial(record(trial_spec(), [3.25], "completed").trial_id)
    before = folder.read()
    for path in (folder.spec_json, folder.result_json, folder.curve_jsonl):
        content = json.loads(path.read_text())
        del content["checksum"]
        path.write_text(json.dumps(content) + "\n")
    assert folder.read() == before
    assert folder.mend() == []
