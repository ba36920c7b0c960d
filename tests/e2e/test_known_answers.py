"""Questions with a known answer: one change that matters, one that does not."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.command import ROOT, run
from tests.e2e.reading import Records

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.science, pytest.mark.timeout(600)]

NAME = "ablation_forget_gate"
ABLATIONS = """\
  model.forget_bias: [0.0]
  training.evaluate_generation: [false]
"""


@pytest.fixture(scope="module")
def variants(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What the shipped sweep answers of a closed forget gate and of an inert change."""
    project: Path = tmp_path_factory.mktemp("known")
    shipped = (ROOT / f"sweeps/{NAME}.yaml").read_text(encoding="utf-8")
    before, found, after = shipped.partition("  model.forget_bias: [0.0, 1.0]\n")
    assert found
    (project / "sweep.yaml").write_text(before + ABLATIONS + after, encoding="utf-8")
    ended = run(project, "sweep.yaml")
    assert ended.code == 0, ended.err
    return {each["variant"]: each for each in Records(project, NAME).summary["variants"]}


def test_ablation_of_an_open_forget_gate_is_worse_with_its_interval(
    variants: dict[str, dict[str, Any]],
) -> None:
    """Known truth 14. A guess costs ln 10 for the symbol, and nothing for the end after it."""
    closed = variants["forget_bias=0.0"]
    low, high = closed["difference"]["interval"]
    assert closed["difference"]["verdict"] == "worse"
    assert 0 < low < closed["difference"]["mean"] < high
    assert closed["confirm"]["mean"] == pytest.approx(math.log(10) / 2, abs=0.02)


def test_ablation_of_what_changes_nothing_is_exactly_zero_and_within_noise(
    variants: dict[str, dict[str, Any]],
) -> None:
    inert = variants["evaluate_generation=false"]
    assert inert["difference"]["mean"] == 0.0
    assert inert["difference"]["interval"] == [0.0, 0.0]
    assert inert["difference"]["verdict"] == "within noise"
