"""Observers of a sweep, all in the driver: the records' writer and MLflow.

Nothing here is imported by a worker, and MLflow not before there is something to write.
"""

from __future__ import annotations

from lmtune.credentials import mask_credentials
from lmtune.tracking.mlflow_content import tracked_files
from lmtune.tracking.mlflow_observer import MlflowObserver, TrackedSweep
from lmtune.tracking.observer import Observer
from lmtune.tracking.records import RecordsObserver
from lmtune.tracking.uri import (
    TrackingUri,
    check_tracking,
    check_uri,
    resolve_uri,
)

__all__ = [
    "MlflowObserver",
    "Observer",
    "RecordsObserver",
    "TrackedSweep",
    "TrackingUri",
    "check_tracking",
    "check_uri",
    "mask_credentials",
    "resolve_uri",
    "tracked_files",
]
