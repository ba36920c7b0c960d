from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from lmtune.records import (
    CURVE_COLUMNS,
    TRIAL_COLUMNS,
    ExperimentFolder,
    curves_table,
    swept_paths,
    trials_table,
    write_tables,
)
from lmtune.spec.match import Matched
from lmtune.spec.result import Evaluation
from lmtune.spec.sweep import SweepSpec
from lmtune.spec.trial import TrialSpec

Record = Callable[..., TrialSpec]
Spec = Callable[..., TrialSpec]

TRIALS_HEADER = (
    "trial_id,variant,phase,seed,status,epochs_done,epochs,val_loss,val_perplexity,"
    "val_bits_per_byte,val_accuracy,best_val_loss,best_epoch,num_parameters,"
    "num_non_embedding_parameters,flops_per_token,train_tokens,train_time_s,tokens_per_second,"
    "val_bleu,val_chrf,val_exact_match,val_brevity_penalty,"
    "model.num_layers,model.type,optimizer.learning_rate"
)
CURVES_HEADER = (
    "trial_id,epoch,step,train_tokens,train_loss,val_loss,val_perplexity,val_bits_per_byte,"
    "val_accuracy,learning_rate,elapsed_s,val_bleu,val_chrf,val_exact_match,val_brevity_penalty"
)


@pytest.fixture
def recorded(experiment: ExperimentFolder, record: Record, trial_spec: Spec) -> ExperimentFolder:
    """A trial of every kind of end."""
    record(trial_spec("gpt", "tune", 0, 3e-3), [2.0, 1.9], "stopped")
    record(trial_spec("gpt", "confirm", 1), [2.0, 1 / 3, 0.5], "completed")
    record(trial_spec("gpt", "confirm", 2), [], "diverged")
    record(trial_spec("lstm", "confirm", 1), [1.0], None)
    return experiment


def _read(path: Path) -> pd.DataFrame:
    """The texts of a table: pandas versions differ in the last bit of a float they parse."""
    return pd.read_csv(path, dtype=str)


def test_tables_when_written_have_the_columns_of_the_design(recorded: ExperimentFolder) -> None:
    write_tables(recorded)
    assert recorded.trials_csv.read_text().splitlines()[0] == TRIALS_HEADER
    assert recorded.curves_csv.read_text().splitlines()[0] == CURVES_HEADER


def test_tables_of_an_experiment_without_trials_have_columns_and_no_rows(
    experiment: ExperimentFolder,
) -> None:
    write_tables(experiment)
    assert experiment.trials_csv.read_text() == TRIALS_HEADER + "\n"
    assert experiment.curves_csv.read_text() == CURVES_HEADER + "\n"


def test_trials_table_holds_the_last_and_the_best_evaluation(recorded: ExperimentFolder) -> None:
    row = trials_table(recorded).set_index("status").to_dict("index")["completed"]
    assert (row["epochs_done"], row["epochs"], row["train_tokens"]) == (3, 3, 3000)
    assert (row["val_loss"], row["val_perplexity"]) == (0.5, math.exp(0.5))
    assert (row["best_val_loss"], row["best_epoch"]) == (1 / 3, 2)
    assert row["tokens_per_second"] == 3000 / 1.5


def test_tables_hold_the_scores_of_text_where_there_are_any(
    experiment: ExperimentFolder,
    record: Record,
    trial_spec: Spec,
    evaluation: Callable[..., Evaluation],
) -> None:
    record(trial_spec("gpt", "confirm", 1), [2.0], "completed")
    spec = record(trial_spec("gpt", "confirm", 2), [2.0], None)
    scored = evaluation(2).model_copy(update={"val_bleu": 98.5, "val_exact_match": 0.75})
    experiment.trial(spec.trial_id).append_evaluation(scored)
    trials, curves = trials_table(experiment), curves_table(experiment)
    assert trials["val_bleu"].isna().tolist() == [True, False]
    assert trials["val_bleu"].tolist()[1] == 98.5
    assert trials["val_exact_match"].tolist()[1] == 0.75
    assert trials["val_chrf"].isna().all()
    assert curves["val_bleu"].isna().tolist() == [True, True, False]


def test_swept_paths_hold_the_widths_that_a_match_solved(sweep: SweepSpec) -> None:
    matched = Matched(
        by="params", target=100, reached=99, mismatch=-0.01, solved={"model.d_model": 8}
    )
    first, *others = sweep.variants
    changed = first.model_copy(update={"matched": matched})
    paths = swept_paths(sweep.model_copy(update={"variants": (changed, *others)}))
    assert paths == [*swept_paths(sweep), "model.d_model"]


def test_trials_table_of_trials_without_result_or_evaluation_says_so(
    recorded: ExperimentFolder,
) -> None:
    table = trials_table(recorded)
    assert table["status"].tolist() == ["stopped", "completed", "diverged", "interrupted"]
    assert table["epochs_done"].tolist() == [2, 3, 0, 1]
    for column in ("val_loss", "best_epoch", "tokens_per_second"):
        assert table[column].isna().tolist() == [False, False, True, False]


def test_swept_columns_keep_values_and_are_empty_where_a_model_has_no_such_field(
    recorded: ExperimentFolder,
) -> None:
    write_tables(recorded)
    ends = [line.split(",")[-3:] for line in recorded.trials_csv.read_text().splitlines()[1:]]
    assert ends == [
        ["4", "gpt", "0.003"],
        ["4", "gpt", "0.001"],
        ["4", "gpt", "0.001"],
        ["2", "lstm", "0.001"],
    ]
    sweep = recorded.read_sweep()
    heads = sweep.variants[0].model_copy(update={"overrides": {"model.num_heads": 4}})
    changed = sweep.model_copy(update={"variants": (heads, *sweep.variants[1:])})
    recorded.write_sweep(changed, recorded.read_datasets())
    assert trials_table(recorded)["model.num_heads"].tolist() == [4, 4, 4, None]


def test_swept_section_named_by_a_word_reads_as_that_word(recorded: ExperimentFolder) -> None:
    sweep = recorded.read_sweep()
    named = sweep.variants[0].model_copy(update={"overrides": {"dataset.corpus": "python_docs"}})
    recorded.write_sweep(
        sweep.model_copy(update={"variants": (named, *sweep.variants[1:])}),
        recorded.read_datasets(),
    )
    assert set(trials_table(recorded)["dataset.corpus"]) == {"python_docs"}


def test_swept_paths_are_named_once_and_overrides_come_first(sweep: SweepSpec) -> None:
    assert swept_paths(sweep) == ["model.num_layers", "model.type", "optimizer.learning_rate"]


def test_curves_table_holds_each_epoch_in_the_order_of_the_trials(
    recorded: ExperimentFolder,
) -> None:
    curves = curves_table(recorded)
    trials = trials_table(recorded)
    expected = trials.loc[trials["epochs_done"] > 0, "trial_id"].tolist()
    assert curves["trial_id"].drop_duplicates().tolist() == expected
    assert curves["epoch"].tolist() == [1, 2, 1, 2, 3, 1]
    assert list(CURVE_COLUMNS) == ["trial_id", *Evaluation.model_fields]


def test_tables_when_read_back_lose_nothing(recorded: ExperimentFolder) -> None:
    write_tables(recorded)
    trials, curves = trials_table(recorded), curves_table(recorded)
    pd.testing.assert_frame_equal(
        _read(recorded.curves_csv).astype(CURVE_COLUMNS), curves, check_exact=True
    )
    fixed = list(TRIAL_COLUMNS)
    read = _read(recorded.trials_csv)[fixed].astype(TRIAL_COLUMNS)
    pd.testing.assert_frame_equal(read, trials[fixed], check_exact=True)


def test_tables_when_written_twice_are_the_same_bytes(recorded: ExperimentFolder) -> None:
    write_tables(recorded)
    before = recorded.trials_csv.read_bytes(), recorded.curves_csv.read_bytes()
    write_tables(recorded)
    assert before == (recorded.trials_csv.read_bytes(), recorded.curves_csv.read_bytes())


def test_records_when_imported_load_no_heavy_library() -> None:
    code = (
        "import sys, lmtune.records; "
        "print(sorted({'torch', 'ray', 'mlflow', 'pandas'} & set(sys.modules)))"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert finished.stdout == "[]\n", finished.stderr
