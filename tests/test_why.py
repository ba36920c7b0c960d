"""`--why`: from the file and the records alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lmtune.datasets import PreparedDatasets
from lmtune.errors import UserError
from lmtune.records import DatasetFacts, ExperimentFolder
from lmtune.spec.sweep import SweepSpec
from lmtune.tuning.failures import Failure
from lmtune.why import why
from tests.tuning.simulation import SWEEP, Log, conductor, load, simulate


def run(project: Path, sweep: SweepSpec, max_evaluations: int | None = None) -> Log:
    folder = ExperimentFolder(project / "experiments" / sweep.name)
    data = PreparedDatasets(project)
    facts = {
        variant.name: DatasetFacts(
            fingerprint=data.get(variant.config.dataset).fingerprint,
            vocab_size=9,
            train_tokens=9,
            validation_tokens=9,
            bytes_per_token=1.0,
        )
        for variant in sweep.variants
    }
    folder.write_sweep(sweep, facts)
    log = Log()
    simulate(conductor(project, sweep, log), max_evaluations=max_evaluations)
    return log


@pytest.fixture
def folder(tmp_path: Path) -> ExperimentFolder:
    return ExperimentFolder(tmp_path / "experiments" / "simulated")


def test_why_when_trials_ended_says_how(tmp_path: Path, folder: ExperimentFolder) -> None:
    sweep = load(tmp_path)
    log = run(tmp_path, sweep)
    said = {result.status: why(sweep, folder, trial.trial_id[:7]) for trial, result in log.ended}
    assert said.keys() == {"completed", "stopped"}
    assert "completed, epoch 9 of 9: not run again" in said["completed"]
    assert "stopped early at epoch 1 of 9" in said["stopped"]
    assert "not run again" in said["stopped"]


def test_why_when_a_trial_was_interrupted_says_where(
    tmp_path: Path, folder: ExperimentFolder
) -> None:
    sweep = load(tmp_path)
    log = run(tmp_path, sweep, max_evaluations=4)
    said = why(sweep, folder, log.started[-1].trial_id)
    assert "interrupted at epoch 4 of 9: the same command goes on" in said
    with folder.hold():
        assert "under way, at epoch 4 of 9: process " in why(
            sweep, folder, log.started[-1].trial_id
        )


def test_why_when_a_trial_failed_says_what_and_how_often(
    tmp_path: Path, folder: ExperimentFolder
) -> None:
    sweep = load(tmp_path)
    run(tmp_path, sweep, max_evaluations=0)
    made = conductor(tmp_path, sweep, Log())
    trial = made.next_trial()
    assert trial is not None
    made.failed(trial, Failure("Traceback ...\nRuntimeError: no"))
    for _ in range(2):
        assert made.next_trial() == trial
        made.failed(trial, Failure("Traceback ...\nRuntimeError: no"))
    assert trial is not None
    said = why(sweep, folder, trial.trial_id).splitlines()
    assert said[1] == (
        "failed after epoch 0 of 9 (RuntimeError: no): the same command tries it again"
    )
    assert said[2:] == ["  tried again after epoch 0: RuntimeError: no"] * 2


def test_why_when_the_file_was_edited_says_what_differs(
    tmp_path: Path, folder: ExperimentFolder
) -> None:
    log = run(tmp_path, load(tmp_path))
    edited = load(tmp_path, SWEEP.replace("batch_size: 2", "batch_size: 4"))
    said = why(edited, folder, log.started[0].trial_id)
    assert "not part of the present file" in said
    assert "as base tune: training.batch_size is 4 in the file and was 2" in said
    searched = load(tmp_path, SWEEP.replace("min: 1e-4", "min: 1e-3"))
    said = why(searched, folder, log.started[0].trial_id)
    assert "proposed by a search with another method, metric, range or seed" in said


def test_why_when_no_trial_or_several_are_named_says_which_there_are(
    tmp_path: Path, folder: ExperimentFolder
) -> None:
    sweep = load(tmp_path)
    log = run(tmp_path, sweep)
    with pytest.raises(UserError, match=r"18 trials have an id that begins so"):
        why(sweep, folder, "")
    with pytest.raises(UserError, match=r"no trial in .* has an id that begins so") as refused:
        why(sweep, folder, "xyz")
    known = sorted(trial.trial_id for trial in log.started)
    assert known[0] in str(refused.value)
    assert "  Fix: " in str(refused.value)


def test_why_through_the_command_loads_neither_torch_nor_ray(tmp_path: Path) -> None:
    log = run(tmp_path, load(tmp_path))
    arguments = ["sweep.yaml", "--why", log.started[0].trial_id]
    program = (
        "import sys\nfrom lmtune.run import app\n"
        f"try:\n    app({arguments})\nfinally:\n"
        "    print({'torch', 'ray', 'mlflow', 'optuna', 'pandas'} & set(sys.modules))"
    )
    root = Path(__file__).parents[1]
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(root), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "not run again" in ended.stdout
    assert ended.stdout.endswith("set()\n")
