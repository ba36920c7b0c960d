"""The experiment folder: what is written where, so that a crash leaves it whole; read as tables.

The driver alone writes here. Never imports torch, Ray or MLflow; pandas only to make tables.
"""

from __future__ import annotations

from lmtune.records.environment import describe_environment
from lmtune.records.experiment_folder import DatasetFacts, ExperimentFolder
from lmtune.records.lock import holder_of
from lmtune.records.roles import Membership
from lmtune.records.tables import (
    CURVE_COLUMNS,
    TRIAL_COLUMNS,
    curves_table,
    swept_paths,
    trials_table,
    write_tables,
)
from lmtune.records.trial_folder import Role, TrialFolder, TrialRecord

__all__ = [
    "CURVE_COLUMNS",
    "TRIAL_COLUMNS",
    "DatasetFacts",
    "ExperimentFolder",
    "Membership",
    "Role",
    "TrialFolder",
    "TrialRecord",
    "curves_table",
    "describe_environment",
    "holder_of",
    "swept_paths",
    "trials_table",
    "write_tables",
]
