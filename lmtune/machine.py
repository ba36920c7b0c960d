"""What this machine has, found without importing anything heavy where that can be avoided."""

from __future__ import annotations

import errno
import os
import re
import sys
from pathlib import Path

_GPU_DRIVERS = ("/dev/nvidiactl", "/dev/nvhost-ctrl-gpu", "/dev/nvgpu", "/dev/kfd", "/dev/dxg")
"""Where Linux shows GPUs, those of small boards, of AMD and under WSL included."""


_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def is_disk_full(error: OSError) -> bool:
    """Whether a file could not be written for want of room: the disk's, a quota's, a limit's."""
    return error.errno in _DISK_FULL


def own_environment() -> dict[str, str]:
    """Environment variables for `python -m lmtune...`, which need not be installed."""
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def available_cpus() -> int:
    """CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def available_memory() -> int | None:
    """Bytes that could be used without swapping; None where the system does not say."""
    try:
        found = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text())
    except OSError:
        return None
    return int(found[1]) << 10 if found else None


def shared_memory() -> int | None:
    """Free bytes of /dev/shm; None where there is none."""
    try:
        found = os.statvfs("/dev/shm")
    except OSError:
        return None
    return found.f_bavail * found.f_frsize


def available_gpus() -> int:
    """CUDA devices that this process may use."""
    if sys.platform == "linux" and not any(map(os.path.exists, _GPU_DRIVERS)):
        return 0
    import torch  # deferred: nothing else needs it before a sweep is known to be sound

    return torch.cuda.device_count()
