"""What this machine has, found without importing anything heavy where that can be avoided."""

from __future__ import annotations

import os


def available_cpus() -> int:
    """CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def available_gpus() -> int:
    """CUDA devices that this process may use."""
    import torch  # deferred: nothing else needs it before a sweep is known to be sound

    return torch.cuda.device_count()
