"""`python -m lmtune.report`: from the records alone, of one experiment or of several."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lmtune.analysis.experiment import read_experiment
from lmtune.analysis.side_by_side import flags, side_by_side
from lmtune.analysis.summary import summarize
from lmtune.records import DatasetFacts, ExperimentFolder
from lmtune.report import app
from lmtune.spec.sweep import Metric
from tests.analysis.synthetic import Trial, write_experiment

SEEDS = (1, 2, 3, 4, 5)
NOISE = dict(zip(SEEDS, (0.003, -0.002, 0.001, -0.003, 0.001), strict=True))


def _experiment(
    path: Path, loss: float, *, seeds: tuple[int, ...] = SEEDS, metric: Metric | None = None
) -> ExperimentFolder:
    layers = 1 + len(path.name)  # another configuration in each
    trials = [Trial("only", "confirm", seed, (3.0, loss + NOISE[seed])) for seed in seeds]
    variants = {"only": {"num_layers": layers}}
    return write_experiment(path, trials, variants=variants, epochs=2, seeds=seeds, metric=metric)


def test_report_is_built_from_the_records_alone(tmp_path: Path) -> None:
    folder = _experiment(tmp_path / "a", 2.0)
    outcome = CliRunner().invoke(app, [str(folder.path)])
    assert outcome.exit_code == 0, outcome.output
    assert "only reaches val_loss 2.0000 on average over 5 seeds" in outcome.output.replace(
        "\n", " "
    )
    made = {path.name for path in folder.path.iterdir()}
    assert made >= {"report.html", "report.md", "summary.json", "trials.csv", "curves.csv",
                    "variants.csv", "variants.tex", "variants.md"}  # fmt: skip


def test_report_of_no_experiment_says_so_without_a_traceback(tmp_path: Path) -> None:
    outcome = CliRunner().invoke(app, [str(tmp_path / "nothing")])
    assert outcome.exit_code == 2
    assert "no experiment here" in outcome.output
    assert "Traceback" not in outcome.output


def test_experiments_side_by_side_are_compared_over_shared_seeds(tmp_path: Path) -> None:
    first, second = _experiment(tmp_path / "a", 2.0), _experiment(tmp_path / "bb", 2.1)
    page = tmp_path / "both.html"
    outcome = CliRunner().invoke(app, [str(first.path), str(second.path), "--output", str(page)])
    assert outcome.exit_code == 0, outcome.output
    assert "bb (+0.1" in page.read_text(encoding="utf-8")
    assert "is worse" in page.read_text(encoding="utf-8")
    merged = side_by_side([read_experiment(first), read_experiment(second)])
    assert [each.variant.name for each in merged.summary.variants] == ["a", "bb"]
    comparison = merged.summary.variants[1].comparison
    assert comparison is not None
    assert comparison.difference.n == 5
    assert comparison.difference.mean == pytest.approx(0.1)
    assert summarize(first).variants[0].comparison is None  # by itself it is as it was


def test_experiments_on_other_data_are_refused_by_name(tmp_path: Path) -> None:
    first, second = _experiment(tmp_path / "a", 2.0), _experiment(tmp_path / "bb", 2.1)
    other = DatasetFacts(
        fingerprint="f2", vocab_size=9, train_tokens=1, validation_tokens=1, bytes_per_token=1.0
    )
    second.write_sweep(second.read_sweep(), {"only": other})
    for trial in second.trials():
        content = json.loads(trial.spec_json.read_text(encoding="utf-8"))
        del content["checksum"]  # a record that has none passes
        content["spec"]["data_fingerprint"] = "f2"
        trial.spec_json.write_text(json.dumps(content))
    merged = side_by_side([read_experiment(first), read_experiment(second)])
    comparison = merged.summary.variants[1].comparison
    assert comparison is not None
    assert comparison.verdict == "not comparable"
    assert "measured on other data" in comparison.reason


def test_experiments_of_other_seeds_and_metrics_are_flagged(tmp_path: Path) -> None:
    first = read_experiment(_experiment(tmp_path / "a", 2.0))
    metric = Metric.model_validate({"name": "val_accuracy"})
    second = read_experiment(_experiment(tmp_path / "bb", 2.1, seeds=(4, 5), metric=metric))
    text = " ".join(flags([first, second]))
    assert "different numbers of tokens" not in text
    assert "different metrics (val_accuracy, val_loss)" in text
    assert "different seeds; 2 are shared by all" in text
    comparison = side_by_side([first, second]).summary.variants[1].comparison
    assert comparison is not None
    assert comparison.verdict == "too few seeds"


def test_experiment_given_twice_is_refused(tmp_path: Path) -> None:
    folder = _experiment(tmp_path / "a", 2.0)
    arguments = [str(folder.path), f"{folder.path}/", "--output", str(tmp_path / "page.html")]
    outcome = CliRunner().invoke(app, arguments)
    assert outcome.exit_code == 2
    assert "is given twice" in outcome.output


def test_figures_without_kaleido_say_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "kaleido", None)
    folder = _experiment(tmp_path / "a", 2.0)
    outcome = CliRunner().invoke(app, [str(folder.path), "--figures", "svg"])
    assert outcome.exit_code == 2
    assert "pip install kaleido" in outcome.output
    assert folder.report_html.exists()  # what could be written was
