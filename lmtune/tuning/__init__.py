"""Optuna proposes, Ray Tune schedules: the search, early stopping, placement and worker reuse.

A worker imports `trainable` alone, so nothing else is imported here.
"""

import lmtune.tuning.ray_settings  # noqa: F401 - before anything imports ray
