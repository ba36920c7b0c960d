"""Optuna proposes, Ray Tune schedules: the search, early stopping, placement and worker reuse."""

import lmtune.tuning.ray_settings  # noqa: F401 - before anything imports ray
from lmtune.tuning.cluster import Cluster, ray_cluster
from lmtune.tuning.conductor import Conductor
from lmtune.tuning.runner import PreparedDatasets, SweepOutcome, prepare_conductor, run_sweep

__all__ = [
    "Cluster",
    "Conductor",
    "PreparedDatasets",
    "SweepOutcome",
    "prepare_conductor",
    "ray_cluster",
    "run_sweep",
]
