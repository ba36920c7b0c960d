"""YAML text to a validated, frozen `SweepSpec`, without torch, Ray or MLflow."""

from lmtune.spec.file import sweep_json_schema
from lmtune.spec.reader import find_places, read_sweep

__all__ = ["find_places", "read_sweep", "sweep_json_schema"]
