"""A sweep from the command to the report: what is printed, what is on the disk, what MLflow has."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pandas as pd
import pytest
from optuna.trial import TrialState

from tests.e2e.command import Ended, run
from tests.e2e.conftest import NAME, OPTIONS, SWEEP
from tests.e2e.reading import Records, proposal_states, tracked

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

SEARCHED = ("gpt", "lstm")
EPOCHS = 4
TRIAL_COLUMNS = [
    *("trial_id", "variant", "phase", "seed", "status", "epochs_done", "epochs"),
    *("val_loss", "val_perplexity", "val_bits_per_byte", "val_accuracy"),
    *("best_val_loss", "best_epoch"),
    *("num_parameters", "num_non_embedding_parameters", "flops_per_token"),
    *("train_tokens", "train_time_s", "tokens_per_second"),
    *("val_bleu", "val_chrf", "val_exact_match", "val_brevity_penalty"),
]
CURVE_COLUMNS = [
    *("trial_id", "epoch", "step", "train_tokens", "train_loss"),
    *("val_loss", "val_perplexity", "val_bits_per_byte", "val_accuracy"),
    *("learning_rate", "elapsed_s"),
    *("val_bleu", "val_chrf", "val_exact_match", "val_brevity_penalty"),
]


@pytest.fixture
def records(project: Path, finished: Ended) -> Records:
    """What the sweep left in its folder."""
    return Records(project, NAME)


def test_command_when_the_sweep_ends_prints_the_answer_and_where_the_rest_is(
    finished: Ended, records: Records
) -> None:
    assert finished.code == 0, finished.err
    assert finished.err == ""
    assert "GPT or LSTM, and what of one that explodes?" in finished.out
    assert "17 trials ended in this run; the sweep is finished." in finished.out
    for variant in records.summary["variants"]:
        if variant["confirm"]["n"]:
            assert f"{variant['confirm']['mean']:.4f}" in finished.out
    for path in ("report.html", ""):
        assert f"experiments/{NAME}/{path}".rstrip("/") in finished.out
    assert "python -m lmtune.ui" in finished.out
    assert "http://127.0.0.1:" in finished.out


def test_samples_when_the_sweep_ends_are_of_every_variant_with_an_answer(records: Records) -> None:
    samples = json.loads((records.path / "samples.json").read_text(encoding="utf-8"))
    answered = [each["variant"] for each in records.summary["variants"] if each["confirm"]["n"]]
    assert [each["variant"] for each in samples["variants"]] == answered
    assert all(len(each["texts"]) == len(samples["prompts"]) for each in samples["variants"])


def test_command_when_text_has_unknown_characters_says_how_many(finished: Ended) -> None:
    assert "3 of " in finished.out
    assert "validation tokens are unknown to the tokenizer" in finished.out


def test_command_when_the_sweep_ends_leaves_nothing_of_ray(finished: Ended) -> None:
    assert finished.processes == {}
    assert finished.ray_sessions == []


def test_folder_when_the_sweep_ends_holds_what_the_design_lists(records: Records) -> None:
    names = {path.name for path in records.path.iterdir() if path.name != ".lock"}
    files = {"sweep.yaml", "resolved.json", "environment.json", "trials.csv", "curves.csv"}
    made = {"summary.json", "report.md", "report.html", "samples.json"}
    made |= {f"variants.{suffix}" for suffix in ("csv", "md", "tex")}
    times = {"timeline.jsonl", "plan.json"}
    assert names == files | made | times | {"trials", "study", "ray", "model"}
    for trial_id in records.trials.index:
        folder = records.path / "trials" / trial_id
        assert {path.name for path in folder.iterdir()} >= {"spec.json", "result.json"}
    assert (records.path / "sweep.yaml").read_text(encoding="utf-8") == SWEEP


def test_tables_when_the_sweep_ends_have_the_columns_of_the_design(records: Records) -> None:
    header = (records.path / "trials.csv").read_text().partition("\n")[0].split(",")
    assert header[: len(TRIAL_COLUMNS)] == TRIAL_COLUMNS
    assert {"optimizer.learning_rate", "model.type", "optimizer.type"} <= set(
        header[len(TRIAL_COLUMNS) :]
    )
    header = (records.path / "curves.csv").read_text().partition("\n")[0].split(",")
    assert header == CURVE_COLUMNS


def test_tables_when_the_sweep_ends_agree_with_each_other(records: Records) -> None:
    trials, curves = records.trials, records.curves
    for trial_id, trial in trials.iterrows():
        curve = curves[curves.trial_id == trial_id]
        assert list(curve.epoch) == list(range(1, trial.epochs_done + 1))
        assert records.json("trials", str(trial_id), "result.json")["status"] == trial.status
        if trial.epochs_done:
            last = curve.iloc[-1]
            assert last.val_loss == trial.val_loss
            assert last.val_perplexity == pytest.approx(math.exp(trial.val_loss))
            assert curve.val_loss.min() == trial.best_val_loss
            assert last.train_tokens == trial.train_tokens == 5 * 4 * 8 * trial.epochs_done
    assert set(trials.epochs) == {EPOCHS}
    assert (trials[trials.status == "completed"].epochs_done == EPOCHS).all()
    assert (trials[trials.status == "stopped"].epochs_done < EPOCHS).all()


@pytest.mark.parametrize("variant", SEARCHED)
def test_sweep_when_a_variant_is_searched_confirms_the_best_of_its_completed_trials(
    records: Records, variant: str
) -> None:
    trials = records.trials[records.trials.variant == variant]
    tuned, confirmed = trials[trials.phase == "tune"], trials[trials.phase == "confirm"]
    assert list(tuned.seed) == [0] * 4
    assert set(tuned.status) == {"completed", "stopped"}
    assert tuned["optimizer.learning_rate"].is_unique
    assert tuned["optimizer.learning_rate"].between(1e-4, 1e-1).all()
    assert list(confirmed.seed) == [1, 2, 3]
    assert set(confirmed.status) == {"completed"}
    completed = tuned[tuned.status == "completed"]
    best = completed.sort_values("val_loss").iloc[0]
    assert set(confirmed["optimizer.learning_rate"]) == {best["optimizer.learning_rate"]}


def test_summary_when_the_sweep_ends_is_made_of_completed_confirm_trials_alone(
    records: Records,
) -> None:
    trials, summary = records.trials, records.summary
    assert summary["finished"] is True
    assert [each["variant"] for each in summary["variants"]] == [*SEARCHED, "explodes"]
    for each in summary["variants"][:2]:
        own = trials[(trials.variant == each["variant"]) & (trials.phase == "confirm")]
        assert each["confirm"]["n"] == 3
        assert each["confirm"]["mean"] == pytest.approx(own.val_loss.mean())
        assert each["best_trial_id"] in own.index
    confirmed = trials[(trials.phase == "confirm") & (trials.status == "completed")]
    assert summary["best"]["trial_id"] == confirmed.val_loss.idxmin()
    gpt, lstm, _ = (_losses(trials, each["variant"]) for each in summary["variants"])
    difference = summary["variants"][1]["difference"]
    assert difference["mean"] == pytest.approx((lstm - gpt).mean())
    report = (records.path / "report.md").read_text(encoding="utf-8")
    assert f"{gpt.mean():.4f}" in report
    assert f"{lstm.mean():.4f}" in report


def test_sweep_when_a_trial_diverges_counts_it_and_ends_well(
    finished: Ended, records: Records
) -> None:
    exploded = records.trials[records.trials.variant == "explodes"]
    assert list(exploded.status) == ["diverged"] * 3
    for trial_id in exploded.index:
        assert "loss became" in records.json("trials", trial_id, "result.json")["message"]
    assert records.summary["variants"][2]["confirm"]["n"] == 0
    assert "3 diverged" in (records.path / "report.md").read_text(encoding="utf-8")
    assert finished.code == 0


def test_mlflow_when_the_sweep_ends_has_one_parent_and_one_child_a_trial(
    project: Path, records: Records
) -> None:
    runs = tracked(project, NAME)
    (parent,) = runs.parents
    assert parent.status == "FINISHED"
    assert runs.by_trial.keys() == set(records.trials.index)
    words = {"completed": "FINISHED", "stopped": "KILLED", "diverged": "FAILED"}
    for trial_id, trial in records.trials.iterrows():
        run = runs.by_trial[str(trial_id)]
        assert run.tags["mlflow.parentRunId"] == parent.run_id
        assert run.status == words[trial.status]
        assert run.tags["lmtune.status"] == trial.status
        assert run.tags["lmtune.variant"] == trial.variant
        assert run.tags["lmtune.phase"] == trial.phase
        assert run.tags["lmtune.seed"] == str(trial.seed)
        assert run.tags["lmtune.data_fingerprint"]
        assert float(run.params["optimizer.learning_rate"]) == trial["optimizer.learning_rate"]
        assert run.params["dataset.context_length"] == "8"


def test_mlflow_when_the_sweep_ends_has_each_row_of_the_curves_once(
    project: Path, records: Records
) -> None:
    runs = tracked(project, NAME)
    for trial_id in records.trials.index:
        curve = records.curves[records.curves.trial_id == trial_id]
        points = runs.by_trial[trial_id].points
        for metric in ("train_loss", "val_loss", "val_accuracy", "learning_rate", "step"):
            expected = list(zip(curve.epoch, curve[metric], strict=True))
            assert points.get(metric, []) == expected


def test_studies_when_the_sweep_ends_know_how_each_proposal_did(
    project: Path, records: Records
) -> None:
    states = proposal_states(project, NAME)
    assert states.keys() == set(SEARCHED)
    words = {TrialState.COMPLETE: "completed", TrialState.PRUNED: "stopped"}
    tuned = records.trials[records.trials.phase == "tune"]
    for variant, told in states.items():
        statuses = sorted(tuned[tuned.variant == variant].status)
        assert sorted(words[state] for state in told) == statuses


def test_options_when_given_are_recorded_and_hold(records: Records) -> None:
    resolved = records.json("resolved.json")
    assert resolved["overrides"] == list(OPTIONS[1::2])
    assert resolved["budget"]["trials"] == 4
    for trial_id in records.trials.index:
        spec = records.json("trials", trial_id, "spec.json")["spec"]
        assert spec["config"]["dataset"]["context_length"] == 8


def test_command_when_repeated_trains_nothing_and_adds_nothing(
    project: Path, records: Records
) -> None:
    def files() -> dict[Path, tuple[int, bytes]]:
        found = [path for path in (records.path / "trials").rglob("*") if path.is_file()]
        return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in found}

    before, runs_before = files(), tracked(project, NAME)
    trials_before, curves_before = records.trials, records.curves
    again = run(project, "sweep.yaml", *OPTIONS)
    assert again.code == 0, again.err
    assert "Nothing was left to run." in again.out
    assert " epoch " not in again.out
    assert files() == before
    pd.testing.assert_frame_equal(records.trials, trials_before)
    pd.testing.assert_frame_equal(records.curves, curves_before)
    runs = tracked(project, NAME)
    assert runs == runs_before
    assert {run.status for run in [*runs.parents, *runs.children]}.isdisjoint({"RUNNING"})


def _losses(trials: pd.DataFrame, variant: str) -> pd.Series[float]:
    """Confirm losses by seed."""
    own = trials[(trials.variant == variant) & (trials.phase == "confirm")]
    return own.set_index("seed").val_loss
