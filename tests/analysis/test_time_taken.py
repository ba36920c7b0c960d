from __future__ import annotations

import json
from pathlib import Path

import pytest

from lmtune.analysis.document import Paragraph
from lmtune.analysis.time_taken import time_taken
from lmtune.records import ExperimentFolder
from lmtune.spec.plan import Forecast, Machine, Plan

FORECAST = Forecast(time_s=100, tune_s=60, confirm_s=26, memory_mib=1, gpu_memory_mib=0, disk_mib=1)


@pytest.fixture
def folder(tmp_path: Path) -> ExperimentFolder:
    (tmp_path / "toy").mkdir()
    return ExperimentFolder(tmp_path / "toy")


def plan(folder: ExperimentFolder, forecast: Forecast | None) -> None:
    machine = Machine(trials_at_once=2, memory_available_mib=None, disk_free_mib=1)
    folder.write_plan(
        Plan(
            name="toy",
            question="?",
            content_hash="0f",
            variants=(),
            trials=3,
            train_tokens=1,
            train_flops=1,
            budget_time_s=None,
            machine=machine,
            forecast=forecast,
        )
    )


def ran(folder: ExperimentFolder, *runs: tuple[str, float]) -> str:
    """Note runs of so many seconds, each ten seconds after its command; what the report says."""
    lines = []
    for content_hash, running_s in runs:
        started = {"content_hash": content_hash, "starting_s": 10}
        lines.append({"time_s": 1000, "event": "run started", **started})
        lines.append({"time_s": 1000 + running_s, "event": "run ended"})
    (folder.path / "timeline.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in lines))
    (block,) = time_taken(folder)
    assert isinstance(block, Paragraph)
    return block.text


def test_time_of_a_run_stands_beside_the_plan(folder: ExperimentFolder) -> None:
    plan(folder, FORECAST)
    assert ran(folder, ("0f", 110)) == (
        "It took 2m00s, 10s of it before the first trial. The plan said 1m40s; the real time is "
        "1.20 of that."
    )


def test_time_of_several_runs_adds_up(folder: ExperimentFolder) -> None:
    plan(folder, FORECAST)
    assert ran(folder, ("0f", 30), ("0f", 40)) == (
        "It took 1m30s in 2 runs of the command, 20s of it before the first trial. The plan said "
        "1m40s; the real time is 0.90 of that."
    )


def test_time_when_the_file_was_edited_under_way_is_not_compared(folder: ExperimentFolder) -> None:
    plan(folder, FORECAST)
    assert "which is not what all runs had" in ran(folder, ("1e", 30), ("0f", 40))


def test_time_without_a_measured_plan_says_so(folder: ExperimentFolder) -> None:
    assert ran(folder, ("", 30)).endswith("What it would take was not measured before.")
    plan(folder, None)
    assert ran(folder, ("0f", 30)).endswith("What it would take was not measured before.")


def test_time_when_nothing_ran_is_not_mentioned(folder: ExperimentFolder) -> None:
    assert time_taken(folder) == []
