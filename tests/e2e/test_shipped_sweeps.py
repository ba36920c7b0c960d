"""The sweep files that come with the project: each can be read, and says what it will cost."""

from __future__ import annotations

from pathlib import Path

import pytest

from lmtune.preflight import check_surroundings
from lmtune.spec import read_sweep
from tests.e2e.command import ROOT

SWEEPS = sorted((ROOT / "sweeps").glob("*.yaml"))


def test_sweeps_when_listed_are_those_that_were_promised() -> None:
    assert {path.stem for path in SWEEPS} >= {
        *("smoke", "single", "compare_models", "search_gpt"),
        *("ablation_gpt", "ablation_transformer", "ablation_rnn", "ablation_lstm"),
        *("ablation_modern_gpt", "compare_models_matched"),
        *("translate_numbers", "reverse", "docstrings"),
    }


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_sweep_when_shipped_can_be_run_anywhere(path: Path, tmp_path: Path) -> None:
    sweep = read_sweep(path)
    assert sweep.name == path.stem
    assert sweep.question.endswith("?")
    check_surroundings(sweep, path, tmp_path, is_local=True)


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_sweep_when_opened_says_first_its_question_its_cost_and_what_to_expect(path: Path) -> None:
    header = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        header.append(line)
    starts = [line.partition(":")[0] for line in header]
    assert [start for start in starts if start in ("# Question", "# Cost", "# Expect")] == [
        *("# Question", "# Cost", "# Expect")
    ]
    cost = header[starts.index("# Cost")]
    assert "minute" in cost
    assert "CPU core" in cost
