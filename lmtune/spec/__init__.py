"""YAML text to a validated, frozen `SweepSpec`, without torch, Ray or MLflow."""

from lmtune.spec.file import sweep_json_schema
from lmtune.spec.reader import read_sweep

__all__ = ["read_sweep", "sweep_json_schema"]
