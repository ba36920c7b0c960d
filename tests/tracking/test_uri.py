from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from lmtune.spec.sweep import MlflowTracking, Tracking
from lmtune.tracking import check_tracking, mask_credentials, resolve_uri

SECRET = "hunter2"


def check(uri: str, project: Path) -> str:
    """All problems as a user reads them; empty where there is none."""
    problems = check_tracking(Tracking(mlflow=MlflowTracking(uri=uri)), project)
    return "\n".join(map(str, problems))


def test_resolve_uri_when_relative_is_in_the_project(tmp_path: Path) -> None:
    uri = resolve_uri("sqlite:///mlruns/mlflow.db", tmp_path)
    assert uri.address == f"sqlite:///{tmp_path}/mlruns/mlflow.db"
    assert uri.database == tmp_path / "mlruns/mlflow.db"
    assert uri.artifacts == tmp_path / "mlruns/artifacts"


def test_resolve_uri_when_absolute_stays(tmp_path: Path) -> None:
    uri = resolve_uri("sqlite:////srv/mlflow.db", tmp_path)
    assert uri.address == "sqlite:////srv/mlflow.db"
    assert uri.database == Path("/srv/mlflow.db")


def test_resolve_uri_when_a_server_leaves_artifacts_to_it(tmp_path: Path) -> None:
    uri = resolve_uri("http://127.0.0.1:5000", tmp_path)
    assert (uri.address, uri.database, uri.artifacts) == ("http://127.0.0.1:5000", None, None)


@pytest.mark.parametrize(
    "uri",
    [
        f"http://someone:{SECRET}@host:5000",
        f"postgresql+psycopg2://someone:{SECRET}@host/db",
        f"postgresql://someone:a@{SECRET}@host/db",
        f"mysql://host/db?password={SECRET}",
    ],
)
def test_uri_when_printed_hides_credentials(uri: str, tmp_path: Path) -> None:
    resolved = resolve_uri(uri, tmp_path)
    message = mask_credentials(f"cannot open {uri}: no route")
    assert SECRET not in f"{resolved} {resolved!r} {message}"
    assert "***" in str(resolved)
    assert "host" in str(resolved)
    assert message.endswith("no route")


@pytest.mark.parametrize(
    "uri",
    [
        "sqlite:///mlruns/mlflow.db",
        "sqlite:///new/folders/mlflow.db",
        "http://127.0.0.1:5000",
        "https://host/mlflow",
        "postgresql://host/db",
    ],
)
def test_check_tracking_when_it_can_be_written_finds_nothing_and_leaves_nothing(
    uri: str, tmp_path: Path
) -> None:
    assert check(uri, tmp_path) == ""
    assert list(tmp_path.iterdir()) == []


def test_check_tracking_when_off_finds_nothing(tmp_path: Path) -> None:
    assert check_tracking(Tracking(mlflow=None), tmp_path) == []


def test_check_tracking_when_a_directory_is_in_the_way_says_so(tmp_path: Path) -> None:
    (tmp_path / "mlruns/mlflow.db").mkdir(parents=True)
    assert check("sqlite:///mlruns/mlflow.db", tmp_path) == (
        f"tracking.mlflow.uri: the database {tmp_path}/mlruns/mlflow.db cannot be written: "
        f"Is a directory: {tmp_path}/mlruns/mlflow.db\n"
        "  Expected: a file that is, or can become, a SQLite database\n"
        "  Fix: mend that, or set tracking.mlflow.uri to another path "
        "(sqlite:///mlruns/mlflow.db is the default)"
    )


def test_check_tracking_when_a_file_is_in_place_of_the_folder_says_so(tmp_path: Path) -> None:
    (tmp_path / "mlruns").touch()
    assert "Not a directory" in check("sqlite:///mlruns/mlflow.db", tmp_path)


def test_check_tracking_when_the_folder_is_read_only_says_so() -> None:
    assert "cannot be written" in check("sqlite:////proc/lmtune/mlflow.db", Path("/"))


def test_check_tracking_when_the_file_is_no_database_says_so(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database at all")
    assert "it is no SQLite database" in check("sqlite:///notes.txt", tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "not a database at all"


def test_check_tracking_when_the_file_may_not_be_written_says_so(tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    database.touch(mode=stat.S_IRUSR)
    try:
        database.open("ab").close()
    except PermissionError:
        assert "Permission denied" in check("sqlite:///mlflow.db", tmp_path)
    else:
        pytest.skip("root may write every file")


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("mlruns", "'mlruns' has no scheme that runs can be kept under"),
        ("file:///tmp/mlruns", "one of mssql, mysql, postgresql, sqlite, http, https"),
        ("sqlite://mlruns/mlflow.db", "three slashes"),
        ("sqlite:///", "names no database file"),
        ("sqlite:///:memory:", "names no database file"),
        ("http://", "names no host"),
        ("http://[bad", "is no URI"),
        ("http://host:port", "has a port that is no number"),
        ("sqlite:///a\0b", "holds characters that cannot be printed"),
        (f"ftp://me:{SECRET}@host", "'ftp://***@host' has no scheme"),
    ],
)
def test_check_tracking_when_the_uri_is_wrong_says_what_and_how_to_fix_it(
    uri: str, said: str, tmp_path: Path
) -> None:
    message = check(uri, tmp_path)
    assert said in message
    assert SECRET not in message
    assert "Fix: set tracking.mlflow.uri to sqlite:///mlruns/mlflow.db" in message


def test_import_of_tracking_loads_no_heavy_library() -> None:
    code = (
        "import sys, lmtune.tracking\n"
        "print(*sorted({'mlflow', 'torch', 'ray', 'pandas', 'sqlalchemy'} & sys.modules.keys()))"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert output.stdout.strip() == ""


def test_check_tracking_when_the_database_is_a_pipe_says_so_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "mlflow.db")
    assert "it is a pipe, socket or device" in check("sqlite:///mlflow.db", tmp_path)


@pytest.mark.parametrize(
    "uri",
    [
        f"http://someone:{SECRET}@host:5000",
        f"https://{SECRET}@host",
        f"http://someone:1?{SECRET}@host",
        f"postgresql+psycopg2://someone:a/{SECRET}@host/db",
        f"mysql://host/db?charset=utf8&password={SECRET}",
    ],
)
def test_check_tracking_when_the_uri_holds_a_secret_refuses_it_unsaid(
    uri: str, tmp_path: Path
) -> None:
    message = check(uri, tmp_path)
    assert "holds a password or token, which the records would keep" in message
    assert SECRET not in message
    assert ("MLFLOW_TRACKING_PASSWORD" if uri.startswith("http") else "~/.pgpass") in message


@pytest.mark.parametrize(
    "uri", ["postgresql://someone@host/db", "https://host/a@b", "sqlite:///a:b@c.db?timeout=5"]
)
def test_check_tracking_when_a_uri_only_looks_as_if_it_held_a_secret_takes_it(
    uri: str, tmp_path: Path
) -> None:
    assert check(uri, tmp_path) == ""
