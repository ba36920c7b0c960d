"""bf16 is refused where it would be emulated."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from lmtune.training import check_training
from tests.training.conftest import MakeTrial


def set_cpu(monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, Any]) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)


def test_check_of_fp32_finds_nothing_wherever_it_runs(make_trial: MakeTrial) -> None:
    config = make_trial().config
    assert check_training(config, "cpu", "sweep.yaml:3: base") == []
    assert check_training(config, "cuda", "sweep.yaml:3: base") == []


@pytest.mark.parametrize(
    "capabilities",
    [{"avx512_bf16": False, "amx_bf16": False, "cpu_name": "Old"}, {"cpu_name": "Old"}],
    ids=["x86 without", "another make"],
)
def test_check_of_bf16_on_a_cpu_without_it_gives_the_reason(
    make_trial: MakeTrial, monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, Any]
) -> None:
    set_cpu(monkeypatch, capabilities)
    config = make_trial(training={"precision": "bf16"}).config
    (problem,) = check_training(config, "cpu", "sweep.yaml:3: base")
    assert str(problem) == (
        "sweep.yaml:3: base.training.precision: bf16 would be slow here: this CPU (Old) has "
        "neither avx512_bf16 nor amx_bf16 and emulates it, 8 to 14 times slower than fp32\n"
        "  Expected: fp32, or a device that computes in bf16\n"
        "  Fix: set training.precision to fp32"
    )


@pytest.mark.parametrize("name", ["avx512_bf16", "amx_bf16"])
def test_check_of_bf16_on_a_cpu_that_has_it_finds_nothing(
    make_trial: MakeTrial, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    set_cpu(monkeypatch, {name: True})
    assert check_training(make_trial(training={"precision": "bf16"}).config, "cpu", "") == []


@pytest.mark.parametrize(("is_fast", "num_problems"), [(True, 0), (False, 1)])
def test_check_of_bf16_on_a_gpu_asks_the_gpu(
    make_trial: MakeTrial, monkeypatch: pytest.MonkeyPatch, is_fast: bool, num_problems: int
) -> None:
    def is_bf16_supported(*, including_emulation: bool) -> bool:
        return is_fast or including_emulation

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", is_bf16_supported)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Turing")
    config = make_trial(training={"precision": "bf16"}).config
    problems = check_training(config, "cuda", "")
    assert [problem.where for problem in problems] == ["training.precision"] * num_problems
