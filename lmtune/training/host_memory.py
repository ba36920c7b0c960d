"""What a training process does with memory that a step has freed."""

from __future__ import annotations

import ctypes
import platform

M_TRIM_THRESHOLD = -1
M_TOP_PAD = -2
M_MMAP_THRESHOLD = -3
"""Parameters of `mallopt`. Source: glibc, malloc.h."""

KEPT_MIB = 256
"""A step of a small model on a CPU frees and takes less than this, again and again."""


def keep_freed_memory() -> None:
    """Let glibc keep what a step has freed, for the next step of this process.

    By default it returns tensors of a few MiB to the kernel at once, which has to clear the pages
    when the next step asks for as much: some percent of a step on a CPU. Does nothing where the C
    library is another.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    kept_bytes = KEPT_MIB * 2**20
    for parameter in (M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_TOP_PAD):
        libc.mallopt(parameter, kept_bytes)
