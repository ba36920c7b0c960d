from __future__ import annotations

import os
import subprocess
import sys

import pytest

from lmtune import machine
from lmtune.machine import available_gpus, available_memory


def test_memory_when_asked_for_is_some_of_the_machines() -> None:
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    found = available_memory()
    assert found is not None
    assert 1 << 20 < found <= total


def test_gpus_when_no_driver_is_there_are_none_and_torch_is_not_loaded() -> None:
    code = (
        "import sys; from lmtune import machine; machine._GPU_DRIVERS = (); "
        "print(machine.available_gpus(), 'torch' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["0", "False"]


def test_gpus_when_a_driver_is_there_are_those_that_torch_finds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machine, "_GPU_DRIVERS", ("/dev/null",))
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    assert available_gpus() == 3
