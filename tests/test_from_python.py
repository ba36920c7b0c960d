"""The Python API, on an experiment that is trained here without Ray."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import lmtune
from lmtune.dataset_facts import dataset_facts
from lmtune.datasets import PreparedDatasets
from lmtune.errors import SpecError, UserError
from lmtune.records import ExperimentFolder
from lmtune.spec.result import TrialResult
from lmtune.spec.trial import TrialSpec
from lmtune.training import CheckpointFolder, train, trial_facts

ROOT = Path(__file__).parents[1]
SWEEP = """\
name: tiny
question: Does <depth> help?
base:
  dataset: {corpus: {type: markov, length: 4000}, tokenizer: byte, context_length: 8}
  model: {type: gpt, num_layers: 1, d_model: 16, num_heads: 2}
  optimizer: {type: adamw, learning_rate: 3e-3}
  training: {epochs: 2, steps_per_epoch: 5, batch_size: 4}
ablate: {model.num_layers: [2]}
seeds: 3
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose sweep has ended."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "sweep.yaml").write_text(SWEEP, encoding="utf-8")
    sweep = lmtune.load_sweep(folder / "sweep.yaml")
    prepared = PreparedDatasets(folder)
    experiment = ExperimentFolder(folder / "experiments" / "tiny")
    experiment.write_sweep(sweep, dataset_facts(sweep, prepared, folder))
    for variant in sweep.variants:
        dataset = prepared.get(variant.config.dataset)
        for seed in sweep.seeds.confirm:
            trial = TrialSpec(
                variant=variant.name,
                phase="confirm",
                seed=seed,
                config=variant.config,
                data_fingerprint=dataset.fingerprint,
            )
            records = experiment.trial(trial.trial_id)
            facts = trial_facts(trial.config, dataset)
            records.write_spec(trial, facts)
            for evaluation in train(
                trial, dataset, checkpoints=CheckpointFolder(records.checkpoints)
            ):
                records.append_evaluation(evaluation)
            result = TrialResult(
                trial_id=trial.trial_id,
                status="completed",
                epochs_done=2,
                facts=facts,
                train_time_s=1.0,
            )
            records.write_result(result)
    return folder


@pytest.fixture
def experiment(project: Path) -> lmtune.Experiment:
    return lmtune.load_experiment(project / "experiments" / "tiny")


def test_import_when_nothing_is_used_loads_nothing_heavy() -> None:
    code = (
        "import sys, lmtune; dir(lmtune); "
        "print([n for n in ('pydantic', 'numpy', 'pandas', 'torch', 'ray', 'mlflow', 'typer') "
        "if n in sys.modules])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert ended.stdout.strip() == "[]"


def test_names_that_are_promised_are_there_and_others_are_not() -> None:
    for name in lmtune.__all__:
        assert callable(getattr(lmtune, name))
        assert name in dir(lmtune)
    with pytest.raises(AttributeError, match="train_sweep"):
        _ = lmtune.train_sweep


def test_sweep_when_loaded_with_overrides_is_checked_and_has_them(project: Path) -> None:
    path = project / "sweep.yaml"
    sweep = lmtune.load_sweep(path, {"base.optimizer.learning_rate": 0.5, "seeds": 2})
    assert sweep.variants[0].config.optimizer.learning_rate == 0.5
    assert sweep.seeds.confirm == (0, 1)
    with pytest.raises(SpecError, match="learning_rat"):
        lmtune.load_sweep(path, {"base.optimizer.learning_rat": 0.5})


def test_tables_when_asked_for_hold_what_the_records_do(experiment: lmtune.Experiment) -> None:
    assert len(experiment.trials) == 6
    assert len(experiment.curves) == 12
    means = experiment.trials.groupby("variant", sort=False)["val_loss"].mean()
    assert experiment.variants["variant"].tolist() == ["base", "num_layers=2"]
    pd.testing.assert_series_equal(
        experiment.variants["mean"], means.reset_index(drop=True), check_names=False
    )
    difference = means["num_layers=2"] - means["base"]
    assert experiment.variants["difference"].iloc[1] == pytest.approx(difference)
    assert experiment.variants["seeds"].tolist() == [3, 3]


def test_best_when_trials_have_completed_is_the_row_of_the_lowest_loss(
    experiment: lmtune.Experiment,
) -> None:
    trials = experiment.trials
    best = experiment.best()
    assert best["val_loss"] == trials["val_loss"].min()
    assert best["trial_id"] == trials.sort_values("val_loss")["trial_id"].iloc[0]


def test_representations_when_shown_say_question_and_answer_and_escape(
    experiment: lmtune.Experiment,
) -> None:
    assert "Does <depth> help?" in repr(experiment)
    shown = experiment._repr_html_()
    assert "Does &lt;depth&gt; help?" in shown
    assert "<depth>" not in shown
    assert "num_layers=2" in shown


def test_model_when_loaded_writes_text_that_follows_from_its_seed(
    experiment: lmtune.Experiment,
) -> None:
    trial_id = experiment.trials["trial_id"].iloc[-1]
    model = experiment.load_model(trial_id)
    assert model.trial_id == trial_id
    assert trial_id in repr(model)
    text = model.generate("ab", max_new_tokens=12, seed=3)
    assert len(text) == 12
    assert text == "".join(model.stream("ab", max_new_tokens=12, seed=3))
    texts = {model.generate("ab", max_new_tokens=12, seed=seed) for seed in range(5)}
    assert len(texts) > 1
    with pytest.raises(UserError, match="--temperature"):
        model.generate("ab", decoding="greedy", temperature=1.0)


def test_best_and_model_when_nothing_is_done_or_there_are_refused(
    project: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="no experiment here"):
        lmtune.load_experiment(tmp_path)
    sweep = lmtune.load_sweep(project / "sweep.yaml")
    folder = ExperimentFolder(tmp_path / "experiments" / "tiny")
    folder.write_sweep(sweep, dataset_facts(sweep, PreparedDatasets(project), project))
    empty = lmtune.load_experiment(folder.path)
    assert len(empty.trials) == 0
    assert empty.variants["seeds"].tolist() == [0, 0]
    with pytest.raises(UserError, match="no confirm trial"):
        empty.best()
    with pytest.raises(UserError, match="no trial `abc`"):
        empty.load_model("abc")


@pytest.mark.slow
@pytest.mark.e2e
@pytest.mark.timeout(600)
def test_example_of_the_readme_when_run_runs(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"## From Python\n\n```python\n(.*?)```", readme, flags=re.DOTALL)
    (tmp_path / "sweeps").mkdir()
    smoke = (ROOT / "sweeps" / "smoke.yaml").read_text(encoding="utf-8")
    (tmp_path / "sweeps" / "smoke.yaml").write_text(smoke, encoding="utf-8")
    (tmp_path / "example.py").write_text(example, encoding="utf-8")
    ended = subprocess.run(
        [sys.executable, "example.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=550,
    )
    assert ended.returncode == 0, ended.stderr
    assert "Does a sweep run from end to end on this machine?" in ended.stdout
    assert (tmp_path / "experiments" / "smoke" / "report.md").exists()
