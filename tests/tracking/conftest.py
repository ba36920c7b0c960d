"""A real MLflow database, migrated once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.tracking.simulation import prepare_database


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


@pytest.fixture
def quick_to_make(migrated_database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that is gone is made anew by a copy of that one."""
    content = migrated_database.read_bytes()
    monkeypatch.setattr("lmtune.tracking.mlflow_database._empty_database", lambda _: content)
