"""Where MLflow keeps its runs: the URI of a sweep file made absolute, checked, safe to print."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from lmtune.credentials import mask_credentials
from lmtune.errors import Problem
from lmtune.spec.sweep import Tracking

_WHERE = "tracking.mlflow.uri"
_SERVERS = ("http", "https")
_DATABASES = ("mssql", "mysql", "postgresql", "sqlite")
_SQLITE_HEADER = b"SQLite format 3\x00"
_DEFAULT = "sqlite:///mlruns/mlflow.db"
_SECRET_KEY = re.compile(r"(^|[?&;])\w*(pass|pwd|token|secret|credential)\w*=", re.IGNORECASE)


@dataclass(frozen=True)
class TrackingUri:
    """A tracking URI that means the same in every directory; `str` of it is safe to print.

    Attributes:
        address: what MLflow is given, credentials included.
        database: the file, where it is a SQLite database.
        artifacts: the folder for artifacts; None where a tracking server decides.
    """

    address: str = field(repr=False)
    database: Path | None
    artifacts: Path | None

    def __str__(self) -> str:
        return mask_credentials(self.address)


def resolve_uri(uri: str, project: Path) -> TrackingUri:
    """Make a URI that `check_tracking` accepts absolute: a SQLite path is relative to `project`."""
    scheme, _, path = uri.partition(":///")
    if scheme.partition("+")[0] == "sqlite":
        path, mark, query = path.partition("?")
        database = project.resolve() / path
        address = f"{scheme}:///{database}{mark}{query}"
        return TrackingUri(address, database, database.parent / "artifacts")
    is_server = urlsplit(uri).scheme in _SERVERS
    return TrackingUri(uri, None, None if is_server else project.resolve() / "mlruns/artifacts")


def check_tracking(tracking: Tracking, project: Path) -> list[Problem]:
    """What keeps the trackers from being written, found without importing or connecting to them.

    Args:
        tracking: the section of the sweep file.
        project: the directory that relative paths start from.
    """
    if tracking.mlflow is None:
        return []
    return check_uri(tracking.mlflow.uri, project) or _check_secrets(tracking.mlflow.uri)


def _check_secrets(uri: str) -> list[Problem]:
    """Refuse what would end in the records, in MLflow and in whatever the sweep file is kept in."""
    scheme, _, rest = uri.partition("://")
    kind = scheme.partition("+")[0]
    query = rest.partition("?")[2]
    if kind in _SERVERS:
        has_login = "@" in rest.partition("/")[0]  # a name alone may be a token
        fix = (
            "set the environment variables MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, instead"
        )
    else:
        has_login = kind != "sqlite" and ":" in rest.rpartition("@")[0]
        fix = (
            "leave it to the database's own files (~/.pgpass for PostgreSQL, option files for "
            "MySQL), or use a tracking server"
        )
    if not (has_login or _SECRET_KEY.search(f"?{query}")):
        return []
    what = f"{mask_credentials(uri)!r} holds a password or token, which the records would keep"
    return [Problem(_WHERE, what, "an address without secrets", fix)]


def check_uri(uri: str, project: Path) -> list[Problem]:
    """What keeps an MLflow tracking URI from being written."""
    try:
        parts = urlsplit(uri)
    except ValueError:  # which may quote a password
        return [_problem(uri, "is no URI", "such as " + _DEFAULT)]
    if not uri.isprintable():
        return [_problem(uri, "holds characters that cannot be printed", "such as " + _DEFAULT)]
    scheme = parts.scheme.partition("+")[0]
    if scheme not in (*_DATABASES, *_SERVERS):
        choices = ", ".join((*_DATABASES, *_SERVERS))
        return [_problem(uri, "has no scheme that runs can be kept under", f"one of {choices}")]
    if scheme == "sqlite":
        return _check_sqlite(uri, project)
    if not parts.netloc:
        return [_problem(uri, "names no host", f"{scheme}://host:port")]
    if scheme in _SERVERS and not _has_port_or_none(parts):
        return [_problem(uri, "has a port that is no number", f"{scheme}://host:port")]
    return []


def _has_port_or_none(parts: SplitResult) -> bool:
    try:
        _ = parts.port
    except ValueError:  # it is read only when it is asked for
        return False
    return True


def _check_sqlite(uri: str, project: Path) -> list[Problem]:
    path = uri.partition(":///")[2].partition("?")[0]
    if path in ("", ":memory:"):
        rule = "sqlite:/// with three slashes, then a path; four slashes for an absolute one"
        return [_problem(uri, "names no database file", rule)]
    database = project.resolve() / path
    reason = _why_unwritable(database)
    if reason is None:
        return []
    return [
        Problem(
            where=_WHERE,
            what=f"the database {database} cannot be written: {reason}",
            expected="a file that is, or can become, a SQLite database",
            fix=f"mend that, or set {_WHERE} to another path ({_DEFAULT} is the default)",
        )
    ]


def _why_unwritable(database: Path) -> str | None:
    """Try for real, since permission bits say little of read-only file systems and of root."""
    folder = database.parent
    try:
        if database.exists():
            # Opening a FIFO would wait for ever; a directory gives a reason of its own below.
            if not (database.is_file() or database.is_dir()):
                return "it is a pipe, socket or device"
            with database.open("r+b") as file:
                header = file.read(len(_SQLITE_HEADER))
            if header not in (b"", _SQLITE_HEADER):
                return "it is no SQLite database"
        while not folder.exists():
            folder = folder.parent
        with tempfile.TemporaryFile(dir=folder):  # SQLite keeps its journal beside the database
            return None
    except OSError as error:
        return f"{error.strerror}: {error.filename or folder}"


def _problem(uri: str, what: str, expected: str) -> Problem:
    return Problem(
        where=_WHERE,
        what=f"{mask_credentials(uri)!r} {what}",
        expected=expected,
        fix=f"set {_WHERE} to {_DEFAULT}, or to the address of a tracking server",
    )
