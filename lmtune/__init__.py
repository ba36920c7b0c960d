"""Sweeps of language models on Ray Tune.

From Python: `load_sweep`, `run_sweep` and `load_experiment`, loaded when they are first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmtune.from_python import Experiment, TrainedText, load_experiment, load_sweep, run_sweep

__all__ = ["Experiment", "TrainedText", "load_experiment", "load_sweep", "run_sweep"]


def __getattr__(name: str) -> object:
    """What `__all__` names, from the module that loads pydantic and, later, pandas and torch."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("lmtune.from_python"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
