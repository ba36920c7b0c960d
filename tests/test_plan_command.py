"""`python -m lmtune.plan`, and the plan that a run goes by."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from lmtune import plan as command
from lmtune import planned
from lmtune.datasets import PreparedDatasets
from lmtune.errors import ResourceError
from lmtune.planned import plan_run
from lmtune.planning import make
from lmtune.planning.measured import Measured
from lmtune.records import ExperimentFolder
from lmtune.spec import read_sweep
from lmtune.spec.plan import Plan
from tests.planning.conftest import MEASURED, SWEEP


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a sweep file in it, where every shape costs the same."""

    def measure(trials: dict[str, object], **_: object) -> dict[str, Measured]:
        return dict.fromkeys(trials, MEASURED)

    monkeypatch.setattr(make, "measure_shapes", measure)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sweep.yaml").write_text(SWEEP, encoding="utf-8")
    return tmp_path


def folder_of(project: Path) -> ExperimentFolder:
    return ExperimentFolder(project / "experiments" / "planned")


class Run:
    """Does what a run does about its plan, and keeps what it printed."""

    def __init__(self, project: Path) -> None:
        self.project = project
        self.printed = ""

    def __call__(self, *overrides: str) -> Plan:
        file = io.StringIO()
        plan = plan_run(
            read_sweep(self.project / "sweep.yaml", list(overrides)),
            spec=Path("sweep.yaml"),
            prepared=PreparedDatasets(self.project),
            project=self.project,
            folder=folder_of(self.project),
            console=Console(file=file, width=100),
            is_local=True,
        )
        self.printed = file.getvalue()
        return plan


@pytest.fixture
def run(project: Path) -> Run:
    return Run(project)


def test_command_with_json_prints_one_object_that_is_the_plan_kept(project: Path) -> None:
    ended = CliRunner().invoke(command.app, ["sweep.yaml", "--json"])
    assert ended.exit_code == 0
    printed = json.loads(ended.stdout)
    assert printed.pop("problems") == []
    kept = folder_of(project).read_plan()
    assert kept is not None
    assert printed == kept.model_dump(mode="json")
    assert kept.forecast is not None


def test_command_without_a_probe_prints_counts_and_keeps_nothing(project: Path) -> None:
    ended = CliRunner().invoke(command.app, ["sweep.yaml", "--no-probe"])
    assert ended.exit_code == 0
    assert "What will it cost?" in ended.stdout
    assert "epoch 9, the last" in ended.stdout
    assert "not measured" in ended.stdout
    assert not folder_of(project).path.exists()


def test_command_when_over_budget_says_what_would_fit_and_ends_with_2(project: Path) -> None:
    ended = CliRunner().invoke(command.app, ["sweep.yaml", "--json", "--set", "budget.time=2m"])
    assert ended.exit_code == 2
    assert "--set budget.t" in ended.stderr
    assert len(json.loads(ended.stdout)["problems"]) == 1


def test_command_when_the_file_is_wrong_ends_with_2_and_no_traceback(project: Path) -> None:
    ended = CliRunner().invoke(command.app, ["sweep.yaml", "--set", "budget.trials=none"])
    assert ended.exit_code == 2
    assert "budget.trials" in ended.stderr
    assert isinstance(ended.exception, SystemExit)


def test_run_when_the_sweep_is_short_counts_and_does_not_measure(project: Path, run: Run) -> None:
    assert run().forecast is None
    assert "epoch 9, the last" in run.printed
    assert "Time" not in run.printed


def test_run_when_the_sweep_is_long_measures_first(
    project: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planned, "_WORTH_A_PROBE_S", 0.0)
    assert run().forecast is not None
    assert "Time" in run.printed


def test_run_when_it_was_planned_before_goes_by_that_until_the_sweep_changes(
    project: Path, run: Run
) -> None:
    CliRunner().invoke(command.app, ["sweep.yaml"])
    assert run().forecast is not None
    assert run("budget.trials=9").forecast is None
    assert folder_of(project).read_plan() == run("budget.trials=9")


def test_run_when_over_budget_is_refused_before_its_first_trial_and_not_afterwards(
    project: Path, run: Run
) -> None:
    CliRunner().invoke(command.app, ["sweep.yaml"])
    with pytest.raises(ResourceError, match=r"budget\.time"):
        run("budget.time=2m")
    started = folder_of(project).path / "trials" / "0123456789ab"
    started.mkdir(parents=True)
    (started / "spec.json").write_text("{}")
    assert run("budget.time=2m").budget_time_s == 120
    assert run.printed == ""


def test_plan_when_its_file_was_altered_counts_as_none(project: Path) -> None:
    folder = folder_of(project)
    CliRunner().invoke(command.app, ["sweep.yaml"])
    folder.plan_json.write_text(folder.plan_json.read_text()[:100])
    assert folder.read_plan() is None
