"""What a step has freed stays in the process."""

import subprocess
import sys

import pytest

COUNT_FAULTS = """
import resource, sys
import torch
from lmtune.training.host_memory import keep_freed_memory

if sys.argv[1] == "keep":
    keep_freed_memory()

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def step():
    tensors = [torch.ones(2**20) for _ in range(16)]
    return sum(tensor[0].item() for tensor in tensors)

step()
before = faults()
for _ in range(20):
    step()
print(faults() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mallopt is glibc's")
def test_freed_memory_when_kept_is_not_asked_for_again() -> None:
    faults = {
        name: int(subprocess.check_output([sys.executable, "-c", COUNT_FAULTS, name]))
        for name in ("keep", "default")
    }
    assert faults["keep"] < 0.5 * faults["default"], faults  # glibc's own threshold adapts
