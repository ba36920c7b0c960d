"""What a person is told about the disk: that it is full, and what there is to free."""

from __future__ import annotations

import shutil
from pathlib import Path

from lmtune.errors import Problem, SweepError

_FOLDERS = ("experiments", "mlruns", "data")


def disk_full(error: OSError, project: Path) -> SweepError:
    """That a file could not be written, and how much room could be made where.

    Args:
        error: of the write.
        project: the folder that `experiments/` is in.
    """
    held = [f"{name}/ holds {size_text(size_of(project / name))}" for name in _FOLDERS]
    problem = Problem(
        where=str(error.filename or project),
        what=f"{error.strerror}: {size_text(shutil.disk_usage(project).free)} are free, and what "
        "was to be written did not fit, or a quota does not allow it. Finished work is whole.",
        fix=f"free some room ({', '.join(held)}; `keep: {{checkpoints: best, top_k: 3}}` keeps "
        "fewer weights), then run the same command again, which goes on from here",
    )
    return SweepError(str(problem))


def size_text(num_bytes: float) -> str:
    """A size as a person reads it: `3.2 GiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if num_bytes < 1024:
            return f"{num_bytes:.0f} B" if unit == "B" else f"{num_bytes:.1f} {unit}"
        num_bytes /= 1024
    return f"{num_bytes:.1f} TiB"


def size_of(folder: Path) -> int:
    """Bytes of the files below a folder; 0 where there is none."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_blocks * 512
        except OSError:  # it has just gone
            continue
    return total
