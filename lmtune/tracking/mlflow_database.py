"""The SQLite database that MLflow keeps its runs in: made whole, and readable while we write.

Imports MLflow, as mlflow_runs.py does.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from weakref import WeakValueDictionary

from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import Connection, Engine, event, make_url
from sqlalchemy.engine import URL

_engines: WeakValueDictionary[URL, Engine] = WeakValueDictionary()
_SIDECARS = ("-journal", "-shm", "-wal")
_LOCK_S = 20.0
"""How long to wait for another writer: as long as MLflow itself."""


def prepare_database(database: Path) -> None:
    """Make the database if it is missing, whole or not at all, and let readers in while we write.

    MLflow's migrations run in many transactions: two sweeps that start at once, one that is
    killed, or a full disk would leave half a database. So they run in memory; what they made is
    written to a file aside, which then takes its place.
    """
    if not _has_content(database):
        database.parent.mkdir(parents=True, exist_ok=True)
        content = _empty_database(database.parent / "artifacts")
        aside = database.with_name(f".{database.name}.{os.getpid()}")
        try:
            with aside.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            _put_in_place(aside, database)
        finally:
            aside.unlink(missing_ok=True)
    with closing(connect(database)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")


def _empty_database(artifacts: Path) -> bytes:
    store = SqlAlchemyStore("sqlite://", str(artifacts))
    try:
        content: bytes = store.engine.raw_connection().driver_connection.serialize()
    finally:
        store.engine.dispose()  # and the memory with it
    return content


def _has_content(database: Path) -> bool:
    """An empty file is what SQLite leaves where it was asked for one that had been deleted."""
    return database.exists() and database.stat().st_size > 0


def _put_in_place(source: Path, target: Path) -> None:
    if not _has_content(target):  # SQLite would replay the log of a file that is gone into this one
        for ending in ("", *_SIDECARS):
            target.with_name(target.name + ending).unlink(missing_ok=True)
    try:
        target.hardlink_to(source)
    except FileExistsError:  # another sweep was faster; its database is as good
        return


@event.listens_for(Engine, "engine_connect")
def _remember(connection: Connection) -> None:
    """MLflow keeps its engines to itself, for the whole process."""
    _engines[connection.engine.url] = connection.engine


def forget_connections(address: str) -> None:
    """Close the connections that MLflow keeps open.

    They hold on to a file that has been deleted since, and write to it without an error.
    """
    engine = _engines.get(make_url(address))
    if engine is not None:
        engine.dispose()


def file_identity(database: Path) -> tuple[int, int] | None:
    """What changes when another file takes the place of this one; None where there is none."""
    try:
        found = database.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def fold_in_wal(database: Path) -> None:
    """Bring what SQLite keeps in its log into the database file, which can then be copied alone."""
    with closing(connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def connect(database: Path) -> sqlite3.Connection:
    """A connection to a database that exists: SQLite would make an empty file of that name."""
    return sqlite3.connect(f"{database.as_uri()}?mode=rw", timeout=_LOCK_S, uri=True)
