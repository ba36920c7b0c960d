"""The SQLite database that MLflow keeps its runs in: made whole, and readable while we write.

Imports MLflow, as mlflow_runs.py does.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore


def prepare_database(database: Path) -> None:
    """Make the database if it is missing, whole or not at all, and let readers in while we write.

    MLflow's migrations run in many transactions: two sweeps that start at once, or one that is
    killed, would leave half a database. So they run on a file aside, which is then linked in.
    """
    if not database.exists():
        database.parent.mkdir(parents=True, exist_ok=True)
        aside = database.with_name(f".{database.name}.{os.getpid()}")
        aside.unlink(missing_ok=True)
        try:
            SqlAlchemyStore(
                f"sqlite:///{aside}", str(database.parent / "artifacts")
            ).engine.dispose()
            _link_unless_exists(aside, database)
        finally:
            aside.unlink(missing_ok=True)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")


def _link_unless_exists(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except FileExistsError:  # another sweep was faster; its database is as good
        return


def fold_in_wal(database: Path) -> None:
    """Bring what SQLite keeps in its log into the database file, which can then be copied alone."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
