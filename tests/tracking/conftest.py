"""A real MLflow database, migrated once."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import pytest

with warnings.catch_warnings():  # as the observer does before it loads MLflow
    warnings.filterwarnings("ignore", "The ``noload`` loader", DeprecationWarning)
    from lmtune.tracking.mlflow_database import prepare_database


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow database; making one takes seconds."""
    database = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    prepare_database(database)
    return database


@pytest.fixture
def project(tmp_path: Path, migrated_database: Path) -> Path:
    """A user's directory with an empty MLflow database."""
    (tmp_path / "mlruns").mkdir()
    shutil.copy(migrated_database, tmp_path / "mlruns/mlflow.db")
    return tmp_path
