"""The variants table in its four formats, against the records read in another way."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from lmtune.analysis import summarize, variants_header, variants_rows, write_report
from lmtune.analysis.latex import escape
from lmtune.printed_answer import variants_table
from lmtune.records import ExperimentFolder, write_tables
from tests.analysis.synthetic import SEARCHED, searched_sweep, write_experiment


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> ExperimentFolder:
    folder = searched_sweep(tmp_path_factory.mktemp("table") / "toy", num_trials=60)
    write_tables(folder)
    write_report(folder)
    return folder


def test_csv_equals_what_pandas_makes_of_trials_and_curves(folder: ExperimentFolder) -> None:
    """Means, differences, rates and shares, from `trials.csv` and `curves.csv` alone."""
    found = pd.read_csv(folder.path / "variants.csv", index_col="variant")
    trials, curves = pd.read_csv(folder.trials_csv), pd.read_csv(folder.curves_csv)
    confirmed = trials[(trials.phase == "confirm") & (trials.status == "completed")]
    last = curves.sort_values("epoch").groupby("trial_id").last().add_prefix("last_")
    confirmed = confirmed.join(last, on="trial_id").assign(
        best=confirmed.trial_id.map(curves.groupby("trial_id").val_loss.min())
    )
    by_seed = confirmed.pivot_table(index="seed", columns="variant", values="last_val_loss")
    for name, row in found.iterrows():
        own = confirmed[confirmed.variant == name]
        assert row.val_loss == pytest.approx(own.last_val_loss.mean())
        assert row.val_loss_deviation == pytest.approx(own.last_val_loss.std())
        assert row.best_checkpoint_val_loss == pytest.approx(own.best.mean())
        rate = (own.last_train_tokens / own.last_elapsed_s).mean()
        assert row.tokens_per_second == pytest.approx(rate)
        tuned = trials[(trials.phase == "tune") & (trials.variant == name)]
        assert (row.tune_trials, row.tune_completed) == (
            len(tuned),
            (tuned.status == "completed").sum(),
        )
        everything = trials[trials.variant == name]
        assert row.diverged_share == pytest.approx((everything.status == "diverged").mean())
        difference = (by_seed[name] - by_seed["base"]).mean()
        if name == "base":
            assert pd.isna(row.difference)
        else:
            assert row.difference == pytest.approx(difference)


def test_markdown_table_is_that_of_the_report(folder: ExperimentFolder) -> None:
    text = (folder.path / "variants.md").read_text()
    assert text in folder.report_md.read_text()
    assert text.startswith("| variant | val_loss | 95% interval | seeds | difference to base |")


def test_latex_table_has_booktabs_rules_and_a_cell_a_column(folder: ExperimentFolder) -> None:
    text = (folder.path / "variants.tex").read_text()
    assert [text.count(rf"\{rule}rule") for rule in ("top", "mid", "bottom")] == [1, 1, 1]
    body = text.split(r"\midrule")[1].split(r"\bottomrule")[0].strip().splitlines()
    summary = summarize(folder)
    assert len(body) == len(summary.variants)
    columns = re.search(r"begin{tabular}{([lr]+)}", text)
    assert columns is not None
    for line in body:
        assert line.rstrip().endswith(r"\\")
        assert len(re.split(r"(?<!\\)&", line)) == len(columns[1]) == len(variants_header(summary))
    assert r"num\_layers=1" in text
    assert re.search(r"[^$]-\d", text.split(r"\midrule")[1]) is None  # minus signs, not hyphens


def test_latex_escape_when_given_any_special_character_sets_it_as_it_is() -> None:
    assert escape(r"50% of a_b & $c {d} #1 ~ ^ \x") == (
        r"50\% of a\_b \& \$c \{d\} \#1 \textasciitilde{} \textasciicircum{} \textbackslash{}x"
    )


def test_terminal_table_shows_every_column_where_there_is_room(folder: ExperimentFolder) -> None:
    summary = summarize(folder)
    console = Console(width=400, file=io.StringIO())
    console.print(variants_table(summary, console))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    for title in variants_header(summary):
        assert title in text
    for row in variants_rows(summary):
        assert all(cell in text for cell in row.cells)


def test_tables_of_an_experiment_without_trials_are_written(tmp_path: Path) -> None:
    folder = write_experiment(tmp_path / "none", [], searched=SEARCHED)
    write_report(folder)
    found = pd.read_csv(folder.path / "variants.csv")
    assert found.val_loss.isna().all()
    assert (found.tune_trials == 0).all()
